// What all figures share: the data, elements, numbers, scales, and the mark a reader looks at.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 7; // classes c0 ... c6
const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "bar", "wedge"];
const UNVARIED = new Set(
  data.fields.filter((_, n) => new Set(data.configurations.map((c) => c[n])).size < 2),
);

/** Configurations as objects, by number. */
const configurations = data.configurations.map((values) =>
  Object.fromEntries(data.fields.map((name, n) => [name, values[n]])),
);

/** Words in the order of the numbers in them. */
function natural(a, b) {
  const [left, right] = [a, b].map((text) => text.split(/(\d+(?:\.\d+)?)/));
  for (let n = 0; n < Math.min(left.length, right.length); n += 1) {
    const apart = n % 2 ? left[n] - right[n] : left[n].localeCompare(right[n], "en");
    if (apart) return apart;
  }
  return left.length - right.length;
}

function word(value) {
  if (value === "" || value === null || value === undefined) return "-";
  return typeof value === "number" && !Number.isInteger(value) ? String(+value.toPrecision(6)) : String(value);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function svg(name, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** Three digits with a unit; seconds in what suits them. */
function shown(value, unit = "") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  if (unit === "%") return `${three(100 * value)} %`;
  if (unit === "s" && value !== 0) {
    if (Math.abs(value) < 1e-3) return `${three(1e6 * value)} µs`;
    if (Math.abs(value) < 1) return `${three(1e3 * value)} ms`;
    if (Math.abs(value) >= 7200) return `${three(value / 3600)} h`;
    return `${three(value)} s`;
  }
  return `${three(value)}${unit === "x" ? "×" : unit ? ` ${unit}` : ""}`;
}

function three(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(1).replace("e+", "e");
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(3));
}

/** What a configuration is, in what configurations of this page differ in. */
function described(number, without = []) {
  const own = configurations[number];
  const parts = [];
  for (const name of data.fields) {
    if (UNVARIED.has(name) || without.includes(name) || name === "cancel") continue;
    if (own[name] === "" || own[name] === 0) {
      if (name !== "cuts") continue;
    }
    parts.push(said(number, name));
  }
  return parts.join(", ");
}

/** One field of a configuration in words. */
function said(number, name) {
  const value = configurations[number][name];
  if (name === "cuts") return `${value} cut${value === 1 ? "" : "s"}`;
  if (name === "workers") return `${value} worker${value === 1 ? "" : "s"}`;
  if (["dataset", "pipeline", "pool", "policy", "reconstruction", "partition_labels"].includes(name)) return word(value);
  if (word(value) === "-") return `no ${name.replaceAll("_", " ")}`;
  return `${name.replaceAll("_", " ").replace(/ s$/, "")} ${word(value)}`;
}

/** Shortened to what fits; the whole of it is in the tooltip and the table. */
function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** A scale from values to places, with its ticks. */
function scale(axis, values, from, to) {
  const finite = values.filter((v) => Number.isFinite(v) && (axis.scale === "linear" || v > 0));
  let low = Math.min(...finite);
  let high = Math.max(...finite);
  if (!finite.length) [low, high] = [1, 2];
  if (axis.scale === "log2" || axis.scale === "log10") {
    const base = axis.scale === "log2" ? 2 : 10;
    const log = (v) => Math.log(v) / Math.log(base);
    let [a, b] = [log(low), log(high)];
    const pad = Math.max(0.04 * (b - a), b - a < 0.2 ? 0.15 : 0);
    [a, b] = [a - pad, b + pad];
    const at = (v) => from + ((log(v) - a) / (b - a)) * (to - from);
    return { at, ticks: logTicks(a, b, base, finite.every(Number.isInteger)), low: base ** a, high: base ** b };
  }
  const pad = low === high ? Math.abs(low) * 0.1 || 0.5 : 0.04 * (high - low);
  [low, high] = [low - pad, high + pad];
  const at = (v) => from + ((v - low) / (high - low)) * (to - from);
  const least = finite.every(Number.isInteger) ? 1 : 0;
  return { at, ticks: linearTicks(low, high, least), low, high };
}

