// Reads the snapshot periodically, and shows it.

const EVERY = 2000, PATIENCE = 15000; // ms between two readings, and for one answer

let paused = false, reading = false, timer = 0, latest = null, words = [];

// Returns whether a text has all words of the filter.
function matches(text) {
  if (!words.length) return true;
  const low = text.toLowerCase();
  return words.every(word => low.includes(word));
}

function filter() {
  words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  again();
}

function unfilter() {
  if (!words.length) return;
  $("filter").value = "";
  filter();
}

function showOwn(data) {
  const watched = data.busy + data.idle, lost = Object.entries(data.dropped).filter(([, n]) => n);
  put($("version"), `version ${data.version}`);
  put($("cost"), `${time(data.self_seconds)} of CPU beside the loop${watched ? `, ${percent(data.self_seconds / watched)} of the time watched` : ""}`);
  put($("dropped"), lost.map(([reason, n]) => `${reason} ${number(n)}`).join(", ") || "none");
}

// What holds a loop right now. Only a page on a port of its own can show it: the loop is held.
function showHolding({ in_progress: holding }) {
  $("holding").replaceChildren(...holding.map(stall => {
    const who = stall.route === null ? stall.coroutine ?? "Something" : routeText(stall);
    const where = stall.site.function === "_NONE" ? [] : [" at ", place(stall.site), " ", el("code", "", callText(stall.site))];
    const why = stall.blocker ? [`; it ${stall.blocker.text}`] : [];
    return el("p", "", who, " has been holding the loop for ", el("b", "", time(stall.duration)), ...where, ...why, ".");
  }));
  show($("holding"), holding.length > 0);
}

function render(data) {
  latest = data;
  showHolding(data);
  showCulprits(data);
  showLoops(data);
  showInflight();
  showPlaces(data);
  showLooptime(data);
  showWaits(data);
  showStalls(data);
  showRoutes(data);
  showOwn(data);
}

function again() {
  if (!latest) return;
  render(latest);
  drawFlame();
}

function showState(kind, text) {
  put($("state"), text);
  $("state").className = `state ${kind}`;
}

function showStateAt(kind, text) {
  showState(kind, latest ? `${text}, ${clockText(latest.taken_at)}` : text);
}

async function read() {
  const asked = Date.now();
  const asking = setInterval(() => showState("lost", `no answer for ${Math.round((Date.now() - asked) / 1000)} s`), 1000);
  try {
    const answer = await fetch("snapshot.json", { signal: AbortSignal.timeout(PATIENCE) });
    if (answer.ok) render(await answer.json());
    if (answer.ok) await readInflight();
    showStateAt(answer.ok ? "live" : "lost", answer.ok ? "live" : `status ${answer.status}; last`);
    if (answer.ok) readFlame(latest);
  } catch (error) {
    console.warn(error);
    showStateAt("lost", "no answer; last");
  } finally {
    clearInterval(asking);
  }
}

async function poll() {
  clearTimeout(timer);
  if (reading) return;
  reading = true;
  if (!document.hidden) await read();
  reading = false;
  if (paused) showStateAt("", "paused");
  else timer = setTimeout(poll, EVERY);
}

$("filter").addEventListener("input", filter);
$("pause").addEventListener("click", () => {
  paused = !paused;
  put($("pause"), paused ? "Resume" : "Pause");
  if (!paused) poll();
  else if (!reading) {
    clearTimeout(timer);
    showStateAt("", "paused");
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) poll();
});
poll();
