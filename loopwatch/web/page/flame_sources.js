// What the flame graph can show: each a list of stacks, outermost name first, with seconds.

const FLAMES = {
  held: {
    root: "all stalls",
    note: "the time that stacks held the loop since the watch began; outermost frame on top; strong colour: the site",
    sites: data => data.sites.map(row => row.site),
    stacks: null, // from flamegraph.folded
  },
  busy: {
    root: "busy loop",
    note: "the loop's busy time by route and stack, estimated from samples; strong colour: the line of your own code",
    sites: data => data.loop_time.map(row => lineName(row.site)),
    stacks: data => data.loop_time.map(busyStack),
  },
  waiting: {
    root: "all waiting",
    note: "request-seconds by route, by the line that awaits, and by what it waits for; strong colour: the line",
    sites: data => data.waits.map(row => lineName(row.place)),
    stacks: data => data.waits.map(waitingStack),
  },
};

function lineName({ function: name, line }) {
  return line ? `${name}:${line}` : name;
}

function busyStack({ route, site, call, stack, seconds }) {
  const at = stack.findLastIndex(f => f.function === site.function && f.line === site.line);
  const frames = at < 0 ? [...stack.map(f => f.function), lineName(site)] : stack.map((f, i) => i === at ? lineName(site) : f.function);
  const last = call && frames.at(-1) !== call ? [call] : [];
  return { names: [named(route, "outside any request"), ...frames, ...last], seconds };
}

function waitingStack({ route, place: site, call, resource, peer, seconds }) {
  const what = peer ? `${resource} ${peer}` : resource;
  return { names: [named(route, "no route"), lineName(site), ...call ? [call] : [], what], seconds };
}

// Returns the stacks of a folded profile, whose weights are milliseconds.
function foldedStacks(folded) {
  return folded.split("\n").map(line => {
    const space = line.lastIndexOf(" ");
    return { names: line.slice(0, Math.max(0, space)).split(";"), seconds: space < 1 ? 0 : Number(line.slice(space + 1)) / 1000 };
  });
}

function growTree(name, stacks) {
  const ids = new Map(), root = { name, key: "", weight: 0, children: new Map() };
  for (const { names, seconds } of stacks) {
    if (!(seconds > 0)) continue;
    root.weight += seconds;
    names.reduce((parent, one) => {
      if (!ids.has(one)) ids.set(one, ids.size);
      const id = ids.get(one), child = parent.children.get(id) ?? { name: one, key: `${parent.key}\n${one}`, weight: 0, children: new Map() };
      parent.children.set(id, child);
      child.weight += seconds;
      return child;
    }, root);
  }
  return root;
}
