// The loops: their utilization, lag and stalls.

const SLOWEST = 4; // decades above 1 ms on the scale of the lag
const NEAR = 5; // s by which a click may miss a stall

function makeLoop() {
  const parts = { name: el("p", "name"), big: el("p", "big"), under: el("p", "under"), facts: el("dl", "facts") };
  const strips = [["busy", "Busy", ["100 %"]], ["marks", "Stalls", []], ["lag", "Lag", ["10 s", "100 ms"]]].map(strip);
  parts.plots = Object.fromEntries(strips.map(({ name, paths }) => [name, paths]));
  parts.cursor = el("i", "cursor");
  parts.plot = el("div", "plot", ...strips.map(s => s.node), parts.cursor);
  Object.assign(parts.plot, { tabIndex: 0, role: "slider", ariaLabel: "Busy share and lag, reading by reading; Enter opens the stall nearby", ariaValueMin: 0 });
  parts.readout = el("p", "readout");
  const axis = el("p", "axis", el("span", "", `${SPAN / 60}\u202fmin ago`), el("span", "", "now"));
  parts.chart = el("div", "chart", parts.plot, axis, parts.readout);
  const node = Object.assign(el("div", "card loop", el("div", "", parts.name, parts.big, parts.under), parts.chart, parts.facts), { parts });
  inspect(node);
  return node;
}

