// What every page of the console needs: htmx with its stream extension, and a few small manners of our own.
import htmx from "./htmx-global.js";
import "htmx.org/dist/ext/hx-sse.js";
import { watch } from "./live.js";
import { keepDrafts } from "./drafts.js";

// A button that was pressed waits for its answer: a second press of the same form is no second act.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sending) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  form.dataset.sending = "yes";
  for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
}, true);

const answered = (event) => {
  for (const form of document.querySelectorAll("form[data-sending]")) {
    delete form.dataset.sending;
    for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-disabled");
  }
};
document.addEventListener("htmx:finally:request", answered);
window.addEventListener("pageshow", answered); // Back from the browser's own page cache.

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
    const passed = Math.max(0, Math.floor(Date.now() / 1000 - Number(clock.dataset.since)));
    const text = `${String(Math.floor(passed / 60)).padStart(2, "0")}:${String(passed % 60).padStart(2, "0")}`;
    if (clock.textContent !== text) clock.textContent = text;
  }
}, 250);

watch();
keepDrafts();
window.callctl = { htmx, keepDrafts };
