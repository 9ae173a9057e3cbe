// The flame graph, outermost frame on top: of held time, of busy time, or of waiting. Frames that always come together
// are one bar, named after the last of them. A site has a bar of its own, so that it is easy to find.

const BARS = 1500, NARROWEST = 0.003, BAR_HEIGHT = 23; // drawn at most; share of the width; px
const FLAME_EVERY = 6000; // ms between two drawings of new data

const flame = { source: "held", root: null, top: null, every: false, zoom: "", cursor: "", count: -1, due: 0, near: false, asking: false };

// Returns the bar of a frame and the bars below it. Frames without a fork are one bar, unless every frame is wanted.
function barOf(frame, parent, sites, every) {
  const names = [frame.name];
  for (let next; !every && parent && !sites.has(frame.name); frame = next) {
    next = frame.children.size === 1 ? frame.children.values().next().value : null;
    if (!next || sites.has(next.name) || next.weight < frame.weight * 0.999999) break;
    names.push(next.name);
  }
  const bar = { name: frame.name, names, key: frame.key, weight: frame.weight, parent, site: sites.has(frame.name) };
  bar.children = [...frame.children.values()].sort((a, b) => b.weight - a.weight).map(child => barOf(child, bar, sites, every));
  return bar;
}

// Returns the bar that holds the frame at `key`, which is a path of names.
function findBar(bar, key) {
  if (`${bar.key}\n`.startsWith(`${key}\n`)) return bar;
  for (const child of bar.children) {
    const ahead = `${key}\n`.startsWith(`${child.key}\n`) || `${child.key}\n`.startsWith(`${key}\n`);
    const found = ahead ? findBar(child, key) : null;
    if (found) return found;
  }
  return null;
}

// Returns the bars to draw, row by row: those above the zoomed bar, the zoomed bar, those below.
function laidOut(zoomed) {
  const above = [];
  for (let bar = zoomed.parent; bar; bar = bar.parent) above.unshift(bar);
  const drawn = above.map((bar, depth) => ({ bar, depth, left: 0, width: 1, above: true }));
  const queue = [{ bar: zoomed, depth: above.length, left: 0, width: 1 }];
  for (let item; (item = queue.shift()) && drawn.length < BARS;) {
    drawn.push(item);
    let left = item.left;
    for (const bar of item.bar.children) {
      const width = bar.weight / zoomed.weight;
      if (width >= NARROWEST) queue.push({ bar, depth: item.depth + 1, left, width });
      left += width;
    }
  }
  return drawn;
}

function shortName(name) {
  if (name.startsWith("/") || name.includes(" ")) return name; // a route, or words
  const parts = name.split(".").filter(part => part !== "<locals>");
  return parts.slice(-2).join(".");
}

function barText({ name, names, weight }) {
  const more = names.length > 1 ? ` and ${names.length - 1} frames above it` : "";
  return `${name}${more}: ${time(weight)}, ${percent(weight / flame.root.weight)}`;
}

function makeBar() {
  const node = el("div", "", el("span"));
  node.role = "treeitem";
  node.addEventListener("click", () => zoomTo(node.bar));
  node.addEventListener("pointerenter", () => put($("flame-bar-text"), barText(node.bar)));
  node.addEventListener("focus", () => {
    flame.cursor = node.bar.key;
    put($("flame-bar-text"), barText(node.bar));
    for (const other of $("flame").children) other.tabIndex = other === node ? 0 : -1;
  });
  return node;
}

function updateBar(node, { bar, depth, left, width, above }) {
  Object.assign(node, { bar, depth, left, ariaLevel: depth + 1, title: bar.names.join("\n") });
  node.className = ["flame-bar", bar.site ? "site" : "", above ? "above" : "", matches(bar.names.join(" ")) ? "" : "miss"].join(" ").trim();
  Object.assign(node.style, { left: `${100 * left}%`, width: `${100 * width}%`, top: `${BAR_HEIGHT * depth}px` });
  put(node.firstChild, shortName(bar.name) + (bar.names.length > 1 ? `  +${bar.names.length - 1}` : ""));
  node.ariaLabel = barText(bar);
  node.tabIndex = -1;
}

