// Makes elements, and turns those that are shown into those that are wanted, keeping what the reader
// has focused, selected, opened or scrolled. Children are known again by their data-key.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "polyline", "circle", "title"]);

export function h(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

function morph(old, wanted) {
  for (const { name } of [...old.attributes]) {
    const own = name === "open" || name === "style"; // what the reader, or draw(), has set
    if (!own && !wanted.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  fill(old, [...wanted.childNodes]);
}

export function fill(parent, children) {
  const keyed = new Map();
  for (const child of parent.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  children.forEach((wanted, index) => {
    let old = parent.childNodes[index];
    const same = keyed.get(wanted.dataset?.key);
    if (same && same !== old) old = parent.insertBefore(same, old ?? null);
    if (!old) parent.append(wanted);
    else if (old.nodeName !== wanted.nodeName || old.dataset?.key !== wanted.dataset?.key) {
      if (keyed.has(old.dataset?.key)) parent.insertBefore(wanted, old);
      else old.replaceWith(wanted);
    } else if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== wanted.data) old.data = wanted.data;
    } else morph(old, wanted);
  });
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
}
