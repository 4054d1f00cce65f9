/** One line for screen readers when something happened that others see. */

const place = document.getElementById("news");

/** Say *text* politely; the same text twice is said once. */
export function announce(text) {
  if (place.textContent !== text) place.textContent = text;
}
