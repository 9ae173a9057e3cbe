// The requests that have not ended: how old they are, their four parts so far, and where they wait.

const INFLIGHT_COLUMNS = [
  { name: "Request" },
  { name: "Age", hint: "since its bytes arrived, as far as that is known" },
  { name: "So far", hint: "queued, stalled, running, waiting" },
  { name: "Where it waits", hint: "nothing: it runs, or it is not known" },
  { name: "For" },
];

const inflightPages = pager("more-inflight", 10, 40, () => again());

let inflight = null; // as last read; null: not read yet

function makeInflight() {
  const node = makeRow(INFLIGHT_COLUMNS), cell = node.cells[2];
  cell.className = "sofar";
  node.bars = PARTS.map(part => el("i", part.name.toLowerCase()));
  node.parts = Object.assign(el("div", "parts", ...node.bars), { role: "img" });
  cell.append(node.parts);
  return node;
}

function updateInflight(node, r) {
  const label = PARTS.map(part => `${part.name.toLowerCase()} ${time(part.value(r))}`).join(", ");
  fill(node.cells[0], el("span", "method", named(r.method, "")), el("code", "", named(r.route, "no route")));
  put(node.cells[1], time(r.age));
  node.cells[2].title = node.parts.ariaLabel = label;
  PARTS.forEach((part, i) => {
    node.bars[i].style.flexGrow = 1e6 * part.value(r);
    show(node.bars[i], part.value(r) > 0);
  });
  fill(node.cells[3], ...r.place === null ? [el("span", "soft", "–")] : siteNodes(r.place, r.call));
  fill(node.cells[4], ...r.resource ? [el("span", "tag", r.resource)] : [], ...r.peer ? [" ", el("code", "soft", r.peer)] : []);
}

function inflightWords({ method, route, place: at, call, resource, peer }) {
  return `${method} ${route} ${at ? `${at.code} ${at.function} ${at.file}:${at.line}` : ""} ${call} ${resource} ${peer}`;
}

function showInflight() {
  if (inflight === null) return;
  const found = inflight.filter(r => matches(inflightWords(r)));
  const nth = inflightPages.take(found).map((r, i) => ({ ...r, key: `${i}` }));
  sync($("inflight"), nth, r => r.key, makeInflight, updateInflight);
  show($("inflight-table"), found.length > 0);
  show($("no-inflight"), !found.length);
  put($("no-inflight"), inflight.length ? "Nothing matches the filter." : "No request is in flight.");
  put($("inflight-note"), inflight.length ? "oldest first" : "");
}

async function readInflight() {
  const answer = await fetch("requests.json", { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) return;
  inflight = (await answer.json()).requests;
  showInflight();
}

$("inflight-columns").append(...heads(INFLIGHT_COLUMNS));
