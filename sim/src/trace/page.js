"use strict";
// Draws a run. What is one thing that lasted, and in whose lane it belongs, was decided when the page was written; this places it.
addEventListener("error", (error) => { document.body.dataset.error = error.message; });
const run = JSON.parse(document.getElementById("run").textContent);
const { headline, timeline, kinds, meanings, marks } = run;
const { lanes, spans } = timeline;
const events = run.events.map(([at, place, name, kind, fields], index) => {
  const [lane, row] = timeline.places[index];
  return { index, at, place, name, kind, fields, lane, row, text: "" };
});
for (const event of events) {
  const fields = Object.entries(event.fields).map(([name, value]) => `${name}=${value}`);
  event.text = [lanes[event.lane].name, event.place, event.name, event.kind, ...fields].join(" ").toLowerCase();
}
// What reads best at first; the others are one click away.
const TOLD = /^(alarm_(start|done|retry|give_up)|socket_(accept|cut|lost))$/;
const QUIET = ["turn", "disk", "link"];
const STEP = 22, ROW = 24, FIRST_ROW = 34, ZOOM_MIN = 0.02, ZOOM_MAX = 12, BREAK_SECONDS = 0.5;
const view = { zoom: 1, left: 0, selected: null, query: "", off: new Set(kinds.filter((kind) => QUIET.includes(kind))) };
// The first row of an object has the activations' labels above its dots.
const first = (lane) => (lanes[lane].kind === "object" ? FIRST_ROW : ROW);
const laneHeight = (lane) => 12 + first(lane) + ROW * (lanes[lane].rows - 1);
const rowTop = (lane, row) => tops[lane] + 6 + (row > 0 ? first(lane) + ROW * (row - 1) : 0);
let shown = [], positions = [], breaks = [], total = 0, tops = [], height = 0;

