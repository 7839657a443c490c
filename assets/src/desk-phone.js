const RING_HZ = 450; // China's ringing tone: 1 s on, 4 s off.
const REFRESH_AFTER_MS = 150; // The PBX tells callctl at the same moment as it rings us.

class DeskPhone {
  constructor(place) {
    this.place = place;
    this.words = place.dataset;
    this.said = place.querySelector("[data-phone-state]");
    this.audio = place.querySelector("audio");
    this.title = document.title;
    document.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-phone]");
      if (pressed) this.press(pressed.dataset.phone, pressed);
    });
    addEventListener("beforeunload", (event) => {
      if (this.phone?.call) event.preventDefault(); // A talk must not end by a slip of the hand.
    });
    this.begin();
  }

  async begin() {
    try {
      const answer = await fetch(this.words.account, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`${answer.status}`);
      this.phone = new window.callctlPhone(await answer.json(), this.audio);
    } catch {
      this.tell(this.words.refused, "alarm");
      return;
    }
    this.phone.addEventListener("state", (event) => {
      const grade = { registered: "good", trying: "warn", refused: "alarm" }[event.detail];
      this.tell(this.words[event.detail], grade);
    });
    this.phone.addEventListener("ringing", (event) => this.ringing(event.detail));
    this.phone.addEventListener("answered", () => this.talking());
    this.phone.addEventListener("ended", () => this.over());
    try {
      await this.phone.start();
    } catch {
      this.tell(this.words.nomicrophone, "alarm");
    }
  }

  tell(text, grade) {
    this.said.textContent = text;
    this.said.className = `badge ${grade}`;
    this.said.dataset.grade = grade;
  }

  ringing(call) {
    this.place.dataset.call = call.call;
    this.show("ringing");
    document.title = `☎ ${this.words.rings}`;
    this.tone(true);
    this.refresh();
    const writing = ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement?.tagName);
    if (!writing) this.place.querySelector("[data-phone=answer]").focus(); // Who writes is not torn away.
  }

  talking() {
    this.show("talking");
    this.tone(false);
    document.title = this.title;
    this.refresh();
  }

  over() {
    this.show("idle");
    this.tone(false);
    document.title = this.title;
    this.refresh();
  }

  show(state) {
    this.place.dataset.phoneShows = state;
    for (const part of this.place.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
    const mute = this.place.querySelector("[data-phone=mute]");
    mute.setAttribute("aria-pressed", "false");
  }

  press(what, button) {
    if (what === "answer") this.phone?.answer();
    if (what === "hangup") this.phone?.hangUp();
    if (what === "mute") {
      const wanted = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(wanted));
      this.phone?.muted(wanted);
    }
  }

  tone(on) {
    clearInterval(this.ringer);
    if (!on) return;
    const once = () => {
      try {
        this.sound ??= new AudioContext();
        const tone = this.sound.createOscillator();
        const level = this.sound.createGain();
        level.gain.value = 0.08;
        tone.frequency.value = RING_HZ;
        tone.connect(level).connect(this.sound.destination);
        tone.start();
        tone.stop(this.sound.currentTime + 1);
      } catch {
        // A browser that lets nothing sound before a click still shows the call.
      }
    };
    once();
    this.ringer = setInterval(once, 5000);
  }

  refresh() {
    for (const after of [REFRESH_AFTER_MS, 1200]) setTimeout(() => window.callctl.htmx.trigger("#desk-now", "refresh"), after);
  }
}

for (const place of document.querySelectorAll("[data-account]")) new DeskPhone(place);
