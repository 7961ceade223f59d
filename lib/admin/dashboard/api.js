/** Talking to the admin API: the token, single requests, and the stream that is taken up again when it breaks. */

const TOKEN_KEY = "sluice-admin-token";
/** The server sends a status each second: silence for so long means that nobody is there. */
const SILENCE_MS = 5000;
const RETRY_MS = 1000;

let token = sessionStorage.getItem(TOKEN_KEY) ?? "";

function headers(more = {}) {
  return token === "" ? more : { authorization: `Bearer ${token}`, ...more };
}

/** Rejects when there is no answer. @returns {{ status: number, view: unknown }} */
export async function ask(method, path, body) {
  const response = await send(path, {
    method,
    headers: headers(method === "GET" ? {} : { "content-type": "application/json" }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, view: await response.json() };
}

/** Follows the stream for ever. `after` tells the last event that is known. */
export async function follow({ after, onOpen, onMessage, onLost }) {
  for (;;) {
    try {
      await followOnce({ after, onOpen, onMessage });
    } catch {
      // Refused, broken or silent: it is all the same to who looks at it.
    }
    onLost();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function followOnce({ after, onOpen, onMessage }) {
  const abort = new AbortController();
  let silence = 0;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  listen();
  try {
    const response = await send(`/api/stream?after=${after()}`, { headers: headers(), signal: abort.signal });
    if (!response.ok) return;
    await onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      listen();
      text += value;
      const messages = text.split("\n\n");
      text = messages.pop();
      for (const message of messages) tell(message, onMessage);
    }
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

function tell(message, onMessage) {
  const fields = new Map(message.split("\n").map((line) => line.split(/: (.*)/s)));
  if (fields.has("event") && fields.has("data")) onMessage(fields.get("event"), JSON.parse(fields.get("data")));
}

/** Asks for the token, as often as it takes, when one is wanted. */
async function send(path, options) {
  for (;;) {
    const sent = options.headers.authorization;
    const response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
    if (response.status !== 401) return response;
    await response.body?.cancel();
    if (headers().authorization === sent) await askToken();
    options.headers = headers(options.headers["content-type"] ? { "content-type": "application/json" } : {});
  }
}

let asking = null;

/** One question at a time, whoever asks. */
function askToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token-dialog");
    const input = document.getElementById("token");
    if (token !== "") {
      document.getElementById("token-text").textContent = "That token was not taken. Try again.";
    }
    input.value = "";
    const onCancel = (event) => event.preventDefault();
    dialog.addEventListener("cancel", onCancel);
    dialog.addEventListener("close", () => {
      dialog.removeEventListener("cancel", onCancel);
      token = input.value;
      sessionStorage.setItem(TOKEN_KEY, token);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
