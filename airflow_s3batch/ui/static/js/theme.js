/** Dark or light as Airflow itself is at the moment; outside of Airflow as the browser prefers. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const outer = airflowRoot();
let current = "";

/** Return Airflow's document element, if this page is shown within Airflow. */
function airflowRoot() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null;
  }
}

function wanted() {
  if (outer?.classList.contains("dark")) return "dark";
  if (outer?.classList.contains("light")) return "light";
  return dark.matches ? "dark" : "light";
}

function apply() {
  if (wanted() === current) return;
  current = wanted();
  document.documentElement.dataset.theme = current;
  document.dispatchEvent(new Event("theme"));
}

apply();
dark.addEventListener("change", apply);
if (outer) new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class", "data-theme", "style"] });
