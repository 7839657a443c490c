// htmx's extensions look for it as a global; this module exists so that it is one before they load.
import htmx from "htmx.org/dist/htmx.esm.js";

window.htmx = htmx;
export default htmx;
