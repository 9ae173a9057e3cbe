// The utilization and lag of each loop over the last minutes: the differences of successive readings.
// A tab keeps them over a reload. The difference over the time away is just as correct, only coarser.

const SPAN = 300, KEPT = 300; // s, and readings
const MEMORY = `loopwatch ${location.pathname}`;
const histories = restored();

function restored() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(MEMORY) ?? "[]"));
  } catch {
    return new Map(); // storage may be unavailable
  }
}

function remember() {
  try {
    sessionStorage.setItem(MEMORY, JSON.stringify([...histories]));
  } catch {} // then a reload starts empty
}

// Adds a loop's reading, and returns all kept ones of that loop, oldest first.
function noted({ key, loop, at }) {
  const history = histories.get(key) ?? { points: [] };
  histories.set(key, history);
  if (history.at !== at) note(history, loop, at);
  return history.points;
}

function note(history, { busy, idle, lag: { edges, counts } }, at) {
  const measured = busy !== null && idle !== null, whole = measured ? busy - history.busy + idle - history.idle : 0;
  const waits = counts.map((n, i) => n - (history.counts?.[i] ?? 0)), known = history.counts !== undefined;
  if (known && (whole < 0 || total(waits) < 0 || at < history.at)) history.points = []; // another process answers now
  else if (known) {
    const lag = { edges, counts: waits };
    const share = whole > 0 ? Math.min(1, Math.max(0, (busy - history.busy) / whole)) : null;
    history.points.push({ from: history.at, at, share, p50: quantile(lag, 0.5), p99: quantile(lag, 0.99) });
  }
  history.points = history.points.filter(point => point.at > at - SPAN).slice(-KEPT);
  Object.assign(history, { at, busy, idle, counts });
}

addEventListener("pagehide", remember);
