// Filters, legends, and what is drawn under them.
const GLOBAL = ["dataset", "pipeline", "pool", "cuts"];
const chosen = {};
const figures = [];

function values(marks, name) {
  const found = new Set(marks.map((m) => word(name === "origin" ? m.origin : configurations[m.c][name])));
  return [...found].sort(natural);
}

/** A labelled choice of one value or all. */
function choice(name, options, initial, onChange) {
  const select = element("select", { "data-filter": name });
  select.append(element("option", { value: "" }, "all"));
  for (const value of options) select.append(element("option", { value: `=${value}` }, value === "-" ? "none" : short(value, 60)));
  select.value = initial && options.includes(initial) ? `=${initial}` : "";
  select.addEventListener("change", () => onChange(select.value ? select.value.slice(1) : null));
  const label = element("label", {}, `${name.replaceAll("_", " ")} `, select);
  return { label, value: select.value ? select.value.slice(1) : null };
}

class View {
  constructor(figure) {
    this.figure = figure;
    this.section = document.getElementById(figure.name);
    this.all = [...(figure.marks || []), ...(figure.curves || []), ...(figure.runs || [])];
    this.panels = figure.panels || [];
    figure.panels = this.panels;
    figure.joined ||= "simulated";
    this.own = {};
    this.hidden = new Set();
    this.run = null;
    this.controls();
  }

  controls() {
    const form = this.section.querySelector("form");
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const [name, initial] of Object.entries({ ...this.figure.filters, origin: "" })) {
      const options = values(this.all.filter((m) => !isGeneral(m)), name);
      if (options.length < 2 || GLOBAL.includes(name)) continue;
      const made = choice(name, options, initial, (value) => {
        this.own[name] = value;
        this.draw();
      });
      this.own[name] = made.value;
      form.append(made.label);
    }
    if (this.figure.runs) form.append(this.runChoice());
    if (!form.childElementCount) form.remove();
  }

  runChoice() {
    this.select = element("select", { "data-filter": "query" });
    this.select.addEventListener("change", () => {
      this.run = +this.select.value;
      this.draw();
    });
    return element("label", {}, "query ", this.select);
  }

  passes(mark) {
    const own = configurations[mark.c];
    for (const [name, value] of Object.entries({ ...chosen, ...this.own })) {
      if (value === null || value === undefined) continue;
      if (isGeneral(mark) && !["dataset", "pipeline"].includes(name)) continue;
      if (name === "cuts" && this.figure.name === "growth") continue;
      if (word(name === "origin" ? mark.origin : own[name]) !== value) return false;
    }
    return true;
  }

  draw() {
    lookAway();
    const { figure } = this;
    const marks = this.all.filter((m) => this.passes(m));
    const into = this.section.querySelector(".panels");
    into.className = `panels ${figure.kind}`;
    const drawn = figure.kind === "timeline" ? this.timeline(marks) : this.paneled(marks);
    into.replaceChildren(...drawn);
    const set = Object.entries({ ...chosen, ...this.own }).filter(([, value]) => value !== null && value !== undefined);
    const words = set
      .map(([name, value]) => (value === "-" ? `no ${name.replaceAll("_", " ")}` : `${name.replaceAll("_", " ")} ${value}`))
      .join(", ");
    const what = figure.kind === "timeline" ? "queries" : "marks";
    const count = (all) => (figure.kind === "timeline" ? all : all.filter((m) => !m.xs)).length;
    this.section.querySelector(".shown").textContent =
      `${count(marks)} of ${count(this.all)} ${what}${words ? `: ${words}` : ""}`;
  }

  paneled(marks) {
    const { figure } = this;
    const isBars = figure.kind === "bars";
    const legend = isBars ? this.partLegend() : figure.kind === "heat" ? this.heatLegend() : this.seriesLegend(marks);
    this.section.querySelector(".legend").replaceChildren(...legend);
    const kept = isBars || figure.kind === "heat" ? marks : marks.filter((m) => !this.hidden.has(this.nameOf(m)));
    const panels = [...grouped(kept, (m) => panelName(m, this.panels))].sort(([a], [b]) => natural(a, b));
    const drawn = panels.slice(0, MOST_PANELS).map(([title, own]) => {
      const points = own.filter((m) => !m.xs);
      const drawing = isBars
        ? barsPanel(figure, title, points, (part) => !this.hidden.has(part))
        : figure.kind === "heat"
          ? heatPanel(figure, title, points)
          : pointsPanel(figure, title, points, own.filter((m) => m.xs), (m) => this.styleOf(m));
      return element("figure", {}, element("figcaption", {}, title), drawing);
    });
    if (panels.length > MOST_PANELS)
      drawn.push(element("p", { class: "more" }, `${panels.length - MOST_PANELS} more panels; filter to see them`));
    if (!drawn.length) drawn.push(element("p", { class: "more" }, "nothing passes the filters"));
    return drawn;
  }

  timeline(runs) {
    const { figure } = this;
    const numbers = runs.map((run) => figure.runs.indexOf(run));
    this.select.replaceChildren(...numbers.map((n) => {
      const run = figure.runs[n];
      return element("option", { value: n }, short(`${run.query}: ${described(run.c)} (${run.origin})`, 110));
    }));
    if (!numbers.includes(this.run)) this.run = numbers.length ? this.busiest(numbers) : null;
    this.section.querySelector(".legend").replaceChildren();
    if (this.run === null) return [element("p", { class: "more" }, "nothing passes the filters")];
    this.select.value = String(this.run);
    const run = figure.runs[this.run];
    const stages = run.stages.map(([stage], n) => [stage, `s${n}`]);
    const partitions = run.partitions.map((name, n) => [`partition ${name}`, `c${partitionColour(n)}`]);
    const legend = [...stages, ...partitions].map(([name, style]) => this.toggle(name, style));
    legend.push(element("span", { class: "key" }, swatch("delay"), "injected delay"));
    this.section.querySelector(".legend").replaceChildren(...legend);
    const drawing = timelinePanel(figure, run, (name) => !this.hidden.has(name));
    return [element("figure", {}, element("figcaption", {}, `query ${run.query}: ${described(run.c)} (${run.origin}), ${shown(run.total_s, "s")}`), drawing)];
  }

  /** Of those that can be read well, up to 200 tasks, the one with most workers. */
  busiest(numbers) {
    const runs = numbers.map((n) => [n, this.figure.runs[n]]);
    const clear = runs.filter(([, run]) => run.tasks.length <= 200 && run.workers <= 16);
    const of = clear.length ? clear : runs;
    return of.reduce((best, one) => (one[1].workers > best[1].workers ? one : best))[0];
  }

  nameOf(mark) {
    return seriesName(mark, this.fields || ["pool"]);
  }

  styleOf(mark) {
    const name = this.nameOf(mark);
    const n = Math.max(0, this.order.indexOf(name));
    return { name, colour: n % COLOURS, shape: (n + Math.floor(n / COLOURS)) % SHAPES.length };
  }

  seriesLegend(marks) {
    this.fields = seriesFields(this.figure, marks.filter((m) => !isGeneral(m)));
    this.order = seriesOrder(marks.map((m) => this.nameOf(m)));
    const origins = new Set(marks.map((m) => m.origin));
    const keys = this.order.map((name, n) =>
      this.toggle(name, `c${n % COLOURS}`, SHAPES[(n + Math.floor(n / COLOURS)) % SHAPES.length]));
    const hasLines = this.figure.joined !== "none" || this.figure.curves;
    const isLine = (origin) => origin !== "measured" || this.figure.joined !== "simulated";
    if (hasLines)
      for (const origin of ["measured", "simulated", "analytic"])
        if (origins.has(origin)) keys.push(element("span", { class: "key" }, lineKey(origin, isLine(origin)), origin));
    if (marks.some((m) => m.is_extrapolated)) keys.push(element("span", { class: "key" }, lineKey("far", hasLines), "extrapolated"));
    return keys;
  }

  partLegend() {
    return this.figure.parts.map((part, n) => this.toggle(part, `s${n}`));
  }

  heatLegend() {
    const steps = ["hm4", "hm2", "hp0", "hp2", "hp4"].map((name) => swatch(name));
    return [element("span", { class: "key" }, "faster ", ...steps, " slower than eager")];
  }

  toggle(name, style, shape = null) {
    const pressed = !this.hidden.has(name);
    const button = element("button", { type: "button", class: "key", "aria-pressed": pressed }, swatch(style, shape), short(name, 60));
    button.addEventListener("click", () => {
      if (pressed) this.hidden.add(name);
      else this.hidden.delete(name);
      this.draw();
      const again = [...this.section.querySelectorAll(".legend button")].find((b) => b.textContent === button.textContent);
      if (again) again.focus();
    });
    return button;
  }
}

