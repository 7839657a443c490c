// Keeps a live page honest. The server sends a message at least once a second; when none has come for a while, the page
// says so, every live value becomes "unknown", and the stream is opened again until it works. On connect the server
// sends everything, so nothing has to be remembered here.
import htmx from "./htmx-global.js";

const STALE_AFTER_MS = 3000; // Three beats missed: not a hiccup any more.
const REOPEN_EVERY_MS = 2000;
const LOOKED_EVERY_MS = 250;

class LiveStream {
  constructor(element) {
    this.element = element;
    this.heardAt = performance.now();
    this.tried = performance.now();
    this.connection = null;
    this.stale = false;
    element.addEventListener("htmx:sse:after:connection", (event) => {
      this.connection = event.detail.connection;
      this.tried = performance.now();
    });
    element.addEventListener("htmx:sse:before:message", () => this.heard());
    element.addEventListener("htmx:sse:error", (event) => {
      if ([401, 403].includes(event.detail.status)) document.body.classList.add("signed-out");
    });
    element.addEventListener("htmx:sse:close", () => (this.connection = null));
    setInterval(() => this.look(), LOOKED_EVERY_MS);
  }

  heard() {
    this.heardAt = performance.now();
    if (this.stale) {
      this.stale = false;
      document.body.classList.remove("link-lost");
      document.getElementById("link-lost").hidden = true;
    }
  }

  look() {
    const now = performance.now();
    if (now - this.heardAt < STALE_AFTER_MS) return;
    if (!this.stale) this.lose();
    if (now - this.tried < REOPEN_EVERY_MS) return;
    this.tried = now;
    this.reopen();
  }

  lose() {
    this.stale = true;
    document.body.classList.add("link-lost");
    document.getElementById("link-lost").hidden = false;
    const unknown = document.body.dataset.unknown;
    // Not only dimmed: an old number must not be read as if it were new, by no eye and by no screen reader.
    for (const value of this.element.querySelectorAll("[data-live]")) {
      if (value.isConnected) value.textContent = unknown;
    }
    for (const drawn of this.element.querySelectorAll("[data-live-drawing]")) drawn.replaceChildren();
  }

  reopen() {
    // A stream that is open and silent (a frozen server, a half-dead line) is cut, and the extension opens a new one.
    if (this.connection?.reader) this.connection.reader.cancel().catch(() => {});
    else if (this.connection?.abortController && this.connection.attempt > 0) this.connection.delayCanceller?.();
    else if (!this.connection) htmx.ajax("GET", this.element.getAttribute("hx-sse:connect"), { source: this.element });
  }
}

export function watch() {
  const element = document.querySelector("[hx-sse\\:connect]");
  if (element) new LiveStream(element);
}
