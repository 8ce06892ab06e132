// Figures of panels side by side: points and curves, stacked bars, cells of a heat map.
const MOST_PANELS = 12;
const MOST_BARS = 60;
const POOLS = ["processes", "threads", "dedicated", "inline"];
const ORDINATES = { "speed-up": ["workers"], stragglers: ["stragglers"], growth: ["cuts", "partition_labels"],
  errors: ["cuts", "partition_labels"] };
const COLOURED_BY = ["pool", "policy", "stragglers", "reconstruction", "workers", "window", "chunk",
  "machines", "shots", "partition_labels", "observable", "cuts"];

/** Fields, in order, each of which tells marks of one panel apart that those before it do not. */
function telling(marks, panels, among, most = 3, mostNames = 24) {
  const chosen = [];
  const kinds = (fields) => new Set(marks.map((m) => fields.map((n) => configurations[m.c][n]).join("|"))).size;
  for (const name of among) {
    if (chosen.length >= most || panels.includes(name)) continue;
    const more = [...chosen, name];
    if (kinds([...panels, ...more]) > kinds([...panels, ...chosen]) && kinds(more) <= mostNames) chosen.push(name);
  }
  return chosen;
}

/** What tells series of a figure apart: fields that vary in its panels, but what its x is. */
function seriesFields(figure, marks) {
  const others = ORDINATES[figure.name] || [];
  const fields = telling(marks, [...figure.panels, ...others], COLOURED_BY, 3, figure.joined === "none" ? 12 : 24);
  return fields.length ? fields : ["pool"];
}

/** Whether a mark speaks of all configurations of its pipeline and cuts. */
function isGeneral(mark) {
  return Boolean(mark.panel && mark.series);
}

function seriesName(mark, fields) {
  if (isGeneral(mark)) return mark.series;
  const words = fields.map((name) => said(mark.c, name));
  return words.join(", ");
}

/** Names of series in an order that gives pools the same colours in all figures. */
function seriesOrder(names) {
  const rank = (name) => {
    const n = POOLS.findIndex((pool) => name.startsWith(pool));
    return n < 0 ? POOLS.length : n;
  };
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || natural(a, b));
}

function panelName(mark, fields) {
  const own = configurations[mark.c];
  const words = fields
    .filter((name) => !UNVARIED.has(name) || name === "cuts")
    .map((name) => {
      if (name === "cuts") return `${own.cuts} cut${own.cuts === 1 ? "" : "s"}`;
      if (name === "workers") return `${own.workers} worker${own.workers === 1 ? "" : "s"}`;
      return name === "window" ? `window ${own.window}` : word(own[name]);
    });
  if (mark.panel) words.push(mark.panel);
  return words.join(" · ") || "all";
}

function grouped(values, name) {
  const groups = new Map();
  for (const value of values) {
    const key = name(value);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(value);
  }
  return groups;
}

function hasInterval(mark) {
  return mark.low !== undefined && mark.low !== null;
}

function markLines(figure, mark) {
  const far = mark.is_extrapolated ? ", extrapolated" : "";
  const own = configurations[mark.c];
  const lines = [
    isGeneral(mark)
      ? `${mark.series}: ${own.dataset}, ${own.pipeline}, cuts ${own.cuts}`
      : `${mark.series ? `${mark.series} · ` : ""}${described(mark.c)}`,
  ];
  const unit = mark.panel && mark.panel.endsWith(", s") ? "s" : figure.y.unit;
  const what = mark.panel || figure.y.label;
  if (figure.kind === "points" && figure.x.label !== "cuts" && figure.x.label !== "workers")
    lines.push(`${figure.x.label}: ${shown(mark.x, figure.x.unit)}`);
  lines.push(`${what}: ${shown(mark.y, unit)}`);
  if (hasInterval(mark))
    lines.push(`90 % interval: ${shown(mark.low, unit)} to ${shown(mark.high, unit)}`);
  lines.push(`${mark.origin}${far}${mark.queries ? `, ${mark.queries} queries` : ""}`);
  if (mark.tip) lines.push(mark.tip);
  return lines;
}

const WIDTH = 420, HEIGHT = 300, LEFT = 70, RIGHT = 10, TOP = 14, BOTTOM = 48;

/** A frame with axes; gives the drawing and the scales. */
function frame(figure, xs, ys, unit) {
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
  const x = scale(figure.x, xs, LEFT + 6, WIDTH - RIGHT - 6);
  const y = scale(figure.y, ys, HEIGHT - BOTTOM - 4, TOP + 4);
  for (const tick of x.ticks) {
    const at = x.at(tick);
    drawing.append(svg("line", { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: "grid" }));
    drawing.append(svg("text", { x: at, y: HEIGHT - BOTTOM + 15, class: "tick middle" }, shown(tick, figure.x.unit)));
  }
  for (const tick of y.ticks) {
    const at = y.at(tick);
    drawing.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: "grid" }));
    drawing.append(svg("text", { x: LEFT - 5, y: at + 4, class: "tick end" }, shown(tick, unit)));
  }
  drawing.append(svg("rect", { x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM, class: "frame" }));
  drawing.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, class: "axis middle" }, figure.x.label));
  return { drawing, x, y };
}