function swatch(style, shape = null) {
  const drawing = svg("svg", { viewBox: "-8 -8 16 16", class: `swatch ${style}`, "aria-hidden": "true" });
  drawing.append(shape ? marker(shape, 5) : svg("rect", { x: -7, y: -6, width: 14, height: 12 }));
  return drawing;
}

function lineKey(origin, isLine) {
  const drawing = svg("svg", { viewBox: "0 -8 28 16", class: "swatch long", "aria-hidden": "true" });
  if (isLine) drawing.append(svg("path", { d: "M0 0H28", class: `line ${origin}` }));
  if (origin === "measured" || origin === "far") drawing.append(svg("circle", { cx: 14, r: 4, class: `mark ${origin}` }));
  return drawing;
}

function main() {
  const form = document.getElementById("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  const all = configurations.map((_, c) => ({ c }));
  for (const name of GLOBAL) {
    const options = values(all, name);
    if (options.length < 2) continue;
    const made = choice(name, options, "", (value) => {
      chosen[name] = value;
      for (const view of figures) view.draw();
    });
    form.append(made.label);
  }
  if (!form.childElementCount) form.remove();
  for (const figure of data.figures) figures.push(new View(figure));
  for (const view of figures) view.draw();
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") lookAway();
  });
  window.addEventListener("scroll", onScroll, { passive: true, capture: true });
  printing();
}

/** On paper all tables are open; what was closed is closed again afterwards. */
function printing() {
  let closed = [];
  window.addEventListener("beforeprint", () => {
    lookAway();
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });
}

main();