const byId = (id) => document.getElementById(id);
function make(tag, properties = {}, ...children) {
  const { dataset, style, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  Object.assign(element.style, style);
  element.append(...children);
  return element;
}
const moment = (at) => `+${at.toFixed(at >= 100 ? 2 : 3)}s`;
function duration(seconds) {
  if (seconds >= 90) return `${(seconds / 60).toFixed(1)} min`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 0.001 ? `${Math.round(seconds * 1000)} ms` : `${Math.round(seconds * 1e6)} µs`;
}
const markedEvents = new Set(marks.flat());
const isMarkedSpan = (span) => marks.some(([from, to]) => from !== to && span.from === from && span.to === to && span.kind === "call");

// The words above the timeline.
function head() {
  const { violation } = headline;
  const box = byId("headline");
  box.classList.toggle("broken", Boolean(violation));
  const title = violation ? `✗ Broken: ${violation.promise}` : "✓ Nothing was broken in this run";
  box.append(make("h1", { id: "promise", textContent: title }));
  const lasted = events.length ? moment(events[events.length - 1].at).slice(1) : "0s";
  const where = `suite ${headline.suite}, seed ${headline.seed} · ${lasted} of virtual time, ${events.length} events · trace ${headline.hash}`;
  box.append(make("div", { className: "where", textContent: where }));
  if (violation) box.append(make("p", { id: "why", textContent: violation.why }));
  const row = make("div", { className: "row" });
  if (marks.length) row.append(make("button", { id: "show", textContent: "Show where it is seen", title: "v", onclick: showViolation }));
  row.append(make("span", { textContent: "again:" }), make("code", { id: "again", textContent: headline.again }));
  row.append(make("button", { id: "copy", textContent: "copy", onclick: copyAgain }));
  if (headline.plan) {
    const plan = make("details", {}, make("summary", { textContent: "the plan: calls and faults as they were decided before the run" }));
    plan.append(make("pre", { textContent: headline.plan }));
    row.append(plan);
  }
  box.append(row);
}
function copyAgain() {
  const range = document.createRange();
  range.selectNodeContents(byId("again"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  navigator.clipboard?.writeText(headline.again).catch(() => {});
  byId("copy").textContent = "copied";
}

// What is shown.
function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const test = (event, word) => {
    if (word.startsWith("lane:")) return lanes[event.lane].name.toLowerCase().includes(word.slice(5));
    if (word.startsWith("kind:")) return event.kind.startsWith(word.slice(5));
    return event.text.includes(word);
  };
  return (event) => words.every((word) => (word.length > 1 && word[0] === "-" ? !test(event, word.slice(1)) : test(event, word)));
}
const SPAN_KINDS = { call: "call", down: "fault", activation: "activation", input_gate: "gate", handling: "gate", output_gate: "gate", not_durable: "storage", sync: "disk" };
const kindOf = (span) => SPAN_KINDS[span.kind] ?? events[span.from].kind;
let matches = () => true;
const isShown = (event) => !view.off.has(event.kind) && matches(event);
const isSpanShown = (span) => !view.off.has(kindOf(span)) && (matches(events[span.from]) || matches(events[span.to]));

/// Positions: a step for each event that is shown, and more the longer nothing happened, but only by the logarithm.
function layOut() {
  matches = matcher(view.query);
  shown = events.filter(isShown);
  positions = new Array(events.length);
  breaks = [];
  let position = 0, last = null;
  for (const event of events) {
    if (isShown(event)) {
      if (last) {
        const gap = event.at - last.at;
        position += 1;
        if (gap > 0) {
          const room = 0.9 * Math.log10(1 + gap * 2000);
          if (gap >= BREAK_SECONDS) breaks.push({ from: position, to: position + room, gap });
          position += room;
        }
      }
      last = event;
    }
    positions[event.index] = position;
  }
  total = position + 2;
  let top = 0;
  tops = lanes.map((lane, number) => {
    const used = shown.some((event) => event.lane === number) || spans.some((span) => span.lane === number && isSpanShown(span));
    if (!used) return null;
    const place = top;
    top += laneHeight(number);
    return place;
  });
  height = top;
  byId("count").textContent = `${shown.length} of ${events.length} events`;
  names();
  tell();
}
function names() {
  const box = byId("names");
  box.replaceChildren();
  lanes.forEach((lane, number) => {
    if (tops[number] === null) return;
    const word = { client: "client", world: "faults", machine: "machine", object: "object", disk: "its page cache and syncs" }[lane.kind];
    const style = { top: `${tops[number]}px`, height: `${laneHeight(number)}px` };
    const name = make("div", { className: "name", style, title: `${lane.name}: click to see this lane alone`, dataset: { lane: lane.name } });
    name.append(lane.name);
    if (laneHeight(number) > 40) name.append(make("small", { textContent: word }));
    name.onclick = () => filterBy(view.query.includes(`lane:${lane.name.toLowerCase()}`) ? "" : `lane:${lane.name.toLowerCase()}`);
    box.append(name);
  });
  box.style.height = byId("plot").style.height = `${height}px`;
}
const width = () => byId("plot").clientWidth || 1;
const x = (position) => (position + 1) * STEP * view.zoom - view.left;
const xOf = (index) => x(positions[index]);

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; drawNow(); });
}
function drawNow() {
  const visible = width();
  view.left = Math.min(Math.max(view.left, -visible / 3), Math.max(0, (total + 1) * STEP * view.zoom - visible / 2));
  const plot = [], ruler = [];
  const inside = (left, right) => right >= -40 && left <= visible + 40;
  const full = { height: `${height}px` };
  lanes.forEach((lane, number) => {
    if (tops[number] === null) return;
    plot.push(make("div", { className: `lane ${lane.kind}`, style: { top: `${tops[number]}px`, height: `${laneHeight(number)}px` } }));
  });
  for (const { from, to, gap } of breaks) {
    const left = x(from - 0.5), right = x(to - 0.1);
    if (!inside(left, right)) continue;
    const label = make("span", { textContent: right - left > 30 ? duration(gap) : "" });
    plot.push(make("div", { className: "idle", title: `nothing happens for ${duration(gap)}`, style: { left: `${left}px`, width: `${right - left}px`, ...full } }, label));
  }
  marks.forEach(([from, to], number) => {
    const left = xOf(from) - 4, right = Math.max(xOf(to) + 4, left + 8);
    if (!inside(left, right)) return;
    const also = number ? " also" : "";
    plot.push(make("div", { className: `broken-band${also}`, style: { left: `${left}px`, width: `${right - left}px`, ...full } }));
    const text = number ? "see also" : "✗ broken here";
    ruler.push(make("div", { className: "flag broken", textContent: text, style: { left: `${left}px` }, title: headline.violation.why, onclick: () => select(from) }));
  });
  for (const span of spans) {
    if (tops[span.lane] === null || !isSpanShown(span)) continue;
    const left = xOf(span.from), right = Math.max(xOf(span.to), left + 5);
    if (inside(left, right)) plot.push(bar(span, left, right, visible));
  }
  const nextIn = new Map();
  for (let number = shown.length - 1; number >= 0; number -= 1) {
    const event = shown[number], key = `${event.lane}/${event.row}`;
    const left = xOf(event.index), room = (nextIn.get(key) ?? left + 240) - left;
    nextIn.set(key, left);
    if (!inside(left, left + Math.min(room, 240))) continue;
    if (event.name === "FAULT") {
      plot.push(make("div", { className: "line", style: { left: `${left}px`, ...full } }));
    }
    if (event.kind !== "call" || markedEvents.has(event.index) && !marks.some(([from, to]) => from !== to)) plot.push(dot(event, left, room));
  }
  ticks(ruler, visible);
  if (view.selected !== null) plot.push(make("div", { className: "cursor", style: { left: `${xOf(view.selected)}px`, ...full } }));
  byId("plot").replaceChildren(...plot);
  byId("ruler-plot").replaceChildren(...ruler);
  const whole = (total + 1) * STEP * view.zoom;
  const share = (value) => `${Math.min(100, Math.max(0, 100 * value / whole))}%`;
  Object.assign(byId("window").style, { left: share(view.left), width: share(Math.min(visible, whole)) });
}
function bar(span, left, right, visible) {
  const isActivation = span.kind === "activation";
  const from = Math.max(left, -30), to = Math.min(right, visible + 30);
  const classes = ["bar", span.kind, span.outcome];
  if (isMarkedSpan(span)) classes.push("marked");
  if (view.selected !== null && (span.from === view.selected || span.kind === "call" && span.to === view.selected)) classes.push("selected");
  const style = {
    left: `${from}px`, width: `${Math.max(to - from, 5)}px`,
    top: `${rowTop(span.lane, span.row) + (span.kind === "not_durable" ? 3 : 0)}px`,
    ...(isActivation ? { height: `${laneHeight(span.lane) - 12}px` } : {}),
  };
  // A label stays in sight while its bar reaches in from the left.
  if (left < 0) style.paddingLeft = "35px";
  const ended = span.outcome === "done" ? "" : ` (${span.outcome})`;
  const label = isActivation || span.kind === "call" && span.outcome === "open" ? `${span.label}${ended}` : span.label;
  const title = `${span.label}${ended}\n${moment(events[span.from].at)} to ${moment(events[span.to].at)}`;
  return make("div", { className: classes.join(" "), textContent: right - left > 26 ? label : "", title, style, dataset: { from: span.from, span: spans.indexOf(span) } });
}
function dot(event, left, room) {
  const classes = ["dot", event.kind];
  if (event.index === view.selected) classes.push("selected");
  if (markedEvents.has(event.index)) classes.push("marked");
  if (related.has(event.index)) classes.push("related");
  const label = event.name === "FAULT" ? String(event.fields.kind) : event.name.replaceAll("_", " ");
  // The bar that begins with it says it already.
  const isTold = event.row > 0 && !event.name.startsWith("output");
  const isWide = room > 46 && !isTold || event.index === view.selected;
  const below = event.row === 0 && lanes[event.lane].kind === "object" ? 16 : 3;
  const style = { left: `${left - 4}px`, top: `${rowTop(event.lane, event.row) + below}px`, maxWidth: `${Math.max(room - 2, 9)}px` };
  return make("div", { className: classes.join(" "), title: `${label} ${moment(event.at)}`, style, dataset: { event: event.index } }, make("i"), isWide ? label : "");
}
function ticks(ruler, visible) {
  let last = -Infinity, at = null;
  for (const event of shown) {
    const left = xOf(event.index);
    if (event.at === at || left < -80) { at = event.at; continue; }
    if (left > visible) break;
    at = event.at;
    if (left - last < 74) continue;
    last = left;
    ruler.push(make("div", { className: "tick", textContent: moment(event.at), style: { left: `${left}px` } }));
  }
  let end = -Infinity;
  for (const event of shown.filter((event) => event.name === "FAULT")) {
    const left = xOf(event.index);
    if (left < -100 || left > visible || left < end) continue;
    end = left + 16 + 6.5 * String(event.fields.kind).length;
    ruler.push(make("div", { className: "flag", textContent: event.fields.kind, style: { left: `${left}px` }, onclick: () => select(event.index), dataset: { event: event.index } }));
  }
}
function drawOverview() {
  const canvas = byId("overview-canvas"), box = byId("overview");
  const wide = canvas.width = box.clientWidth, high = canvas.height = box.clientHeight;
  const ink = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const place = (index) => (positions[index] + 1) / (total + 1) * wide;
  const kinds = { call: { ok: "--ok", failed: "--failed", unknown: "--unknown", open: "--unknown" }, activation: "--memory-line", down: "--fault", not_durable: "--volatile" };
  const rows = lanes.filter((_, number) => tops[number] !== null).length || 1;
  const rowOf = lanes.map((_, number) => lanes.slice(0, number).filter((_, earlier) => tops[earlier] !== null).length);
  for (const [from, to] of marks) {
    ink.fillStyle = colour("--bad");
    ink.globalAlpha = 0.3;
    ink.fillRect(place(from) - 1, 0, Math.max(place(to) - place(from), 3), high);
    ink.globalAlpha = 1;
  }
  for (const span of spans) {
    const named = kinds[span.kind];
    if (!named || tops[span.lane] === null || !isSpanShown(span)) continue;
    ink.fillStyle = colour(typeof named === "string" ? named : named[span.outcome]);
    const left = place(span.from), thick = (high - 6) / rows;
    ink.fillRect(left, 3 + rowOf[span.lane] * thick, Math.max(place(span.to) - left, 1), Math.max(thick - 1, 1));
  }
  for (const event of shown.filter((event) => event.name === "FAULT")) {
    ink.fillStyle = colour("--fault");
    ink.fillRect(place(event.index), 0, 1.5, high);
  }
}

