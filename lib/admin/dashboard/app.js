/** The dashboard: follows the stream, shows what comes, and asks before it commands. */

import { ask, follow } from "./api.js";
import { showUpstreams } from "./backends.js";
import { setText } from "./dom.js";
import { EventLists, showConfiguration, showHead, showProcess, showTiles } from "./panels.js";
import { Plots } from "./plots.js";
import { Routes } from "./routes.js";
import { showTrouble } from "./trouble.js";
import { askWeight } from "./weight.js";

const plots = new Plots();
const events = new EventLists();
const routes = new Routes(ask);
const link = document.getElementById("link");
const banner = document.getElementById("banner");
const outcome = document.getElementById("outcome");

const OUTCOME_MS = 30_000;

let outcomeTimer = 0;
let lastEvent = 0;
let startedAt = "";
let lastSeen = 0;

events.clear();
setText(document.getElementById("zone"), `Times are of this browser's zone (${zone()}), those of the logs in UTC.`);
document.getElementById("reload").onclick = () => reload();

follow({
  after: () => lastEvent,
  async onOpen() {
    const { status, view } = await ask("GET", "/api/history");
    if (status === 200) plots.replace(view);
  },
  onMessage(name, data) {
    if (name === "status") showStatus(data);
    else if (name === "event") showEvent(data);
  },
  onLost() {
    setLink("lost", lastSeen === 0 ? "no connection" : "connection lost");
    const since = lastSeen === 0 ? "" : ` What you see is of ${new Date(lastSeen).toLocaleTimeString("en-GB")}.`;
    banner.hidden = false;
    setText(banner, `Connection lost, trying again.${since}`);
    document.body.classList.add("stale");
  },
});

function showStatus(status) {
  if (startedAt !== "" && startedAt !== status.startedAt) restarted();
  startedAt = status.startedAt;
  lastSeen = Date.now();
  setLink("live", "live");
  banner.hidden = true;
  document.body.classList.remove("stale");
  showHead(status);
  showTrouble(status);
  showTiles(status.traffic);
  plots.push({ ...status.traffic, second: lastSeen / 1000 });
  showUpstreams(status.upstreams, { onCommand: command, onWeight: changeWeight });
  routes.follow(status);
  showConfiguration(status);
  showProcess(status);
}

/** Another process has taken its place, which counts its events from 1. */
async function restarted() {
  lastEvent = 0;
  events.clear();
  const { status, view } = await ask("GET", "/api/events");
  if (status === 200) view.forEach(showEvent);
}

function showEvent(event) {
  if (event.id <= lastEvent) return;
  lastEvent = event.id;
  events.add(event);
  const isNews = Date.now() - Date.parse(event.at) < 10_000;
  if (isNews && event.kind !== "error") announce(event.message);
}

async function command(name, upstream, backend) {
  const full = `${upstream.name}/${backend.name}`;
  const isLast = name === "drain" && upstream.eligible === (backend.isEligible ? 1 : 0);
  const isAgreed = await confirm({
    title: `${name === "drain" ? "Drain" : "Enable"} ${full}?`,
    text: name === "enable"
      ? "It gets traffic again, with the weight of the file."
      : `It gets no new exchanges; ${backend.inFlight} in flight end normally. This stays over reloads, until you enable it or sluice restarts.` +
        (isLast ? ` It is the last eligible backend of ${upstream.name}: requests will be answered with 503.` : ""),
    action: name === "drain" ? "Drain" : "Enable",
  });
  if (isAgreed) await perform("POST", `${pathOf(upstream, backend)}/${name}`);
}

async function changeWeight(upstream, backend) {
  const answer = await askWeight(upstream, backend);
  if (answer !== null) await perform("PUT", `${pathOf(upstream, backend)}/weight`, answer);
}

function pathOf(upstream, backend) {
  return `/api/backends/${encodeURIComponent(upstream.name)}/${encodeURIComponent(backend.name)}`;
}

async function reload() {
  const isAgreed = await confirm({
    title: "Reload the configuration?",
    text: "The file is read again. If anything in it is wrong, nothing changes and the problems are shown.",
    action: "Reload",
  });
  if (isAgreed) await perform("POST", "/api/reload");
}

async function perform(method, path, body) {
  try {
    const { view } = await ask(method, path, body);
    showOutcome(view.ok ? "good" : "bad", `${view.ok ? "✓" : "✕"} ${view.message}`);
    const { status, view: now } = await ask("GET", "/api/status");
    if (status === 200) showStatus(now);
  } catch {
    showOutcome("bad", "✕ There was no answer. Whether it was done shows when the connection is back.");
  }
}

/** For a while: what was done once must not look like what is. */
function showOutcome(tone, text) {
  clearTimeout(outcomeTimer);
  outcome.dataset.tone = tone;
  setText(outcome, text);
  outcomeTimer = setTimeout(() => setText(outcome, ""), OUTCOME_MS);
}

/** Focus returns to where it was. */
function confirm({ title, text, action }) {
  const dialog = document.getElementById("confirm");
  setText(document.getElementById("confirm-title"), title);
  setText(document.getElementById("confirm-text"), text);
  setText(document.getElementById("confirm-yes"), action);
  dialog.showModal();
  return new Promise((resolve) => {
    // Not by the dialog's "close": that comes in a later task, in which it may be open again with the next question.
    document.getElementById("confirm-form").onsubmit = ({ submitter }) => resolve(submitter.value === "yes");
    dialog.oncancel = () => resolve(false);
  });
}

/** "Europe/Berlin, UTC+1". */
function zone() {
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  const rest = Math.abs(minutes) % 60 === 0 ? "" : `:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return name === "UTC"
    ? name
    : `${name}, UTC${minutes === 0 ? "" : `${sign}${Math.floor(Math.abs(minutes) / 60)}${rest}`}`;
}

function setLink(state, text) {
  link.dataset.state = state;
  setText(link, text);
}

function announce(text) {
  setText(document.getElementById("announcer"), text);
}