function strip([name, label, scale]) {
  const paths = ["low", "high", "mid"].map(tone => svg("path", { class: tone }));
  const plot = svg("svg", { viewBox: `0 0 ${SPAN} 100`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
  const lines = scale.map(text => el("span", "scale", text));
  return { name, paths, node: el("div", `strip ${name}`, el("span", "label", label), ...lines, plot) };
}

function bar(from, to, height) {
  return `M${from.toFixed(2)} ${(100 - height).toFixed(1)}H${to.toFixed(2)}V100H${from.toFixed(2)}z`;
}

function lagHeight({ seconds }) {
  return Math.max(2, Math.min(100, 100 * Math.log10(Math.max(seconds, 0.001) / 0.001) / SLOWEST));
}

function drawChart({ plots }, points, stalls, now) {
  const busy = ["", "", ""], lag = ["", "", ""], x = t => Math.max(0, SPAN - (now - t));
  for (const { from, at, share, p50, p99 } of points) {
    const left = x(from) + 0.3, right = Math.max(left + 0.4, x(at));
    if (share !== null) busy[share > 0.8 ? 1 : 2] += bar(left, right, Math.max(1, 100 * share));
    lag[p99.seconds > 0.1 ? 1 : 0] += bar(left, right, lagHeight(p99));
    lag[2] += bar(left, right, lagHeight(p50));
  }
  const marks = stalls.map(s => bar(x(s.started_at), Math.max(x(s.started_at) + 0.8, x(s.started_at + s.duration)), 100)).join("");
  [[plots.busy, busy], [plots.lag, lag], [plots.marks, ["", marks, ""]]].forEach(([paths, d]) => paths.forEach((path, i) => path.setAttribute("d", d[i])));
}

function pointText(node, point) {
  const { from, at, share, p50, p99 } = point, busy = share === null ? "" : `busy ${percent(share)}, `;
  const held = node.stalls.filter(s => s.started_at < at && s.started_at + s.duration > from);
  const stalls = held.length === 0 ? "" : held.length === 1 ? `; held ${time(held[0].duration)} by ${callText(held[0].site)}` : `; ${held.length} stalls, ${time(total(held.map(s => s.duration)))}`;
  return `${clockText(at)}: ${busy}lag p50 ${quantileText(p50)}, p99 ${quantileText(p99)}${stalls}`;
}

function showPoint(node) {
  const { points, parts, cursor } = node, last = points.at(-1);
  const chosen = cursor === null ? -1 : points.findIndex(p => p.at >= cursor), point = points[chosen] ?? last;
  put(parts.readout, point ? pointText(node, point) : "The second reading shows the first difference.");
  show(parts.cursor, cursor !== null && chosen >= 0);
  if (chosen >= 0) parts.cursor.style.left = `${100 * (1 - (node.now - (Math.max(point.from, node.now - SPAN) + point.at) / 2) / SPAN)}%`;
  Object.assign(parts.plot, { ariaValueMax: Math.max(0, points.length - 1), ariaValueNow: chosen < 0 ? Math.max(0, points.length - 1) : chosen, ariaValueText: parts.readout.textContent });
}

// Moves the chart's cursor with pointer and keys; the cursor is a moment, or null.
function inspect(node) {
  const { plot } = node.parts, look = moment => {
    node.cursor = moment;
    showPoint(node);
  };
  const moment = event => {
    const { left, width } = plot.getBoundingClientRect();
    return node.now - SPAN * (1 - (event.clientX - left) / width);
  };
  const open = t => {
    const [nearest] = node.stalls.map(s => [Math.max(s.started_at - t, t - s.started_at - s.duration, 0), s]).sort((a, b) => a[0] - b[0]);
    if (nearest?.[0] <= NEAR) openStall(nearest[1]);
  };
  Object.assign(node, { cursor: null, points: [], stalls: [], now: 0 });
  plot.addEventListener("pointermove", event => look(moment(event)));
  plot.addEventListener("pointerleave", () => look(null));
  plot.addEventListener("blur", () => look(null));
  plot.addEventListener("click", event => open(moment(event)));
  plot.addEventListener("keydown", event => {
    const { points } = node, last = points.length - 1, found = node.cursor === null ? -1 : points.findIndex(p => p.at >= node.cursor);
    const at = found < 0 ? last : found;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" && points[at]) open((points[at].from + points[at].at) / 2);
    else if (to === undefined) return;
    else if (points[to]) look(points[to].at);
    event.preventDefault();
  });
}

function updateLoop(node, item) {
  const { parts } = node, { loop, at } = item, measured = loop.busy !== null && loop.idle !== null, points = noted(item);
  const whole = measured && loop.busy + loop.idle ? loop.busy / (loop.busy + loop.idle) : 0, last = points.at(-1)?.share ?? whole;
  const stalls = latest.stalls.filter(s => s.thread === loop.thread && s.started_at + s.duration > at - SPAN);
  Object.assign(node, { points, stalls, now: at });
  put(parts.name, `${loop.loop} loop · ${loop.thread}`);
  put(parts.big, measured ? percent(last) : "–");
  put(parts.under, measured ? `busy now; ${percent(whole)} in total` : "this loop does not report how busy it is");
  parts.plot.classList.toggle("unmeasured", !measured);
  drawChart(parts, points, stalls, at);
  showPoint(node);
  const facts = definitions("facts", [
    ["Total lag", `p50 ${quantileText(quantile(loop.lag, 0.5))}, p99 ${quantileText(quantile(loop.lag, 0.99))}`],
    ["Tasks", number(loop.tasks)],
    ["Sees", loop.layers.join(", ") || "nothing"],
    ["Blind to", loop.blind.join("; ") || "nothing known"],
  ]);
  if (facts.textContent === parts.facts.textContent) return;
  parts.facts.replaceWith(facts);
  parts.facts = facts;
}

function showLoops({ loops, threadpool: pool, taken_at: at }) {
  const seen = new Map();
  const items = loops.map(loop => {
    const name = `${loop.loop} ${loop.thread}`, nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    return { loop, at, key: `${name} ${nth}` };
  });
  for (const key of histories.keys()) if (!items.some(item => item.key === key)) histories.delete(key);
  sync($("loops"), items, item => item.key, makeLoop, updateLoop);
  show($("no-loops"), !items.length);
  put($("loops-note"), items.length ? `worker threads: ${number(pool.busy)} busy, ${number(pool.idle)} free, ${number(pool.waiting)} calls waiting` : "");
}
