/** Shows the page that the address asks for: all jobs, or the jobs of one Dag run. */

import { JobPage } from "./job_page.js";
import { JobsPage } from "./jobs_page.js";
import { params, watch } from "./route.js";

let page = null;

function show() {
  const wanted = params();
  const Page = wanted.dag_id && wanted.run_id ? JobPage : JobsPage;
  const isSame = page instanceof Page && page.shows(wanted);
  if (!isSame) {
    page?.stop();
    page = new Page(wanted, document.getElementById("content"));
  }
  page.update(wanted);
}

watch(show);
show();
