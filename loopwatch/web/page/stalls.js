// The list of the latest stalls, and the details of one.

const CAUSES = {}; // cause to label: filled in as the page is put together

const stallPages = pager("more", 30, 60, () => again());

function tag(cause) {
  return el("span", "tag", CAUSES[cause] ?? cause);
}

function stallKey(stall) {
  return `${stall.started_at} ${stall.duration} ${stall.thread}`;
}

function stallWords({ site, route, method, cause }) {
  return `${site.code} ${site.function} ${site.file}:${site.line} ${method ?? ""} ${route ?? ""} ${CAUSES[cause] ?? cause}`;
}

// The parts of the stall's time, as the system counted them for the loop's thread.
function evidence(stall) {
  const { cpu_seconds: cpu, run_queue_seconds: queue, throttled_seconds: throttled, gc_seconds: gc, duration } = stall;
  const rest = cpu === null ? null : Math.max(0, duration - cpu - (queue ?? 0) - (throttled ?? 0));
  const rows = [["on the CPU", cpu], ["waiting, off the CPU", rest], ["run queue: ready, no CPU free", queue],
    ["throttled by a CPU quota", throttled], ["in the garbage collector", gc]];
  return el("span", "evidence", ...rows.map(([name, seconds]) => {
    const fill = el("i");
    fill.style.width = `${100 * Math.min(1, (seconds ?? 0) / duration)}%`;
    return el("span", seconds ? "" : "none", el("span", "meter", fill), el("b", "", seconds === null ? "not known" : time(seconds)), name);
  }));
}

function among(rows, text) {
  return rows.length ? el("span", "lines", ...rows.map(row => el("span", "", ...text(row)))) : "";
}

function detailOf(stall, ...more) {
  const site = stall.site, node = el("div", "detail", definitions("", [
    ["Advice", stall.advice],
    ["Site", el("span", "", el("code", "", named(site.function, "unknown")), " ", place(site), site.exact ? "" : " (near: the exact line is unknown)")],
    ["Coroutine", stall.coroutine && el("code", "", stall.coroutine)],
    ["Held", `${time(stall.duration)} from ${clockText(stall.started_at)}, thread ${stall.thread}`],
    ["Waited", stall.victims ? `${number(stall.victims)} requests, ${time(stall.lost_request_seconds)} in total` : "none"],
    ["Evidence", evidence(stall)],
    ["Took part", among(stall.contributors, c => [el("code", "", c.coroutine), ` ${time(c.seconds)}${c.count === null ? "" : ` in ${number(c.count)} steps`}`])],
    ["Had the GIL", among(stall.gil_holders, h => [`${h.thread}: `, el("code", "", callText(h.site)), " ", place(h.site)])],
    ["Trace", stall.trace_id && el("code", "", stall.trace_id)],
  ]));
  node.append(...more);
  if (!stall.stack.length) node.append(el("p", "soft", "No stack: the step ended before a stack sample could be taken."));
  else {
    const at = stall.stack.findLastIndex(f => f.function === site.function && f.file === site.file && f.line === site.line);
    node.append(el("ol", "stack", ...stall.stack.map((frame, i) => el("li", i === at ? "site" : "", el("code", "", frame.function), place(frame)))));
  }
  return node;
}

// A row that opens to show a stall; while open, it keeps showing that stall.
function openingRow(name, summary, stallOf, ...more) {
  const details = el("details", "", summary);
  details.addEventListener("toggle", () => {
    details.querySelector(".detail")?.remove();
    if (details.open) details.append(detailOf(stallOf(), ...more));
  });
  return el("li", name, details);
}

function makeStall(stall) {
  const line = el("span", "line", el("code", "", callText(stall.site)), el("code", "soft", routeText(stall)));
  const head = [el("span", "soft", clockText(stall.started_at)), el("span", "took", time(stall.duration)), line, tag(stall.cause)];
  return openingRow("stall", el("summary", "", ...head), () => stall);
}

function recentStalls({ stalls }) {
  return stalls.toReversed().filter(stall => matches(stallWords(stall)));
}

function showStalls(data) {
  const recent = recentStalls(data);
  sync($("stalls"), stallPages.take(recent), stallKey, makeStall, () => {});
  show($("no-stalls"), !recent.length);
  put($("no-stalls"), data.stalls.length ? "Nothing matches the filter." : "None yet.");
  put($("stalls-note"), recent.length ? "newest first" : "");
}

function openRow(list, key) {
  const row = [...list.children].find(node => node.key === key);
  if (!row) return;
  row.firstChild.open = true;
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("summary").focus();
}

function openStall(stall) {
  const key = stallKey(stall);
  unfilter();
  stallPages.reach(recentStalls(latest).findIndex(s => stallKey(s) === key));
  showStalls(latest);
  openRow($("stalls"), key);
}

arrows($("stalls"), "summary");
