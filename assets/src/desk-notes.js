// A note for every call, from its first ring on. The list is never drawn anew while somebody writes: what is missing is
// put on top, and only the badges of the others change.
class Notes {
  constructor(place) {
    this.place = place;
    this.asking = false;
    const now = document.getElementById("desk-now"); // Not there before signing in at a seat.
    if (now) new MutationObserver(() => this.look()).observe(now, { childList: true, subtree: true, attributes: true });
    this.look();
  }

  // How long the seat has been in its state: the talk and the wrap-up as the server knows, also on a page that was opened
  // meanwhile; else since this page has seen it.
  count() {
    const shown = document.querySelector("#desk-now [data-state]");
    const clock = document.querySelector("#desk-now [data-state-since]");
    if (!shown || !clock) return;
    const since = shown.dataset.since || (shown.dataset.state === this.state ? clock.dataset.since : "");
    this.state = shown.dataset.state;
    const wanted = since || String(window.callctl.serverNow() / 1000);
    if (clock.dataset.since !== wanted) clock.dataset.since = wanted;
  }

  async look() {
    this.count();
    const call = document.querySelector("#desk-now [data-call]")?.dataset.call ?? "";
    // Without a live picture no call is shown, though there may be one: nothing is thrown away then.
    const unknown = document.querySelector("#desk-now [data-state]")?.dataset.state === "";
    for (const note of this.place.querySelectorAll("[data-note]")) {
      note.querySelector("[data-on-line]").hidden = note.dataset.note !== call;
      note.querySelector("[data-unfinished]").hidden = note.dataset.note === call;
      note.querySelector("[data-drop]").hidden = unknown || note.dataset.note === call;
    }
    if (!call || this.asking || this.place.querySelector(`[data-note="${CSS.escape(call)}"]`)) return;
    this.asking = true;
    try {
      const answer = await fetch(this.place.dataset.notes);
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      const missing = found.querySelector(`[data-note="${CSS.escape(call)}"]`);
      if (missing && !this.place.querySelector(`[data-note="${CSS.escape(call)}"]`)) {
        this.place.prepend(document.importNode(missing, true));
        window.callctl.htmx.process(this.place);
        window.callctl.keepDrafts(this.place);
      }
    } finally {
      this.asking = false;
    }
  }
}

for (const place of document.querySelectorAll("[data-notes]")) new Notes(place);
