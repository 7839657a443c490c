// The agent's desk: what rings is shown at once, the phone in the page is answered here, and what is written in a
// wrap-up is kept with every key (drafts.js). Who is on which call is the server's to say, not this page's.
import "./desk-phone.js";
import "./desk-news.js";
import "./desk-notes.js";
