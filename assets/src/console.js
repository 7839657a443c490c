// What every page of the console needs: htmx with its stream extension, and a few small manners of our own.
import htmx from "./htmx-global.js";
import "htmx.org/dist/ext/hx-sse.js";
import { watch } from "./live.js";
import { serverNow } from "./clock.js";
import { forgetDone, keepDrafts } from "./drafts.js";

// A button that was pressed waits for its answer: a second press of the same form is no second act. Not kept in the
// element's attributes: a page that draws itself anew every two seconds would wipe them off.
const sending = new Set();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (sending.has(form)) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  sending.add(form);
  for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
}, true);

const answered = (form) => {
  if (!sending.delete(form)) return; // A look for news is no answer to what was pressed.
  for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-disabled");
};
document.addEventListener("htmx:finally:request", (event) => answered(event.detail.ctx.sourceElement));
window.addEventListener("pageshow", () => [...sending].forEach(answered)); // Back from the browser's own page cache.

// Dialogs open by a button that names them and close by Escape, by their own cancel button, or by a click beside them.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    dialog.showModal();
    const field = dialog.querySelector("[data-first]");
    if (field) field.focus();
  }
  if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
  if (event.target.matches("dialog")) event.target.close();
});

// A choice in the page's head (language, theme, city) takes effect when it is made.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// Times are shown in the reader's own words by the server; running ones (a talk, a pause) count on by themselves.
setInterval(() => {
  for (const clock of document.querySelectorAll("time[data-since]")) {
    const passed = Math.max(0, Math.floor(serverNow() / 1000 - Number(clock.dataset.since)));
    const text = `${String(Math.floor(passed / 60)).padStart(2, "0")}:${String(passed % 60).padStart(2, "0")}`;
    if (clock.textContent !== text) clock.textContent = text;
  }
}, 250);

watch();
forgetDone();
keepDrafts();
window.callctl = { htmx, keepDrafts, serverNow };
