// The page's nodes by their ids, and the few ways in which they are changed: only where something really is another.
export const el = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// make("p", { class: "late", onclick }, "text", node, …): text is always text, never markup.
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const PATHS = {
  map: "M9 4 3 6v14l6-2 6 2 6-2V4l-6 2zM9 4v14M15 6v14",
  drive: "M12 3 5 21l7-4 7 4z",
  call: "M6 3h4l2 5-3 2c1 3 2 4 5 5l2-3 5 2v4c0 2-2 3-4 3C9 20 4 14 3 7c0-2 1-4 3-4z",
  menu: "M4 6h16M4 12h16M4 18h16",
  stops: "M9 6h11M9 12h11M9 18h11M4 6h1M4 12h1M4 18h1",
  mail: "M3 6h18v12H3zM3 7l9 6 9-6",
  card: "M4 5h16v14H4zM7 9h10M7 13h6",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const draw = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
