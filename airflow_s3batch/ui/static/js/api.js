/** The way to the plugin's JSON API; what goes wrong is told in sentences. */

import { AIRFLOW, PREFIX } from "./places.js";

const TIMEOUT_MS = 20_000;
const SIGN_IN = { label: "Sign in to Airflow", url: AIRFLOW.href };

/** A request that got no usable answer; `isFinal` if asking again later is no use, `keeps` if what is shown may stay. */
export class Trouble extends Error {
  constructor(title, next, { isFinal = false, keeps = !isFinal, link = null } = {}) {
    super(title);
    Object.assign(this, { title, next, isFinal, keeps, link });
  }
}

const BY_STATUS = {
  401: ["You are not signed in.", "Sign in to Airflow, then come back to this page.", { isFinal: true, keeps: true, link: SIGN_IN }],
  403: [
    "You may not see this.",
    "Your Airflow account has no read access to this Dag. Ask whoever administers Airflow for it.",
    { isFinal: true },
  ],
  404: [
    "There is no such run.",
    "It may have been deleted, or the address is incomplete. Look for it in the list of all jobs.",
    { isFinal: true },
  ],
};

/** Return the text of the answer of *path*, and how it reads as JSON; raises `Trouble`. */
export async function ask(path, query) {
  const url = new URL(`api/${path}`, PREFIX);
  url.search = new URLSearchParams(query).toString();
  let text;
  let reply;
  try {
    const headers = { Accept: "application/json" };
    const options = { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) };
    reply = await fetch(url, { headers, ...options });
    // Airflow 3.1 keeps the token where scripts can read it; later ones have a cookie that they can't.
    const token = localStorage.getItem("token");
    if (reply.status === 401 && token) reply = await fetch(url, { headers: { ...headers, Authorization: `Bearer ${token}` }, ...options });
    text = await reply.text();
  } catch (error) {
    throw unreachable(error);
  }
  if (!reply.ok) throw refused(reply.status, text);
  try {
    return JSON.parse(text);
  } catch {
    throw new Trouble("Something other than Airflow has answered.", "Most likely a login page of a proxy: sign in again.", { link: SIGN_IN });
  }
}

function unreachable(error) {
  const isSlow = error.name === "TimeoutError";
  return new Trouble(
    isSlow ? `Airflow has not answered within ${TIMEOUT_MS / 1000} s.` : "Airflow's API server can't be reached.",
    "Jobs go on without it: tasks don't need this page.",
  );
}

function refused(status, text) {
  if (status in BY_STATUS) return new Trouble(...BY_STATUS[status]);
  const said = detail(text);
  const isOurs = status >= 400 && status < 500;
  const next = isOurs ? "Reset the filters, or reload the page." : "The API server's log has the details; jobs go on meanwhile.";
  return new Trouble(`Airflow has answered with an error (${status})${said ? `: ${said}` : "."}`, next);
}

function detail(text) {
  try {
    const said = JSON.parse(text).detail;
    return typeof said === "string" ? said.slice(0, 300) : "";
  } catch {
    return "";
  }
}
