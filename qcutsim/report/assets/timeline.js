// One query: stages of the coordinator, tasks on their workers, the barrier.
const OUTCOMES = ["ok", "failed", "lost", "cancelled"];
const MOST_LANES = 64;

/** None of those that stages have. */
function partitionColour(number) {
  return [1, 3, 6, 4, 5][number % 5];
}

function timelinePanel(figure, run, isShown) {
  const lanes = [...new Set(run.tasks.map((t) => t[0]))].sort((a, b) => a - b).slice(0, MOST_LANES);
  const [width, left, right, top] = [980, 92, 12, 20];
  const step = Math.max(8, Math.min(22, 420 / lanes.length));
  const bottom = top + 26 + step * lanes.length;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${bottom + 36}` });
  const end_s = Math.max(run.total_s, ...run.tasks.map((t) => t[7]));
  const at = (seconds) => left + (seconds / end_s) * (width - left - right);
  for (const tick of linearTicks(0, end_s)) {
    drawing.append(svg("line", { x1: at(tick), x2: at(tick), y1: top, y2: bottom, class: "grid" }));
    drawing.append(svg("text", { x: at(tick), y: bottom + 15, class: "tick middle" }, shown(tick, "s")));
  }
  drawing.append(svg("text", { x: (left + width - right) / 2, y: bottom + 31, class: "axis middle" }, figure.x.label));
  const placed = [];
  const box = (from, to, y, height, kind, lines) => {
    const group = svg("g", { class: `mark ${kind}` });
    group.append(svg("rect", { x: at(from), y, width: Math.max(at(to) - at(from), 0.6), height }));
    drawing.append(group);
    if (lines) placed.push([group, lines]);
    return group;
  };
  drawing.append(svg("text", { x: left - 6, y: top + 14, class: "tick end" }, "coordinator"));
  run.stages.forEach(([stage, from, to], n) => {
    if (!isShown(stage)) return;
    const lines = () => [`${stage}, query ${run.query}`, `${shown(to - from, "s")}, from ${shown(from, "s")} to ${shown(to, "s")}`];
    const group = box(from, to, top + 2, 18, `part s${n} measured`, lines);
    if (at(to) - at(from) > 70) group.append(svg("text", { x: (at(from) + at(to)) / 2, y: top + 15, class: "inside middle" }, stage));
  });
  lanes.forEach((worker, lane) => {
    const y = top + 26 + lane * step;
    if (step >= 11 || lane % Math.ceil(11 / step) === 0)
      drawing.append(svg("text", { x: left - 6, y: y + Math.min(step - 2, step / 2 + 4), class: "tick end" }, `worker ${worker}`));
    for (const task of run.tasks) if (task[0] === worker) drawTask(run, task, y, step - 2, box, isShown);
  });
  const [, barrier] = run.stages[3];
  drawing.append(svg("line", { x1: at(barrier), x2: at(barrier), y1: top - 4, y2: bottom, class: "barrier" }));
  drawing.append(svg("text", { x: at(barrier), y: top - 7, class: "axis middle" }, "barrier"));
  const whole = element("div", {}, interactive(drawing, `${figure.title}: query ${run.query}, ${placed.length} stages and tasks; arrow keys go through them`, placed));
  const more = new Set(run.tasks.map((t) => t[0])).size - lanes.length;
  if (more > 0) whole.append(element("p", { class: "more" }, `${more} more workers are not shown`));
  return whole;
}

function drawTask(run, task, y, height, box, isShown) {
  const [, number, attempt, partition, outcome, dispatched, started, ended, collected, delay] = task;
  const name = `partition ${run.partitions[partition]}`;
  if (!isShown(name)) return;
  const kind = OUTCOMES[outcome];
  const lines = () => [
    `task ${number}${attempt ? `, copy ${attempt + 1}` : ""}, ${name}`,
    `${shown(ended - started, "s")}, from ${shown(started, "s")} to ${shown(ended, "s")}${kind === "ok" ? "" : `, ${kind}`}`,
    ...(delay > 0 ? [`injected delay ${shown(delay, "s")}`] : []),
    `sent ${shown(started - dispatched, "s")} before, collected ${shown(collected - ended, "s")} after`,
  ];
  box(started, ended, y, height, `task c${partitionColour(partition)} ${kind}`, lines);
  if (delay > 0) box(started, Math.min(started + delay, ended), y + height * 0.3, height * 0.4, "delay", null);
}
