// The waits: seconds by the culprit's function and route, and by the victim's route.

const VICTIM_COLUMNS = 8; // the others are added up

const waitPages = pager("more-waits", 10, 20, () => again());

// Sums blames by key, most seconds first.
function added(blames, key) {
  const found = new Map();
  for (const blame of blames) {
    const k = key(blame), group = found.get(k) ?? { key: k, blame, seconds: 0, count: 0, blames: [] };
    group.seconds += blame.seconds;
    group.count += blame.count;
    group.blames.push(blame);
    found.set(k, group);
  }
  return [...found.values()].sort((a, b) => b.seconds - a.seconds);
}

function makeColumn({ label, victim }) {
  const head = victim ? el("th", "victim", el("code", "", label)) : el("th", "", label);
  return Object.assign(head, { scope: "col", title: victim ? label : "" });
}

function makeWaiter({ blame: { site, culprit_route: route } }) {
  const button = el("button", "", el("code", "", named(site, "unknown line")), el("code", "soft", named(route, "no route")));
  Object.assign(button, { type: "button", title: "Show the culprit" });
  button.addEventListener("click", () => openCulprit(site, route));
  return el("tr", "", Object.assign(el("th", "", button), { scope: "row" }));
}

function updateCell(node, { seconds, count, most }) {
  put(node, seconds ? time(seconds) : "");
  node.title = seconds ? `${number(count)} times, ${time(seconds)} in total` : "";
  node.style.setProperty("--heat", `${most && seconds ? 6 + 54 * seconds / most : 0}%`);
}

function makeCell({ key, label }) {
  const node = el("td", key === " total" ? "total" : "");
  node.dataset.label = label;
  return node;
}

// Columns come and go, so cells have keys, like rows.
function updateWaiter(node, cells) {
  const old = new Map([...node.children].slice(1).map(cell => [cell.key, cell])), head = node.firstChild;
  const now = cells.map(cell => {
    const made = old.get(cell.key) ?? Object.assign(makeCell(cell), { key: cell.key });
    updateCell(made, cell);
    return made;
  });
  const same = now.length === old.size && now.every((cell, i) => cell === node.children[i + 1]);
  if (!same) {
    for (const cell of old.values()) cell.remove();
    head.after(...now);
  }
}

// Returns a row's cells: the total, the columns, and the rest.
function cellsOf(row, columns, most) {
  const parts = columns.map(({ key, label }) => {
    const own = row.blames.filter(b => b.victim_route === key);
    return { key, label, most, seconds: total(own.map(b => b.seconds)), count: total(own.map(b => b.count)) };
  });
  const rest = row.seconds - total(parts.map(p => p.seconds)), count = row.count - total(parts.map(p => p.count));
  const whole = { key: " total", label: "total", seconds: row.seconds, count: row.count, most: 0 };
  return [whole, ...parts, { key: "", label: "others", seconds: count > 0 ? rest : 0, count, most: 0 }];
}

function showWaits({ blames }) {
  const found = blames.filter(b => matches(`${b.site} ${b.culprit_route} ${b.victim_route}`));
  const rows = waitPages.take(added(found, b => JSON.stringify([b.site, b.culprit_route])));
  const columns = added(found, b => b.victim_route).slice(0, VICTIM_COLUMNS).map(({ key }) => ({ key, label: named(key, "no route"), victim: true }));
  const most = Math.max(0, ...found.map(b => b.seconds));
  const heads = [{ key: " culprit", label: "Culprit" }, { key: " total", label: "total" }, ...columns, { key: "", label: "others" }];
  sync($("victims"), heads, head => head.key, makeColumn, () => {});
  sync($("waits"), rows, row => row.key, makeWaiter, (node, row) => updateWaiter(node, cellsOf(row, columns, most)));
  show($("waits-table"), rows.length > 0);
  show($("no-waits"), !rows.length);
  put($("no-waits"), blames.length ? "Nothing matches the filter." : "No request has waited for a stall.");
  put($("waits-note"), rows.length ? "columns: the routes whose requests waited; rows: the stalls they waited for" : "");
}
