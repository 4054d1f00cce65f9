/** What is shown is in the address: parameters, links to them, and the address of Airflow around this page. */

import { h } from "./dom.js";
import { PREFIX } from "./places.js";

let onChange = () => {};
let lastList = "";

/** Return the parameters of the address. */
export function params() {
  return parsed(location.search);
}

/** Airflow 3.1 puts ids into the address as they are: a plus in a run's id is a plus, and no space. */
function parsed(search) {
  const pairs = search.slice(1).split("&").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, ...rest] = pair.split("=");
      return [unescaped(name), unescaped(rest.join("="))];
    }),
  );
}

function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Call *listener* whenever the address changes. */
export function watch(listener) {
  onChange = listener;
  window.addEventListener("popstate", () => onChange());
  mirror();
}

/** Put *changes* (empty: away with it) into the address; *isStep*: the browser's Back undoes it. */
export function change(changes, { isStep = true } = {}) {
  go(searchWith(changes), { isStep });
}

/** Describe a link within this page to exactly *wanted* parameters. */
export function pageLink(wanted, children, props = {}) {
  const search = query(wanted);
  return h(
    "a",
    {
      ...props,
      href: new URL(search || ".", PREFIX).href,
      on: {
        click: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
          event.preventDefault();
          go(search, { isStep: true });
          window.scrollTo(0, 0);
          document.getElementById("content").focus({ preventScroll: true });
        },
      },
    },
    children,
  );
}

/** Return the parameters with which the list was seen last. */
export function listParams() {
  return parsed(lastList);
}

/** Keep the list's parameters, for the way back to it. */
export function keepList() {
  lastList = location.search;
}

function searchWith(changes) {
  return query({ ...params(), ...changes });
}

function query(wanted) {
  const kept = Object.entries(wanted).filter(([, value]) => value !== "" && value != null);
  const text = kept.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  return text && `?${text}`;
}

function go(search, { isStep }) {
  if (search === location.search) return;
  history[isStep ? "pushState" : "replaceState"](null, "", search || location.pathname);
  mirror();
  onChange();
}

/** Airflow's own page ends in this page's address, so that a reload or a shared link shows the same. */
function mirror() {
  try {
    const outer = window.parent;
    if (outer === window || !outer.location.pathname.endsWith(location.pathname)) return;
    outer.history.replaceState(outer.history.state, "", `${outer.location.pathname}${location.search}`);
  } catch {
    // Another origin is around this page: it has an address of its own.
  }
}
