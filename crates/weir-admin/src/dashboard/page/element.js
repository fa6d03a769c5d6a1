// Elements of the page. Text is always text: nothing that comes from a request or a server becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const byId = (id) => document.getElementById(id);

const shown = new WeakMap();

// Puts new content into a place, unless it is the same: then what a person has selected, opened or focused stays.
export function show(place, children) {
  const fresh = document.createElement("div");
  fresh.append(...[children].flat());
  if (shown.get(place) === fresh.innerHTML) return;
  shown.set(place, fresh.innerHTML);
  const opened = new Set([...place.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...fresh.childNodes);
  for (const one of place.querySelectorAll("details[data-key]")) one.open = opened.has(one.dataset.key);
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function table(columns, rows, wide = false) {
  const head = columns.map((column) => element("th", { class: column.number && "number", scope: "col" }, column.name));
  const body = rows.map((row) =>
    element("tr", {}, columns.map((column, at) =>
      element("td", { class: column.number ? "number" : column.kind, "data-name": column.name || undefined }, row[at] ?? "–"))));
  const made = element("table", { class: "cards" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, body));
  return wide ? element("div", { class: "scroll" }, made) : made;
}

export function pill(text, kind, title) {
  return element("span", { class: `pill ${kind}`, title }, text);
}
