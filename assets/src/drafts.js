// Nothing typed is lost: a form marked data-draft is written to this browser's own store with every key, given back
// when the page comes again, and (where data-draft-url is set) to the server a moment later, for another browser.
const SENT_AFTER_MS = 800;

function fields(form) {
  return Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "draft_version"));
}

function fill(form, values) {
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
    this.key = `draft ${form.dataset.draft}`;
    this.timer = null;
    const kept = this.read();
    if (kept) {
      fill(form, kept.values);
      this.say(form.dataset.draftRestored);
    }
    form.addEventListener("input", () => this.changed());
    form.addEventListener("change", () => this.changed());
    form.addEventListener("draft:sent", () => this.forget());
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  changed() {
    try {
      localStorage.setItem(this.key, JSON.stringify({ at: Date.now(), values: fields(this.form) }));
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
      if (answer.ok) this.say(this.form.dataset.draftSent);
    } catch {
      // Sent with the next key; until then this browser has it.
    }
  }

  forget() {
    clearTimeout(this.timer);
    localStorage.removeItem(this.key);
  }

  say(text) {
    const place = this.form.querySelector("[data-draft-state]");
    if (place && text) place.textContent = text;
  }
}

export function keepDrafts(root = document) {
  for (const form of root.querySelectorAll("form[data-draft]")) {
    if (!form.draft) form.draft = new Draft(form);
  }
}

document.addEventListener("htmx:after:swap", () => keepDrafts());
