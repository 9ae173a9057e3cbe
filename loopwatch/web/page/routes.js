// The routes, and the parts of their latency.

const PARTS = [ // of a request's latency; each can sort the table
  { name: "Queued", value: r => r.queued, hint: "in the socket before the app began" },
  { name: "Stalled", value: r => r.stalled, hint: "ready to run, but another's stall held the loop" },
  { name: "Running", value: r => r.running, hint: "its own steps on the loop" },
  { name: "Waiting", value: r => r.waiting, hint: "everything else" },
];
const COLUMNS = [
  { name: "Route", value: r => `${r.route} ${r.method}` },
  { name: "Requests", value: r => r.count, text: r => number(r.count) },
  { name: "p50", value: r => r.p50.seconds, text: r => quantileText(r.p50), hint: "half of all requests took at most this; read off a histogram, so rough for few of them" },
  { name: "p99", value: r => r.p99.seconds, text: r => quantileText(r.p99), hint: "99 of 100 of all requests took at most this; read off a histogram, so rough for few of them" },
  { name: "Mean", value: r => r.mean, text: r => r.count ? time(r.mean) : "–", parts: PARTS, hint: "true latency, from the socket to the last byte" },
  { name: "Loop cost", value: r => r.cost, text: r => r.count ? time(r.cost) : "–", hint: "the loop's time for one request: running, and background tasks" },
  { name: "Ceiling", value: r => r.cost ? 1 / r.cost : 0, text: r => r.cost ? `${number(Number((1 / r.cost).toPrecision(3)))}/s` : "–", hint: "requests per second that one process could serve of this route alone: 1 / loop cost" },
];

const sorters = new Map(), routePages = pager("more-routes", 30, 60, () => again());
let sort = { by: COLUMNS[3], down: true };

function makeRoute(row) {
  const head = el("th", "", el("span", "method", named(row.method, "")), el("code", "", named(row.route, "no route")));
  head.scope = "row";
  return el("tr", "", head, ...COLUMNS.slice(1).map(column => {
    const cell = el("td");
    cell.dataset.label = column.name;
    if (column.parts) makeLatency(cell, column.parts);
    return cell;
  }));
}

function makeLatency(cell, parts) {
  cell.className = "mean";
  cell.bars = parts.map(part => el("i", part.name.toLowerCase()));
  cell.mean = el("span");
  cell.parts = el("div", "parts", ...cell.bars);
  cell.parts.role = "img";
  cell.append(el("div", "latency", cell.mean, cell.parts));
}

function updateLatency(cell, row, column) {
  put(cell.mean, column.text(row));
  const label = row.count ? column.parts.map(part => `${part.name.toLowerCase()} ${time(part.value(row) / row.count)}`).join(", ") : "";
  if (cell.title === label) return;
  cell.title = label;
  cell.parts.ariaLabel = label;
  column.parts.forEach((part, i) => {
    cell.bars[i].style.flexGrow = 1e6 * part.value(row); // factors that sum to less than 1 would not fill the bar
    show(cell.bars[i], part.value(row) > 0);
  });
}

function updateRoute(node, row) {
  COLUMNS.slice(1).forEach((column, i) => {
    const cell = node.children[i + 1];
    if (column.parts) updateLatency(cell, row, column);
    else put(cell, column.text(row));
  });
}

function figured(r) {
  const count = total(r.latency.counts), cost = count ? (r.running + r.background) / count : 0;
  const mean = count ? total(r.latency.sums) / count : 0;
  return { ...r, count, cost, mean, p50: quantile(r.latency, 0.5), p99: quantile(r.latency, 0.99) };
}

function showRoutes({ requests }) {
  const value = sort.by.value, sign = sort.down ? -1 : 1;
  const rows = requests.filter(r => matches(`${r.method} ${r.route}`)).map(figured);
  rows.sort((a, b) => sign * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0));
  sync($("routes"), routePages.take(rows), r => `${r.method} ${r.route}`, makeRoute, updateRoute);
  show($("routes-table"), rows.length > 0);
  show($("no-routes"), !rows.length);
  put($("no-routes"), requests.length ? "Nothing matches the filter." : "No request has come yet.");
  for (const head of $("columns").children) head.removeAttribute("aria-sort");
  for (const [column, button] of sorters) {
    if (column !== sort.by) delete button.dataset.sort;
    else button.closest("th").ariaSort = button.dataset.sort = sort.down ? "descending" : "ascending";
  }
}

function sorter(column, ...mark) {
  const button = el("button", "", ...mark, column.name);
  button.type = "button";
  if (column.hint) button.title = column.hint;
  button.addEventListener("click", () => {
    sort = { by: column, down: sort.by === column ? !sort.down : column !== COLUMNS[0] };
    if (latest) showRoutes(latest);
  });
  sorters.set(column, button);
  return button;
}

$("columns").append(...COLUMNS.map(column => {
  const parts = (column.parts ?? []).map(part => sorter(part, el("i", part.name.toLowerCase())));
  const head = el("th", "", parts.length ? el("span", "legend", sorter(column), ...parts) : sorter(column));
  head.scope = "col";
  return head;
}));