function logTicks(a, b, base, isWhole) {
  const whole = [];
  const step = Math.max(1, Math.ceil((b - a) / 7));
  for (let n = Math.ceil(a - 1e-9); n <= b + 1e-9; n += step) whole.push(base ** n);
  if (whole.length >= (isWhole ? 2 : 3)) return whole;
  for (const steps of base === 2 ? [[1, 1.5], [1, 1.25, 1.5, 1.75]] : [[1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]]) {
    const fine = [];
    for (let n = Math.floor(a); n <= b; n += 1) fine.push(...steps.map((m) => m * base ** n));
    const within = fine.filter((value) => value >= base ** a && value <= base ** b && (!isWhole || Number.isInteger(value)));
    if (within.length >= 3) return within;
  }
  return linearTicks(base ** a, base ** b);
}

function linearTicks(low, high, least = 0) {
  const raw = Math.max((high - low) / 6, least);
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= raw) || 10 * size;
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) ticks.push(+v.toPrecision(12));
  return ticks;
}

/** The outline of a marker about (0, 0). */
function marker(shape, size) {
  const r = size;
  switch (shape) {
    case "square": return svg("rect", { x: -r, y: -r, width: 2 * r, height: 2 * r });
    case "triangle": return svg("path", { d: `M0 ${-1.2 * r}L${1.1 * r} ${0.9 * r}H${-1.1 * r}Z` });
    case "diamond": return svg("path", { d: `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z` });
    case "cross": return svg("path", { d: `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}` });
    case "bar": return svg("rect", { x: -1.3 * r, y: -0.5 * r, width: 2.6 * r, height: r });
    case "wedge": return svg("path", { d: `M0 ${1.2 * r}L${1.1 * r} ${-0.9 * r}H${-1.1 * r}Z` });
    default: return svg("circle", { r });
  }
}

// One mark at a time is looked at: by a pointer that is over it, or by arrow keys in its panel.
const tip = document.getElementById("tip");
let looked = null;

let isPointed = false;

function lookAt(mark, lines, place = null) {
  lookAway();
  looked = mark;
  isPointed = place !== null;
  mark.classList.add("looked");
  tip.replaceChildren(...lines.map((line, n) => element(n ? "div" : "strong", {}, line)));
  tip.hidden = false;
  putTip(mark, place);
}

function putTip(mark, place) {
  const box = mark.getBoundingClientRect();
  const at = place || { x: box.right, y: box.top };
  const x = Math.max(4, Math.min(at.x + 12, window.innerWidth - tip.offsetWidth - 8));
  const above = at.y - tip.offsetHeight - 10;
  const y = above > 4 ? above : Math.min(at.y + 18, window.innerHeight - tip.offsetHeight - 4);
  tip.style.left = `${x}px`;
  tip.style.top = `${Math.max(4, y)}px`;
}

/** A tooltip of the keyboard goes with its mark; that of a pointer is no longer over it. */
function onScroll() {
  if (looked && !isPointed) putTip(looked, null);
  else lookAway();
}

function lookAway() {
  if (looked) looked.classList.remove("looked");
  looked = null;
  tip.hidden = true;
}

/**
 * A drawing whose marks are hovered, and walked through with arrow keys once it has the focus.
 * `marks` are pairs of an element and the function that gives its lines.
 */
function interactive(drawing, label, marks) {
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
  drawing.setAttribute("tabindex", "0");
  let at = -1;
  marks.forEach(([mark], n) => mark.setAttribute("data-mark", n));
  const go = (n) => {
    at = Math.max(0, Math.min(n, marks.length - 1));
    const [mark, lines] = marks[at];
    mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    lookAt(mark, lines());
  };
  drawing.addEventListener("pointermove", (event) => {
    const over = event.target.closest("[data-mark]");
    if (!over) return lookAway();
    at = +over.getAttribute("data-mark");
    return lookAt(over, marks[at][1](), { x: event.clientX, y: event.clientY });
  });
  drawing.addEventListener("pointerleave", lookAway);
  drawing.addEventListener("focus", () => {
    if (marks.length && drawing.matches(":focus-visible")) go(Math.max(at, 0));
  });
  drawing.addEventListener("blur", lookAway);
  drawing.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    if (event.key === "Escape") lookAway();
    else if (!marks.length) return;
    else if (event.key in steps) go(at + steps[event.key]);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(marks.length - 1);
    else return;
    event.preventDefault();
  });
  return drawing;
}