// The list beside it.
function sentence(event) {
  const { fields } = event;
  switch (event.name) {
    case "invoke": return `${event.place} asks ${fields.op}`;
    case "ok": return `${event.place} ← ${fields.returned}`;
    case "failed": case "unknown": return `${event.place} ← ${event.name}: ${fields.error}`;
    case "FAULT": return `FAULT ${fields.kind}`;
    case "restart": return "the machine is back";
    case "healed": return "no more faults from here on";
    case "activation_start": return `${fields.object} comes into memory`;
    case "activation_end": return `${fields.object} leaves memory (${fields.reason})`;
    case "panicked": return `${fields.object} panics: ${fields.text}`;
    default: return TOLD.test(event.name) ? `${lanes[event.lane].name}: ${event.name.replaceAll("_", " ")}` : null;
  }
}
function tell() {
  const lines = [];
  for (const event of events) {
    const text = matches(event) ? sentence(event) : null;
    if (text === null) continue;
    const classes = [event.kind, event.name];
    if (markedEvents.has(event.index)) classes.push("marked");
    const line = make("li", { className: classes.join(" "), dataset: { line: event.index }, onclick: () => select(event.index) });
    line.append(make("time", { textContent: moment(event.at) }), make("span", { textContent: text }));
    lines.push(line);
  }
  byId("lines").replaceChildren(...lines);
}

