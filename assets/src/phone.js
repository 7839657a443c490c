// The agent's telephone in this page: SIP in a WebSocket to the city's own PBX, voice by WebRTC. It only answers: agents
// dial nothing. The PBX rings, and keeps the citizen in the queue until somebody has answered.
import JsSIP from "jssip";

const RECONNECT_S = { min: 1, max: 5 };

export class Phone extends EventTarget {
  // `account`: {address, uri, password}. Events: state (registered, trying, refused), ringing, answered, ended.
  constructor(account, audio) {
    super();
    this.audio = audio;
    this.call = null;
    this.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(account.address)],
      uri: account.uri,
      password: account.password,
      register: true,
      register_expires: 120,
      session_timers: false,
      connection_recovery_min_interval: RECONNECT_S.min,
      connection_recovery_max_interval: RECONNECT_S.max,
      user_agent: "callctl desk",
    });
    this.agent.on("registered", () => this.tell("state", "registered"));
    this.agent.on("unregistered", () => this.tell("state", "trying"));
    this.agent.on("disconnected", () => this.tell("state", "trying"));
    this.agent.on("registrationFailed", (failure) => this.tell("state", failure.response ? "refused" : "trying"));
    this.agent.on("newRTCSession", ({ originator, session, request }) => {
      if (originator !== "remote") return;
      if (this.call) session.terminate({ status_code: 486 });
      else this.ring(session, request);
    });
  }

  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  async start() {
    // Asked for now and not when it rings: the first call must not wait for a question of the browser.
    this.microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    this.agent.start();
  }

  stop() {
    this.agent.stop();
    this.microphone?.getTracks().forEach((track) => track.stop());
  }

  ring(session, request) {
    this.call = session;
    const header = (name) => request.getHeader(name) ?? "";
    // What is written here came over the network: it is only ever set as text.
    this.tell("ringing", {
      call: header("X-CC-CallId").replace(/[^0-9a-z.-]/gi, "").slice(0, 80),
      home: header("X-CC-Home").replace(/[^a-z]/g, "").slice(0, 24),
      waited_s: Number.parseInt(header("X-CC-Waited"), 10) || 0,
    });
    session.on("peerconnection", ({ peerconnection }) => {
      peerconnection.addEventListener("track", (event) => {
        this.audio.srcObject = event.streams[0] ?? new MediaStream([event.track]);
        this.audio.play().catch(() => {});
      });
    });
    session.on("confirmed", () => this.tell("answered"));
    const over = (end) => {
      if (this.call !== session) return;
      this.call = null;
      this.audio.srcObject = null;
      this.tell("ended", { cause: end?.cause ?? "", answered: Boolean(session.start_time) });
    };
    session.on("ended", over);
    session.on("failed", over);
  }

  answer() {
    if (!this.call || !this.call.isInProgress()) return;
    this.call.answer({ mediaStream: this.microphone, pcConfig: { iceServers: [] }, rtcAnswerConstraints: {} });
  }

  hangUp() {
    this.call?.terminate();
  }

  muted(wanted) {
    if (!this.call) return;
    if (wanted) this.call.mute({ audio: true });
    else this.call.unmute({ audio: true });
  }
}