/** Points with intervals, lines and curves of one panel. */
function pointsPanel(figure, title, marks, curves, styleOf) {
  const xs = [...marks.map((m) => m.x), ...curves.flatMap((c) => c.xs)];
  const ys = [...marks.flatMap((m) => [m.y, m.low, m.high]), ...curves.flatMap((c) => c.ys)];
  if (figure.has_diagonal) {
    xs.push(...ys.filter(Number.isFinite));
    ys.push(...xs);
  }
  const unit = title.endsWith(", s") ? "s" : figure.y.unit;
  const label = figure.y.label || title.split(" · ").at(-1);
  const { drawing, x, y } = frame(figure, xs, ys, unit);
  drawing.append(svg("text", { x: -(TOP + HEIGHT - BOTTOM) / 2, y: 12, transform: "rotate(-90)", class: "axis middle" }, label));
  if (figure.has_diagonal) drawing.append(...diagonal(x, y));
  const path = (points) => `M${points.map(([a, b]) => `${x.at(a).toFixed(1)} ${y.at(b).toFixed(1)}`).join("L")}`;
  const dash = (one) => ` ${one.is_extrapolated ? "far" : one.origin}`;
  for (const curve of curves) {
    const steps = curve.xs.slice(1).map((v, n) => `V${y.at(curve.ys[n + 1]).toFixed(1)}H${x.at(v).toFixed(1)}`);
    const d = path([[curve.xs[0], curve.ys[0]]]) + steps.join("");
    drawing.append(svg("path", { d, class: `line c${styleOf(curve).colour}${dash(curve)}` }));
  }
  const rest = data.fields.filter((n) => !(ORDINATES[figure.name] || []).includes(n));
  const lines = grouped(marks, (m) => `${m.origin}|${m.series}|${isGeneral(m) ? "" : rest.map((n) => configurations[m.c][n]).join("|")}`);
  const banded = new Set();
  for (const own of lines.values()) {
    own.sort((a, b) => a.x - b.x);
    const style = styleOf(own[0]);
    const isJoined = figure.joined === "all" || (figure.joined !== "none" && own[0].origin !== "measured");
    const spread = own.filter(hasInterval);
    if (isJoined && own[0].origin !== "measured" && spread.length > 1) {
      for (const mark of spread) banded.add(mark);
      const band = [...spread.map((m) => [m.x, m.high]), ...spread.reverse().map((m) => [m.x, m.low])];
      drawing.append(svg("path", { d: `${path(band)}Z`, class: `band c${style.colour}` }));
    }
    if (isJoined)
      for (let n = 1; n < own.length; n += 1)
        drawing.append(svg("path", { d: path([[own[n - 1].x, own[n - 1].y], [own[n].x, own[n].y]]), class: `line c${style.colour}${dash(own[n])}` }));
  }
  const placed = [];
  for (const mark of [...marks].sort((a, b) => (styleOf(a).name < styleOf(b).name ? -1 : 1) || a.x - b.x)) {
    const style = styleOf(mark);
    const group = svg("g", { class: `mark c${style.colour} ${mark.origin}${mark.is_extrapolated ? " far" : ""}` });
    const [at, up] = [x.at(mark.x), y.at(mark.y)];
    if (hasInterval(mark) && !banded.has(mark)) {
      const [a, b] = [y.at(mark.low), y.at(mark.high)];
      group.append(svg("path", { d: `M${at} ${a}V${b}M${at - 4} ${a}h8M${at - 4} ${b}h8`, class: "interval" }));
    }
    const spot = svg("g", { transform: `translate(${at.toFixed(1)} ${up.toFixed(1)})` });
    const size = mark.origin === "measured" || figure.joined === "none" ? 4.5 : 3;
    spot.append(svg("circle", { r: 10, class: "reach" }), marker(SHAPES[style.shape], size));
    group.append(spot);
    drawing.append(group);
    placed.push([group, () => markLines(figure, mark)]);
  }
  return interactive(drawing, `${figure.title}, ${title}: ${placed.length} marks; arrow keys go through them`, placed);
}

function diagonal(x, y) {
  const low = Math.max(x.low, y.low), high = Math.min(x.high, y.high);
  const point = (v, part) => `${x.at(v).toFixed(1)} ${y.at(v * part).toFixed(1)}`;
  const band = `M${point(low, 1.1)}L${point(high, 1.1)}L${point(high, 1 / 1.1)}L${point(low, 1 / 1.1)}Z`;
  return [
    svg("path", { d: band, class: "tolerance" }),
    svg("path", { d: `M${point(low, 1)}L${point(high, 1)}`, class: "equal" }),
  ];
}

