// Formats numbers, times and names.

function total(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

function number(n) {
  return n.toLocaleString("en-US");
}

function time(s) {
  if (s === 0) return "0\u202fms";
  if (s < 0.0001) return "< 0.1\u202fms";
  if (s < 0.00995) return `${(s * 1000).toFixed(1)}\u202fms`;
  if (s < 0.9995) return `${Math.round(s * 1000)}\u202fms`;
  if (s < 99.95) return `${s.toFixed(s < 9.995 ? 2 : 1)}\u202fs`;
  const minutes = Math.round(s / 60);
  if (s < 3570) return `${Math.floor(Math.round(s) / 60)}\u202fmin ${Math.round(s) % 60}\u202fs`;
  return `${Math.floor(minutes / 60)}\u202fh ${minutes % 60}\u202fmin`;
}

function percent(share) {
  const p = share * 100;
  return p > 0 && p < 0.1 ? "< 0.1\u202f%" : `${p.toFixed(p > 0 && p < 9.95 ? 1 : 0)}\u202f%`;
}

// Like Histogram.quantile; `below` means below the first edge, `beyond` above the last.
function quantile({ edges, counts }, q) {
  const rank = q * total(counts);
  let seen = 0, low = 0;
  for (const [i, edge] of edges.entries()) {
    const count = counts[i];
    if (count && seen + count >= rank) return { seconds: low + (edge - low) * (rank - seen) / count, below: i === 0 ? edge : 0 };
    seen += count;
    low = edge;
  }
  const beyond = counts.at(-1) > 0;
  return { seconds: beyond || seen ? low : 0, below: 0, beyond };
}

function quantileText(q) {
  if (q.below) return `< ${q.below * 1000}\u202fms`;
  return q.beyond ? `> ${time(q.seconds)}` : q.seconds ? time(q.seconds) : "–";
}

function named(label, otherwise) {
  return label === "_NONE" ? otherwise : label === "_OTHER" ? "all others" : label;
}

function clockText(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

function shortFile(file) {
  const parts = file.replaceAll("\\", "/").split("/");
  const library = Math.max(parts.lastIndexOf("site-packages"), parts.findLastIndex(p => /^python3\.\d+t?$/.test(p)));
  return (library >= 0 ? parts.slice(library + 1) : parts.slice(-2)).join("/");
}

function callText(site) {
  return site.code || named(site.function, "unknown line");
}

function routeText({ method, route }) {
  if (route === null) return method ? `${method}, no route` : "outside any request";
  return `${method ?? ""} ${route}`.trim();
}
