// The server's time as far as this page can know it: a desk's own clock may be minutes off. In milliseconds.
const behind = document.body?.dataset.now ? Date.now() - Number(document.body.dataset.now) * 1000 : 0;

export function serverNow() {
  return Date.now() - behind;
}
