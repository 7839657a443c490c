// Loaded only by desks whose seat has its phone in the browser (agents/<city>.toml, phone = "browser").
import { Phone } from "./phone.js";

window.callctlPhone = Phone;
