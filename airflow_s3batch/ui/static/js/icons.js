/** Line icons, drawn with currentColor; a shape for each meaning, so that no state is told by colour alone. */

import { h } from "./dom.js";

const PATHS = {
  check: ["M5 12.5l4.500 4.500L19 7.500"],
  cross: ["M6 6l12 12", "M18 6L6 18"],
  play: ["M8 5.500v13l10.500-6.500z"],
  pause: ["M8.500 6v12", "M15.500 6v12"],
  hand: ["M12 3.500l9.500 16.500H2.500z", "M12 10v4.500", "M12 17.300v.200"],
  stop: ["M8.300 3.500h7.400l4.800 4.800v7.400l-4.800 4.800H8.300l-4.800-4.800V8.300z", "M12 8v4.500", "M12 15.800v.200"],
  clock: ["M12 3.500a8.500 8.500 0 1 0 .010 0", "M12 7.500V12l3 2"],
  list: ["M8.500 6.500H20", "M8.500 12H20", "M8.500 17.500H20", "M4 6.500h.500", "M4 12h.500", "M4 17.500h.500"],
  page: ["M7 3.500h7l4 4v13H7z", "M14 3.500v4h4", "M9.800 12.500h5.500", "M9.800 16h5.500"],
  skip: ["M5 6l7 6-7 6z", "M14 6v12", "M18.500 6v12"],
  dot: ["M12 9.500a2.500 2.500 0 1 0 .010 0"],
  copy: ["M9 9h10.500v11H9z", "M15 9V4H4.500v11H9"],
  out: ["M13.500 4.500h6v6", "M19.500 4.500L11 13", "M18 14.500v5H4.500V6h5"],
  refresh: ["M19.500 12a7.500 7.500 0 1 1-2.200-5.300", "M19.500 3.500v4.500H15"],
  search: ["M10.500 4a6.500 6.500 0 1 0 .010 0", "M15.300 15.300L20 20"],
  up: ["M12 19V5.500", "M6 11.500l6-6 6 6"],
  down: ["M12 5v13.500", "M6 12.500l6 6 6-6"],
  sort: ["M8 10l4-4.500 4 4.500", "M8 14l4 4.500 4-4.500"],
  back: ["M14.500 5.500L8 12l6.500 6.500"],
  next: ["M9.500 5.500L16 12l-6.500 6.500"],
  retry: ["M4.500 12a7.500 7.500 0 1 0 2.200-5.300", "M4.500 3.500v4.500H9"],
};

/** Describe the icon *name*; it says nothing to a screen reader: the text beside it does. */
export function icon(name) {
  return h(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    (PATHS[name] ?? PATHS.dot).map((d) => h("path", { d })),
  );
}