function drawFlame() {
  if (!flame.top) return;
  const zoomed = findBar(flame.top, flame.zoom) ?? flame.top, drawn = laidOut(zoomed);
  flame.zoom = zoomed.key;
  sync($("flame"), drawn, item => item.bar.key, makeBar, updateBar);
  $("flame").style.height = `${BAR_HEIGHT * (1 + Math.max(...drawn.map(item => item.depth)))}px`;
  const bars = [...$("flame").children];
  (bars.find(node => node.bar.key === flame.cursor) ?? bars[0]).tabIndex = 0;
  show($("zoom-out"), zoomed.parent !== null);
  if (!$("flame").matches(":hover, :focus-within")) put($("flame-bar-text"), barText(zoomed));
}

function zoomTo(bar) {
  flame.zoom = flame.cursor = bar.key;
  drawFlame();
  [...$("flame").children].find(node => node.bar.key === bar.key)?.focus({ preventScroll: true });
}

function compressFlame() {
  const sites = new Set(FLAMES[flame.source].sites(latest));
  flame.top = barOf(flame.root, null, sites, flame.every);
  drawFlame();
}

function showFlame(stacks) {
  flame.root = growTree(FLAMES[flame.source].root, stacks);
  const some = flame.root.weight > 0;
  for (const id of ["flame", "flame-bar-text", "every-frame"]) show($(id), some);
  show($("no-flame"), !some);
  if (some) compressFlame();
}

// Draws new data if the graph may be visible: samples and looks from the snapshot, stalls from their profile.
async function readFlame(data) {
  if (!flame.near || flame.asking || Date.now() < flame.due) return;
  const { stacks } = FLAMES[flame.source];
  if (stacks) showFlame(stacks(data));
  else if (data.stall_count === flame.count) return;
  else await readHeld(data.stall_count);
  flame.due = Date.now() + FLAME_EVERY;
}

async function readHeld(count) {
  flame.asking = true;
  try {
    const answer = await fetch("flamegraph.folded", { signal: AbortSignal.timeout(PATIENCE) });
    const text = answer.ok ? await answer.text() : null;
    if (text !== null && flame.source === "held") {
      showFlame(foldedStacks(text));
      flame.count = count;
    }
  } catch (error) {
    console.warn(error);
  }
  flame.asking = false;
}

function switchFlame(source) {
  Object.assign(flame, { source, root: null, top: null, zoom: "", cursor: "", count: -1, due: 0 });
  for (const name of Object.keys(FLAMES)) $(`flame-${name}`).ariaPressed = String(name === source);
  for (const id of ["flame", "flame-bar-text", "every-frame", "zoom-out"]) show($(id), false);
  show($("no-flame"), true);
  put($("flame-note"), FLAMES[source].note);
  if (latest) readFlame(latest);
}

function walk(event) {
  const bars = [...$("flame").children], node = bars.find(n => n === document.activeElement);
  if (!node) return;
  const row = bars.filter(n => n.depth === node.depth).sort((a, b) => a.left - b.left), at = row.indexOf(node);
  const to = {
    ArrowUp: () => bars.find(n => n.bar === node.bar.parent)?.focus(), ArrowDown: () => bars.find(n => n.bar.parent === node.bar)?.focus(),
    ArrowLeft: () => row[at - 1]?.focus(), ArrowRight: () => row[at + 1]?.focus(), Home: () => bars.find(n => n.depth === 0).focus(),
    Enter: () => zoomTo(node.bar), " ": () => zoomTo(node.bar), Escape: zoomOut,
  }[event.key];
  if (!to) return;
  event.preventDefault();
  to();
}

function zoomOut() {
  zoomTo(findBar(flame.top, flame.zoom)?.parent ?? flame.top);
}

for (const name of Object.keys(FLAMES)) $(`flame-${name}`).addEventListener("click", () => switchFlame(name));
put($("flame-note"), FLAMES.held.note);
$("flame").addEventListener("keydown", walk);
$("zoom-out").addEventListener("click", () => zoomTo(flame.top));
$("every-frame").addEventListener("click", () => {
  flame.every = !flame.every;
  $("every-frame").ariaPressed = String(flame.every);
  compressFlame();
});
new IntersectionObserver(entries => {
  flame.near = entries.at(-1).isIntersecting;
  if (latest && !paused) readFlame(latest);
}, { rootMargin: "600px" }).observe($("flame-section"));