/** Stacked horizontal bars of one panel, a row a configuration. */
function barsPanel(figure, title, marks, isShown) {
  const rows = [...marks].sort((a, b) => a.x - b.x || configurations[a.c].workers - configurations[b.c].workers || a.c - b.c || (a.origin < b.origin ? -1 : 1));
  const kept = rows.slice(0, MOST_BARS);
  const among = ["workers", ...COLOURED_BY.filter((name) => name !== "workers")];
  const fields = telling(rows, [...figure.panels, "cuts"], among, 5, Infinity);
  const label = (m) => [`${m.x} cut${m.x === 1 ? "" : "s"}`, ...fields.map((n) => said(m.c, n))].join(", ");
  const [left, width, step] = [200, 560, 20];
  const height = kept.length * step + 40;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}` });
  const at = (share) => left + share * (width - left - 24);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    drawing.append(svg("line", { x1: at(share), x2: at(share), y1: 4, y2: height - 34, class: "grid" }));
    drawing.append(svg("text", { x: at(share), y: height - 20, class: "tick middle" }, `${100 * share} %`));
  }
  drawing.append(svg("text", { x: (at(0) + at(1)) / 2, y: height - 5, class: "axis middle" }, figure.x.label));
  const placed = [];
  kept.forEach((mark, row) => {
    const top = 5 + row * step;
    const text = `${label(mark)}, ${mark.origin === "simulated" ? "sim." : "meas."}`;
    drawing.append(svg("text", { x: left - 6, y: top + 12, class: "tick end" }, short(text, 31)));
    let from = 0;
    figure.parts.forEach((part, n) => {
      const share = mark.y[n];
      if (isShown(part) && share > 0) {
        const group = svg("g", { class: `mark part s${n} ${mark.origin}` });
        const wide = at(from + share) - at(from);
        group.append(svg("rect", { x: at(from), y: top, width: Math.max(wide, 0.5), height: step - 4 }));
        if (wide > 34) group.append(svg("text", { x: at(from) + wide / 2, y: top + 11.5, class: "inside middle" }, `${Math.round(100 * share)} %`));
        drawing.append(group);
        const far = mark.is_extrapolated ? ", extrapolated" : "";
        placed.push([group, () => [described(mark.c), `${part}: ${shown(share, "%")}`, mark.tip, `${mark.origin}${far}, ${mark.queries} queries`]]);
      }
      from += isShown(part) ? share : 0;
    });
  });
  const whole = element("div", {}, interactive(drawing, `${figure.title}, ${title}: ${kept.length} bars; arrow keys go through their parts`, placed));
  if (rows.length > kept.length) whole.append(element("p", { class: "more" }, `${rows.length - kept.length} more bars; filter to see them`));
  return whole;
}

/** Cells of policies by stragglers; the colour says what the number in it does. */
function heatPanel(figure, title, marks) {
  const order = (values) => [...new Set(values)].sort(natural);
  const columns = order(marks.map((m) => m.x));
  const name = (m) => `${m.series}, ${m.origin === "simulated" ? "sim." : "meas."}`;
  const rows = order(marks.map(name));
  const [left, top, step] = [200, 40, 30];
  const wide = Math.max(70, Math.min(150, 320 / columns.length));
  const [width, height] = [left + wide * columns.length + 10, top + step * rows.length + 10];
  const drawing = svg("svg", { viewBox: `0 0 ${Math.max(width, WIDTH)} ${height}` });
  drawing.append(svg("text", { x: left, y: 12, class: "axis" }, `${figure.x.label}:`));
  columns.forEach((column, n) => drawing.append(svg("text", { x: left + (n + 0.5) * wide, y: 31, class: "tick middle" }, short(column, Math.floor(wide / 6)))));
  rows.forEach((row, n) => drawing.append(svg("text", { x: left - 6, y: top + (n + 0.5) * step + 4, class: "tick end" }, short(row, 30))));
  const placed = [];
  for (const [place, own] of grouped(marks, (m) => `${rows.indexOf(name(m))},${columns.indexOf(m.x)}`)) {
    const [row, column] = place.split(",").map(Number);
    const part = wide / own.length;
    own.forEach((mark, n) => {
      const level = Math.max(-4, Math.min(4, Math.round(Math.log2(mark.y) * 8)));
      const group = svg("g", { class: `mark cell h${level < 0 ? "m" : "p"}${Math.abs(level)} ${mark.origin}` });
      const x = left + column * wide + n * part;
      group.append(svg("rect", { x: x + 1, y: top + row * step + 1, width: part - 2, height: step - 2 }));
      if (part > 30) group.append(svg("text", { x: x + part / 2, y: top + (row + 0.5) * step + 4, class: "inside middle" }, mark.y.toFixed(2)));
      drawing.append(group);
      placed.push([group, () => markLines(figure, mark)]);
    });
  }
  return interactive(drawing, `${figure.title}, ${title}: ${placed.length} cells; arrow keys go through them`, placed);
}
