// Where the loop's busy time goes, by line and route, whether or not any step is slow.

const LOOPTIME_COLUMNS = [
  { name: "Line", hint: "the innermost line of your own code, and the library's call that it made" },
  { name: "Route" },
  { name: "Of busy time", hint: "estimated from samples at random moments while the loop was busy" },
  { name: "Busy" },
];

const looptimePages = pager("more-looptime", 8, 20, () => again());

function makeLooptime() {
  const node = makeRow(LOOPTIME_COLUMNS), share = node.cells[2];
  node.bar = el("i");
  node.share = el("span");
  share.append(el("span", "share", el("span", "meter", node.bar), node.share));
  return node;
}

function updateLooptime(node, { row, share }) {
  fill(node.cells[0], ...siteNodes(row.site, row.call));
  fill(node.cells[1], el("code", "", named(row.route, "outside any request")));
  node.bar.style.width = `${100 * share}%`;
  put(node.share, percent(share));
  node.share.title = `${number(row.samples)} samples`;
  put(node.cells[3], time(row.seconds));
}

function looptimeWords({ route, site: { code, function: name, file, line }, call }) {
  return `${route} ${code} ${name} ${file}:${line} ${call}`;
}

function showLooptime({ loop_time: rows, busy }) {
  const whole = Math.max(busy, total(rows.map(row => row.seconds)));
  const found = rows.filter(row => row.seconds > 0 && matches(looptimeWords(row))).map(row => ({ row, share: row.seconds / whole }));
  const key = ({ row: { route, site, call } }) => JSON.stringify([route, site.function, site.file, site.line, call]);
  sync($("looptime"), looptimePages.take(found), key, makeLooptime, updateLooptime);
  show($("looptime-table"), found.length > 0);
  show($("no-looptime"), !found.length);
  put($("no-looptime"), rows.length ? "Nothing matches the filter." : "No sample of the busy loop was taken yet.");
}

$("looptime-columns").append(...heads(LOOPTIME_COLUMNS));
