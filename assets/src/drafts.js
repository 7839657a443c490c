// Nothing typed is lost: a form marked data-draft is written to this browser's own store with every key, given back
// when the page comes again, and (where data-draft-url is set) to the server a moment later, for another browser. What
// was written last counts, there or here. What has been done is forgotten, and notes about citizens at signing out.
import { serverNow } from "./clock.js";

const SENT_AFTER_MS = 800;
const NOTE_KEPT_MS = 3 * 86_400_000; // As on the server: nobody comes back for an older one.
const PREFIX = "draft ";
const NOTES = `${PREFIX}note `;
const PRESSED = "pressed"; // What was sent last from this window: the next page tells whether it was done.

function fields(form) {
  return Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "draft_version"));
}

function fill(form, values) {
  for (const field of form.elements) if (field.type === "checkbox") field.checked = false; // One not ticked has no value.
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    if (field instanceof RadioNodeList) field.value = value;
    else if (field.type === "checkbox") field.checked = field.value === value;
    else if (field.type !== "hidden" && field.type !== "password") field.value = value;
  }
}

class Draft {
  constructor(form) {
    this.form = form;
    this.key = PREFIX + form.dataset.draft;
    this.timer = null;
    this.thereAt = Number(form.dataset.draftAt ?? 0) * 1000; // The server's own copy, by its clock.
    const kept = read(this.key);
    if (kept && kept.at > this.thereAt) {
      fill(form, kept.values);
      this.say(form.dataset.draftRestored);
    }
    form.addEventListener("input", () => this.changed());
    form.addEventListener("change", () => this.changed());
    form.addEventListener("submit", () => {
      clearTimeout(this.timer); // Else it would be written once more after it was finished.
      sessionStorage.setItem(PRESSED, this.key);
    });
  }

  changed() {
    try {
      localStorage.setItem(this.key, JSON.stringify({ at: Math.max(serverNow(), this.thereAt + 1), values: fields(this.form) }));
      this.say(this.form.dataset.draftKept);
    } catch {
      // A full or forbidden store: the server's draft is still there.
    }
    clearTimeout(this.timer);
    if (this.form.dataset.draftUrl) this.timer = setTimeout(() => this.send(), SENT_AFTER_MS);
  }

  async send() {
    try {
      const answer = await fetch(this.form.dataset.draftUrl, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(fields(this.form)),
        keepalive: true,
      });
      if (!answer.ok) return;
      this.thereAt = Math.max(this.thereAt, (await answer.json()).at * 1000);
      this.say(this.form.dataset.draftSent);
    } catch {
      // Sent with the next key; until then this browser has it.
    }
  }

  say(text) {
    const place = this.form.querySelector("[data-draft-state]");
    if (place && text) place.textContent = text;
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function forget(isGone) {
  for (const key of Object.keys(localStorage)) if (isGone(key)) localStorage.removeItem(key);
}

// On every page, before its forms are filled.
export function forgetDone() {
  try {
    const pressed = sessionStorage.getItem(PRESSED);
    sessionStorage.removeItem(PRESSED);
    if (pressed && document.querySelector("[data-said]")) forget((key) => key === pressed || (pressed === NOTES && key.startsWith(NOTES)));
    const out = document.querySelector("form[action='/signin']"); // Nobody is signed in here any more.
    forget((key) => key.startsWith(NOTES) && (out || !(read(key)?.at > serverNow() - NOTE_KEPT_MS)));
  } catch {
    // A forbidden store holds nothing either.
  }
}

// 签出 and 退出: what the keys have not brought to the server yet goes there now; this browser keeps no note.
document.addEventListener("submit", (event) => {
  if (!["/signout", "/desk/seat/leave"].includes(event.target.getAttribute("action"))) return;
  for (const form of document.querySelectorAll("form[data-draft-url]")) if (form.draft?.timer) form.draft.send();
  sessionStorage.setItem(PRESSED, NOTES);
});

export function keepDrafts(root = document) {
  for (const form of root.querySelectorAll("form[data-draft]")) {
    if (!form.draft) form.draft = new Draft(form);
  }
}

document.addEventListener("htmx:after:swap", () => keepDrafts());
