// What requests wait for: seconds by line, route and resource; who holds it; what to do.

const HOLDERS = 3; // of a place, in words; the others are counted
const PLACE_COLUMNS = [
  { name: "Line", hint: "the innermost line of your own code that awaits, and the library's call below it" },
  { name: "Route" },
  { name: "Waits for" },
  { name: "Share", hint: "of all that the route's requests waited" },
  { name: "Waited", hint: "request-seconds since the watch began, estimated from some 10 looks a second" },
  { name: "Now", hint: "requests that waited there at the latest look; and the most at any look" },
  { name: "Holders", hint: "tasks that have it, and where they are suspended" },
];

const placePages = pager("more-places", 8, 20, () => again());

// Returns the heads of a table's columns.
function heads(columns) {
  return columns.map(({ name, hint }) => Object.assign(el("th", "", name), { scope: "col", title: hint ?? "" }));
}

// Returns a row whose cells carry the names of their columns, for narrow screens.
function makeRow(columns) {
  const cells = columns.map(({ name }, i) => {
    const cell = Object.assign(el(i ? "td" : "th"), i ? {} : { scope: "row" });
    cell.dataset.label = name;
    return cell;
  });
  return el("tr", "", ...cells);
}

// Puts nodes into a cell, if they say anything else than before.
function fill(cell, ...content) {
  const made = el("div", "", ...content);
  if (cell.textContent === made.textContent) return;
  cell.replaceChildren(...made.childNodes);
}

function siteNodes(site, call) {
  const own = el("code", "line", callText(site));
  own.title = site.function;
  return [own, " ", place(site), ...call ? [" ", el("span", "by soft", "by ", el("code", "", call))] : []];
}

// Returns a sentence in which what stands between backticks is code.
function quoted(text) {
  return text.split("`").map((piece, i) => i % 2 ? el("code", "", piece) : piece);
}

// Returns what the requests of each route waited in all: those that have not ended are only in the looks.
function waitedByRoute({ requests, waits }) {
  const ended = new Map(), seen = new Map();
  for (const r of requests) ended.set(r.route, (ended.get(r.route) ?? 0) + r.waiting);
  for (const w of waits) seen.set(w.route, (seen.get(w.route) ?? 0) + w.seconds);
  return new Map([...seen].map(([route, seconds]) => [route, Math.max(seconds, ended.get(route) ?? 0)]));
}

function holderNodes(holders) {
  const rows = holders.slice(0, HOLDERS).map(h => {
    const since = `${h.resource ? ` (${h.resource})` : ""}${h.seconds === null ? "" : ` for ${time(h.seconds)}`}`;
    const node = el("span", "holder", el("code", "", h.route === null ? shortName(h.task) : named(h.route, "no route")), " at ", place(h.site), since);
    node.title = `${h.task}\n${h.site.code}`;
    return node;
  });
  const more = holders.length - HOLDERS;
  return more > 0 ? [...rows, el("span", "holder soft", `and ${more} more`)] : rows;
}

function placeKey(w) {
  return JSON.stringify([w.route, w.place.function, w.place.file, w.place.line, w.call, w.resource, w.peer]);
}

function updatePlace(node, { wait, share }) {
  const [line, route, what, part, waited, now, holders] = node.cells;
  fill(line, ...siteNodes(wait.place, wait.call), ...wait.advice ? [el("span", "advice", ...quoted(wait.advice))] : []);
  fill(route, el("code", "", named(wait.route, "no route")));
  fill(what, el("span", "tag", wait.resource), ...wait.peer ? [" ", el("code", "soft", wait.peer)] : []);
  put(part, percent(share));
  put(waited, time(wait.seconds));
  put(now, `${number(wait.waiting)} (most ${number(wait.most_waiting)})`);
  fill(holders, ...holderNodes(wait.holders));
}

// Returns a sentence on the place where requests waited longest, if they did.
function waitedMost([most]) {
  if (!most || most.seconds < 1) return [];
  const route = most.route === "_NONE" ? [] : [" in ", el("code", "", named(most.route, ""))];
  return [" Requests waited ", el("b", "", time(most.seconds)), " for ", el("code", "", callText(most.place)), ...route, "."];
}

function placeWords({ route, place: { code, function: name, file, line }, call, resource, peer }) {
  return `${route} ${code} ${name} ${file}:${line} ${call} ${resource} ${peer}`;
}

function showPlaces(data) {
  const { waits } = data, whole = waitedByRoute(data);
  const found = waits.filter(w => w.seconds > 0 && matches(placeWords(w))).map(wait => ({ wait, share: Math.min(1, wait.seconds / whole.get(wait.route)) }));
  sync($("places"), placePages.take(found), row => placeKey(row.wait), () => makeRow(PLACE_COLUMNS), updatePlace);
  show($("places-table"), found.length > 0);
  show($("no-places"), !found.length);
  put($("no-places"), waits.length ? "Nothing matches the filter." : "No request was seen waiting.");
  put($("places-note"), waits.length ? "while nobody holds the loop; estimated" : "");
}

$("place-columns").append(...heads(PLACE_COLUMNS));
