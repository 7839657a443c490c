// A script that was just published is on this desk at once, and not with the next look: the server's notices say when.
const now = document.querySelector("[data-news]");

if (now) {
  const stream = new EventSource(now.dataset.news); // Opens itself again; the looks every two seconds go on meanwhile.
  stream.addEventListener("notice", (event) => {
    if (JSON.parse(event.data).kind === "script") window.callctl.htmx.trigger(now, "refresh");
  });
  stream.addEventListener("end", () => stream.close());
}
