/** Elements from plain descriptions, and their update in place: what did not change keeps focus, scroll and state. */

import { visible } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "circle", "rect", "g"]);
const SPECIAL = new Set(["key", "on", "style", "mount", "props"]);
const handlers = new WeakMap();
const keys = new WeakMap();
const sources = new WeakMap();

/**
 * Describe an element. Children are descriptions, text, or lists of both; null and false are left out.
 *
 * Besides attributes *props* may have `key` (identity among siblings), `on` (handlers by event), `style` (custom
 * properties), `props` (properties of the element) and `mount` (called once with the new element, which then looks
 * after its own children).
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: children.flat(Infinity).filter((child) => child != null && child !== false) };
}

/** Make *parent*'s children be as *nodes* describe; the focus stays where it is if its element still exists. */
export function render(parent, ...nodes) {
  const focused = document.activeElement;
  patchChildren(parent, nodes.flat(Infinity).filter((node) => node != null && node !== false));
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

function patchChildren(parent, wanted) {
  const known = new Map();
  const wantedKeys = new Set(wanted.map((node) => node.props?.key).filter((key) => key !== undefined));
  for (const child of [...parent.childNodes]) {
    const key = keys.get(child);
    if (key === undefined) continue;
    if (wantedKeys.has(key)) known.set(key, child);
    else child.remove();
  }
  let cursor = parent.firstChild;
  for (const node of wanted) {
    const key = node.props?.key;
    const old = key === undefined ? cursor : known.get(key);
    known.delete(key);
    const element = isSame(old, node) ? patch(old, node) : create(node);
    if (element === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(element, cursor);
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function isSame(old, node) {
  if (!old) return false;
  if (typeof node !== "object") return old.nodeType === Node.TEXT_NODE;
  return old.nodeType === Node.ELEMENT_NODE && old.localName === node.tag && keys.get(old) === node.props.key;
}

function create(node) {
  if (typeof node !== "object") return document.createTextNode(visible(node));
  const element = SVG_TAGS.has(node.tag) ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  if (node.props.key !== undefined) keys.set(element, node.props.key);
  patch(element, node);
  node.props.mount?.(element);
  return element;
}

function patch(element, node) {
  if (typeof node !== "object") {
    const text = visible(node);
    if (element.nodeValue !== text) element.nodeValue = text;
    return element;
  }
  patchProps(element, sources.get(element) ?? {}, node.props);
  sources.set(element, node.props);
  if (!node.props.mount) patchChildren(element, node.children);
  return element;
}

function patchProps(element, old, props) {
  for (const name of Object.keys(old)) if (!(name in props) && !SPECIAL.has(name)) element.removeAttribute(name);
  for (const [name, value] of Object.entries(props)) {
    if (SPECIAL.has(name) || old[name] === value) continue;
    if (value == null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const [name, value] of Object.entries(props.style ?? {})) element.style.setProperty(name, value);
  for (const [name, value] of Object.entries(props.props ?? {})) if (element[name] !== value) element[name] = value;
  if (props.on) listen(element, props.on);
}

function listen(element, wanted) {
  const current = handlers.get(element) ?? {};
  for (const type of Object.keys(wanted)) {
    if (!(type in current)) element.addEventListener(type, (event) => handlers.get(element)[type]?.(event));
  }
  handlers.set(element, { ...current, ...wanted });
}
