// Nodes of the document. Text from the app is set as text, never as markup.

const $ = id => document.getElementById(id);

function el(tag, name, ...content) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...content); // strings become text nodes
  return node;
}

function svg(tag, attributes, ...content) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...content);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, wanted) {
  if (node.hidden === wanted) node.hidden = !wanted;
}

// Updates the children of `parent` to match `items`. Nodes of items that stay are kept, and so stay open and focused.
function sync(parent, items, key, make, update) {
  const wanted = new Map(), old = new Map(), focused = document.activeElement;
  for (const item of items) {
    let k = key(item);
    while (wanted.has(k)) k += "+";
    wanted.set(k, item);
  }
  for (const node of [...parent.children]) {
    if (wanted.has(node.key)) old.set(node.key, node);
    else node.remove();
  }
  let cursor = parent.firstElementChild;
  for (const [k, item] of wanted) {
    const node = old.get(k) ?? make(item);
    node.key = k;
    update(node, item);
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  }
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function definitions(name, pairs) {
  return el("dl", name, ...pairs.filter(([, value]) => value).flatMap(([term, value]) => [el("dt", "", term), el("dd", "", value)]));
}

function place({ file, line }) {
  const node = el("code", "", file ? shortFile(file) + (line ? `:${line}` : "") : "");
  node.title = file;
  return node;
}

// A button under a long list: `take` returns the items to show, `reach` extends them to the nth.
function pager(id, first, step, again) {
  const button = $(id);
  let limit = first, count = 0;
  button.addEventListener("click", () => {
    limit = limit >= count ? first : limit + step;
    again();
  });
  return {
    reach: nth => { limit = Math.max(limit, nth + 1); },
    take: items => {
      count = items.length;
      show(button, count > first);
      put(button, limit >= count ? "Show fewer" : `Show ${Math.min(step, count - limit)} more of ${number(count)}`);
      return items.slice(0, limit);
    },
  };
}

// The up and down keys move between the rows of a list; `selector` finds the rows.
function arrows(list, selector) {
  list.addEventListener("keydown", event => {
    const rows = [...list.querySelectorAll(selector)], at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || !rows[to]) return;
    event.preventDefault();
    rows[to].focus();
  });
}