// What is selected.
let related = new Set();
function relatives(event) {
  const found = new Set();
  const life = (index) => spans.findIndex((span) => span.kind === "activation" && span.lane === event.lane && span.from <= index && index <= span.to);
  for (const key of ["event", "batch"]) {
    const value = event.fields[key];
    if (!value) continue;
    const mine = life(event.index);
    for (const other of events) {
      if (other.index !== event.index && other.lane === event.lane && other.fields[key] === value && life(other.index) === mine) found.add(other.index);
    }
  }
  return found;
}
function select(index, { reveal = true } = {}) {
  view.selected = index;
  related = index === null ? new Set() : relatives(events[index]);
  describe();
  for (const line of byId("lines").children) line.classList.toggle("selected", Number(line.dataset.line) === index);
  byId("lines").querySelector(".selected")?.scrollIntoView({ block: "nearest" });
  if (index === null) { history.replaceState(null, "", "#"); draw(); return; }
  history.replaceState(null, "", `#event=${index}`);
  if (reveal) {
    const at = xOf(index), visible = width(), scroll = byId("scroll"), top = tops[events[index].lane];
    if (at < 40 || at > visible - 90) view.left += at - visible / 2;
    if (top !== null && (top < scroll.scrollTop || top > scroll.scrollTop + scroll.clientHeight - ROW)) scroll.scrollTop = Math.max(0, top - 40);
  }
  draw();
}
function describe() {
  const box = byId("details");
  box.replaceChildren();
  if (view.selected === null) {
    box.append(make("h3", { textContent: "How to read this" }));
    const lines = [
      "Time goes from left to right, from event to event; where nothing happens, it is cut short (hatched, with how long it was).",
      "Each lane is a client, an object or a machine. Click on a bar or a dot to see what it is and what it means.",
      "An object's lane: one box for each time that it was in memory, in it the events that it handled, at the bottom the writes that a loss of power would take.",
    ];
    box.append(...lines.map((text) => make("p", { textContent: text })));
    return;
  }
  const event = events[view.selected];
  box.append(make("h3", { id: "event-name", textContent: sentence(event) ?? `${lanes[event.lane].name}: ${event.name.replaceAll("_", " ")}` }));
  const place = lanes[event.lane].name === event.place ? event.place : `${lanes[event.lane].name}, on ${event.place}`;
  box.append(make("div", { className: "meta", textContent: `${moment(event.at)} · ${place} · ${event.name} · event ${event.index + 1} of ${events.length}` }));
  const number = marks.findIndex(([from, to]) => event.index === from || event.index === to);
  if (number >= 0) {
    const text = number ? "Belongs to what was broken." : `Broken here: ${headline.violation.promise}`;
    box.append(make("div", { className: "span mark", textContent: text }));
  }
  if (meanings[event.name]) box.append(make("p", { id: "meaning", textContent: meanings[event.name] }));
  const rows = Object.entries(event.fields).map(([name, value]) => {
    const cell = make("td", { className: "mono", textContent: String(value) });
    return make("tr", {}, make("td", { textContent: name }), cell);
  });
  if (rows.length) box.append(make("table", {}, ...rows));
  for (const span of spans.filter((span) => span.from === event.index || span.to === event.index)) {
    const ended = span.outcome === "done" ? "" : `, ${span.outcome}`;
    const which = span.from === event.index ? "begins" : "ends";
    const lasted = duration(events[span.to].at - events[span.from].at);
    const other = span.from === event.index ? span.to : span.from;
    const line = make("div", { className: "span", textContent: `${which}: ${span.label} (${lasted}${ended})`, title: "go to its other end", onclick: () => select(other) });
    line.style.cursor = "pointer";
    box.append(line);
  }
}
function step(by) {
  if (!shown.length) return;
  let next;
  if (view.selected === null) next = by > 0 ? shown.find((event) => xOf(event.index) >= 0) ?? shown[0] : shown[shown.length - 1];
  else if (by > 0) next = shown.find((event) => event.index > view.selected);
  else next = shown.findLast((event) => event.index < view.selected);
  if (next) select(next.index);
}
function showViolation() {
  if (!marks.length) return;
  const [from] = marks[0];
  if (!isShown(events[from])) { view.off.delete(events[from].kind); filterBy(""); }
  // All that belongs to it at once, if that can still be read.
  const all = marks.flat().map((index) => positions[index]);
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const room = width() * 0.8 / ((last - first + 2) * STEP);
  const [begin, end] = room >= 0.3 ? [first, last] : marks[0].map((index) => positions[index]);
  view.zoom = Math.min(1, Math.max(0.3, width() * 0.8 / ((end - begin + 2) * STEP)));
  view.left += (x(begin) + x(end)) / 2 - width() / 2;
  byId("scroll").scrollTop = 0;
  select(from);
}
function filterBy(query) {
  byId("filter").value = query;
  view.query = query;
  changed();
}
/// Other events are shown: what was in the middle stays there.
function changed() {
  const middle = view.left + width() / 2;
  let anchor = view.selected, before = null;
  if (anchor === null && positions.length) anchor = events.findLastIndex((event) => (positions[event.index] + 1) * STEP * view.zoom <= middle);
  if (anchor !== null && anchor >= 0 && positions.length) before = xOf(anchor);
  for (const button of byId("kinds").children) button.setAttribute("aria-pressed", String(!view.off.has(button.dataset.kind)));
  layOut();
  if (before !== null) view.left += xOf(anchor) - before;
  drawOverview();
  select(view.selected, { reveal: view.selected !== null });
}
function zoomTo(zoom, at = width() / 2) {
  const next = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, zoom));
  view.left = (view.left + at) * next / view.zoom - at;
  view.zoom = next;
  draw();
}
function fit() {
  view.zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, width() / ((total + 1) * STEP)));
  view.left = 0;
  draw();
}

