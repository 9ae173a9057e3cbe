// The culprits: the kept stalls by site and route, and the verdict on top.

const VICTIMS = 8; // victim routes shown for a site
const QUANTILES = ["p50", "p99"];
const FIGURES = [
  ["lost", "lost request-seconds: the waiting of all requests for it, added up"],
  ["waited", "requests that waited; one that waited twice counts twice"],
  ["held", "how long it held the loop, in total"],
  ["stalls", "how often it held the loop"],
];

const culpritPages = pager("more-culprits", 12, 24, () => again());

function culpritsOf(stalls) {
  const found = new Map();
  for (const stall of stalls) {
    const { function: name, file, line } = stall.site;
    const key = JSON.stringify([name, file, line, stall.route, stall.method]);
    const culprit = found.get(key) ?? { key, count: 0, seconds: 0, victims: 0, lost: 0, causes: new Set() };
    culprit.causes.add(stall.cause);
    culprit.count += 1;
    culprit.seconds += stall.duration;
    culprit.victims += stall.victims;
    culprit.lost += stall.lost_request_seconds;
    culprit.stall = stall;
    found.set(key, culprit);
  }
  return [...found.values()].sort((a, b) => b.lost - a.lost || b.seconds - a.seconds);
}

// Adds to each culprit the victims of its site, and the latency predicted without that site.
function addPaid(culprits, { blames, what_if: whatIf }) {
  const sites = new Map(whatIf.map(({ site, routes }) => [site, routes]));
  for (const culprit of culprits) {
    const { site: { function: site }, route } = culprit.stall, routes = sites.get(site) ?? [];
    const rows = blames.filter(b => b.site === site && b.culprit_route === (route ?? "_NONE")).slice(0, VICTIMS);
    culprit.paid = rows.map(row => ({ ...row, without: routes.filter(r => r.route === row.victim_route) }));
    culprit.without = routes.reduce((best, r) => fall(r) > fall(best) ? r : best, null);
  }
}

function fall(row) {
  return row ? row.now.p99 - row.then.p99 : 0.001; // smaller gains are not shown
}

function makePaid() {
  const body = el("tbody"), names = ["Victims", "Requests", "Waited", ...QUANTILES.map(q => `${q} now → without it`)];
  const heads = names.map(name => Object.assign(el("th", "", name), { scope: "col" }));
  for (const head of heads.slice(3)) head.title = "of the route's latest requests; without it: predicted without this site's stalls";
  heads[2].title = "since the watch began, for all stalls of this function and route";
  return Object.assign(el("table", "paid", el("thead", "", el("tr", "", ...heads)), body), { body });
}

function makeVictim({ victim_route: route }) {
  const head = Object.assign(el("th", "", el("code", "", named(route, "no route"))), { scope: "row" });
  return el("tr", "", head, el("td"), el("td"), ...QUANTILES.map(() => el("td")));
}

function updateVictim(node, { count, seconds, without }) {
  const change = (r, q) => `${without.length > 1 ? `${r.method} ` : ""}${time(r.now[q])} → ${time(r.then[q])}`;
  const changes = QUANTILES.map(q => without.map(r => change(r, q)).join(", ") || "–");
  [number(count), time(seconds), ...changes].forEach((text, i) => put(node.children[i + 1], text));
}

function makeCulprit({ stall }) {
  const values = FIGURES.map(() => el("b")), fill = el("i"), site = stall.site;
  const figures = FIGURES.map(([label, hint], i) => Object.assign(el("span", "num", values[i], el("span", "", label)), { title: hint }));
  const tags = el("span", "tags"), where = el("span", "where", tags, el("code", "", routeText(stall)), place(site));
  if (site.code) where.append(el("code", "", site.function));
  const without = { line: el("span", "without"), route: el("code"), change: el("b") }, paid = makePaid();
  without.line.append(el("span", "soft", "Without it, p99 of "), without.route, " ", without.change);
  const what = el("span", "what", el("span", "call", el("code", "", callText(site))), where, without.line);
  const node = openingRow("culprit", el("summary", "", what, ...figures, el("span", "bar", fill)), () => node.stall, paid);
  return Object.assign(node, { values, fill, tags, without, paid });
}

function updateCulprit(node, culprit) {
  const { stall, paid, without } = culprit;
  node.stall = stall;
  [time(culprit.lost), number(culprit.victims), time(culprit.seconds), number(culprit.count)].forEach((text, i) => put(node.values[i], text));
  sync(node.tags, [...culprit.causes], cause => cause, tag, () => {});
  node.fill.style.width = `${100 * culprit.share}%`;
  sync(node.paid.body, paid, row => row.victim_route, makeVictim, updateVictim);
  show(node.paid, paid.length > 0);
  show(node.without.line, without !== null);
  if (without === null) return;
  put(node.without.route, `${named(without.method, "")} ${named(without.route, "no route")}`.trim());
  put(node.without.change, `${time(without.now.p99)} → ${time(without.then.p99)}`);
}

function showCulprits(data) {
  const { stalls, stall_count: count } = data, culprits = culpritsOf(stalls), most = culprits[0];
  const lost = total(culprits.map(c => c.lost)), found = culprits.filter(c => matches(stallWords(c.stall))), shown = culpritPages.take(found);
  for (const c of shown) c.share = lost ? c.lost / most.lost : c.seconds / most.seconds;
  addPaid(shown, data);
  sync($("culprits"), shown, c => c.key, makeCulprit, updateCulprit);
  show($("no-culprits"), !found.length);
  put($("no-culprits"), culprits.length ? "Nothing matches the filter." : "Nothing has held the loop.");
  put($("culprits-note"), !culprits.length ? "" : count > stalls.length ? `in the latest ${stalls.length} stalls of ${number(count)}` : lost ? "by how long requests waited for them" : "by how long they held the loop");
  showVerdict(culprits, lost, stalls.length, count);
}

function showVerdict(culprits, lost, kept, count) {
  const verdict = $("verdict"), key = culprits.length ? `${count} ${lost} ${culprits[0].key}` : JSON.stringify(latest.waits[0]);
  if (verdict.key === key) return;
  verdict.key = key;
  if (!culprits.length) return verdict.replaceChildren("No stalls. Nothing has held the loop.", ...waitedMost(latest.waits));
  const [first] = culprits, all = total(culprits.map(c => c.seconds)), { stall } = first;
  const stalls = kept === 1 ? "one stall" : count > kept ? `the latest ${kept} stalls` : `${kept} stalls`;
  const share = culprits.length > 1 ? percent(lost ? first.lost / lost : first.seconds / all) : "all";
  const what = lost
    ? ["While ", stalls, ` held the loop for ${time(all)}, requests waited `, el("b", "", time(lost)), ` in total: ${share} of it for `]
    : ["The loop was held for ", el("b", "", time(all)), ` in ${stalls}, ${share} of it by `];
  verdict.replaceChildren(...what,
    stall.site.function === "_NONE" ? "an unknown line" : el("code", "", callText(stall.site)),
    ...stall.route === null ? ["."] : [" in ", el("code", "", routeText(stall)), "."]);
}

// Opens the first culprit with this function and route, if one of its stalls is still kept.
function openCulprit(site, route) {
  unfilter();
  const culprits = culpritsOf(latest.stalls);
  const nth = culprits.findIndex(({ stall }) => stall.site.function === site && (stall.route ?? "_NONE") === route);
  culpritPages.reach(nth);
  showCulprits(latest);
  openRow($("culprits"), culprits[nth]?.key);
}

arrows($("culprits"), "summary");