// Hands on.
function tools() {
  for (const kind of kinds) {
    const number = events.filter((event) => event.kind === kind).length;
    if (!number) continue;
    const button = make("button", { className: "kind", textContent: kind, dataset: { kind }, title: `show or hide: ${kind}` });
    button.append(make("span", { className: "number", textContent: number }));
    button.onclick = () => { view.off.has(kind) ? view.off.delete(kind) : view.off.add(kind); changed(); };
    byId("kinds").append(button);
  }
  byId("filter").oninput = byId("filter").onchange = () => { view.query = byId("filter").value; changed(); };
  byId("previous").onclick = () => step(-1);
  byId("next").onclick = () => step(1);
  byId("in").onclick = () => zoomTo(view.zoom * 1.5);
  byId("out").onclick = () => zoomTo(view.zoom / 1.5);
  byId("fit").onclick = fit;
  document.addEventListener("keydown", (key) => {
    if (key.target === byId("filter")) { if (key.key === "Escape") { filterBy(""); byId("filter").blur(); } return; }
    if (key.ctrlKey || key.metaKey || key.altKey) return;
    const deeds = {
      ArrowRight: () => step(1), ArrowLeft: () => step(-1), j: () => step(1), k: () => step(-1),
      "+": () => zoomTo(view.zoom * 1.5), "=": () => zoomTo(view.zoom * 1.5), "-": () => zoomTo(view.zoom / 1.5), 0: fit, v: showViolation,
      "/": () => byId("filter").focus(), Escape: () => select(null),
    };
    if (deeds[key.key]) { key.preventDefault(); deeds[key.key](); }
  });
  const plot = byId("plot");
  plot.addEventListener("wheel", (wheel) => {
    wheel.preventDefault();
    if (wheel.shiftKey || Math.abs(wheel.deltaX) > Math.abs(wheel.deltaY)) { view.left += wheel.deltaX || wheel.deltaY; draw(); return; }
    zoomTo(view.zoom * Math.exp(-wheel.deltaY / 400), wheel.clientX - plot.getBoundingClientRect().left);
  }, { passive: false });
  let drag = null;
  plot.addEventListener("pointerdown", (down) => { drag = { x: down.clientX, y: down.clientY, left: view.left, top: byId("scroll").scrollTop, target: down.target, moved: false }; });
  addEventListener("pointermove", (move) => {
    if (!drag) return;
    if (Math.abs(move.clientX - drag.x) + Math.abs(move.clientY - drag.y) > 4) drag.moved = true;
    if (!drag.moved) return;
    plot.classList.add("dragged");
    view.left = drag.left - (move.clientX - drag.x);
    byId("scroll").scrollTop = drag.top - (move.clientY - drag.y);
    draw();
  });
  addEventListener("pointerup", () => {
    plot.classList.remove("dragged");
    const click = drag && !drag.moved ? drag.target.closest("[data-event], [data-from]") : null;
    if (click) select(Number(click.dataset.event ?? click.dataset.from), { reveal: false });
    drag = null;
  });
  const overview = byId("overview");
  const move = (pointer) => {
    const box = overview.getBoundingClientRect();
    view.left = (pointer.clientX - box.left) / box.width * (total + 1) * STEP * view.zoom - width() / 2;
    draw();
  };
  overview.addEventListener("pointerdown", (down) => { overview.setPointerCapture(down.pointerId); move(down); });
  overview.addEventListener("pointermove", (pointer) => { if (pointer.buttons) move(pointer); });
  addEventListener("resize", () => { drawOverview(); draw(); });
}
function legend() {
  const samples = [
    ["call ok", "call answered"], ["call failed", "refused"], ["call unknown", "outcome unknown"], ["activation", "object in memory"],
    ["handling", "event handled"], ["input_gate", "waits at a gate"], ["not_durable", "not durable"], ["down", "machine down"],
  ];
  for (const [classes, text] of samples) byId("legend").append(make("span", {}, make("span", { className: `bar ${classes}` }), text));
  const keys = make("span", { className: "keys" });
  for (const [key, text] of [["← →", "step"], ["wheel", "zoom"], ["drag", "move"], ["/", "filter"], ["v", "what broke"]]) keys.append(make("kbd", { textContent: key }), ` ${text}  `);
  byId("legend").append(keys);
}

head();
tools();
legend();
changed();
const wanted = Number(new URLSearchParams(location.hash.slice(1)).get("event") ?? NaN);
if (events[wanted]) { view.left += xOf(wanted) - width() / 2; select(wanted); } else if (marks.length) showViolation();
drawNow();
