/** Upstreams with their backends: what each is doing and why, and the buttons that take it out and put it back. */

import { clock, el, keyed, milliseconds, percent, rate, setText, span } from "./dom.js";

/** A shape and a word each, so that no state is told by its colour. */
const STATES = {
  healthy: { mark: "●", word: "healthy", tone: "good" },
  slow_start: { mark: "◐", word: "ramping up", tone: "good" },
  probation: { mark: "◌", word: "probation", tone: "warn" },
  open: { mark: "✕", word: "open", tone: "bad" },
  draining: { mark: "▽", word: "draining", tone: "warn" },
  disabled: { mark: "□", word: "disabled", tone: "muted" },
};

const COLUMNS = ["Backend", "State", "Share", "In flight", "Latency", "Pool", "Weight", "Actions"];
const NUMERIC = new Set(["In flight", "Latency", "Weight"]);

/** What the group makes of a backend beyond its own state. */
const STANDINGS = {
  spared: "still used: bad answers beat none",
  panic: "still used: too many are out",
};

/** @param handlers `onCommand("drain" | "enable", upstream, backend)`, `onWeight(upstream, backend)`: given views. */
export function showUpstreams(upstreams, handlers) {
  keyed(document.getElementById("upstreams"), upstreams, {
    keyOf: ({ name }) => name,
    create: ({ name }) => createUpstream(name),
    update: (article, upstream) => updateUpstream(article, upstream, handlers),
  });
}

function createUpstream(name) {
  const head = el("tr", { role: "row" });
  for (const column of COLUMNS) {
    head.append(
      el("th", {
        role: "columnheader",
        scope: "col",
        class: NUMERIC.has(column) ? "number" : "",
        title: column === "Latency" ? "Mean time to the response head over the last 10 seconds" : "",
      }, column),
    );
  }
  return el(
    "article",
    { class: "upstream" },
    el("h3", {}, el("span", { class: "name" }, name), el("span", { class: "about" })),
    el(
      "table",
      { class: "backends", role: "table", "aria-label": `Backends of ${name}` },
      el("thead", { role: "rowgroup" }, head),
      el("tbody", { role: "rowgroup" }),
    ),
  );
}

function updateUpstream(article, upstream, { onCommand, onWeight }) {
  const { strategy, backends, eligible, requestsPerSecond, isPanicking } = upstream;
  const panic = isPanicking ? ", health is ignored: too many are out" : "";
  const about = `${strategy}, ${eligible} of ${backends.length} eligible${panic}, ${
    rate(requestsPerSecond)
  } requests/s`;
  setText(article.querySelector(".about"), about);
  article.classList.toggle("dead", eligible === 0);
  keyed(article.querySelector("tbody"), backends, {
    keyOf: ({ name }) => name,
    create: ({ name }) => createBackend(name),
    update: (row, backend) => {
      updateBackend(row, backend);
      const { drain, enable, weight } = row.parts;
      drain.onclick = () => onCommand("drain", upstream, row.view);
      enable.onclick = () => onCommand("enable", upstream, row.view);
      weight.onclick = () => onWeight(upstream, row.view);
    },
  });
}

function createBackend(name) {
  const row = el("tr", { role: "row" });
  const cell = (label, ...children) =>
    el(
      label === "Backend" ? "th" : "td",
      {
        role: label === "Backend" ? "rowheader" : "cell",
        "data-label": label,
        class: NUMERIC.has(label) ? "number" : label.toLowerCase(),
        ...(label === "Backend" ? { scope: "row" } : {}),
      },
      ...children,
    );
  const parts = row.parts = {
    url: el("span", { class: "url" }),
    mark: el("span", { class: "mark", "aria-hidden": "true" }),
    word: el("span", { class: "word" }),
    since: el("span", { class: "since" }),
    reason: el("span", { class: "reason" }),
    bar: el("span", { class: "fill" }),
    share: el("span", { class: "value" }),
    inFlight: el("span"),
    latency: el("span"),
    pool: [el("span"), el("span"), el("span")],
    weight: el("button", { type: "button", class: "weight" }),
    weightNote: el("span", { class: "note" }),
    drain: el("button", { type: "button" }, "Drain …"),
    enable: el("button", { type: "button" }, "Enable …"),
  };
  parts.drain.setAttribute("aria-label", `Drain ${name}`);
  parts.enable.setAttribute("aria-label", `Enable ${name}`);
  row.append(
    cell("Backend", el("span", { class: "name" }, name), parts.url),
    cell("State", el("span", { class: "state" }, parts.mark, " ", parts.word, " ", parts.since), parts.reason),
    cell("Share", el("span", { class: "bar", "aria-hidden": "true" }, parts.bar), parts.share),
    cell("In flight", parts.inFlight),
    cell("Latency", parts.latency),
    cell("Pool", ...parts.pool),
    cell("Weight", parts.weight, parts.weightNote),
    cell("Actions", parts.drain, parts.enable),
  );
  return row;
}

function updateBackend(row, backend) {
  const { parts } = row;
  const { state, standing, since, until, override, pool } = row.view = backend;
  const { mark, word, tone } = STATES[state];
  row.dataset.tone = tone;
  setText(parts.url, backend.isBackup ? `${backend.url} (backup)` : backend.url);
  setText(parts.mark, mark);
  setText(parts.word, word);
  // What probes hold out has no time at which it ends.
  const trial = state !== "open" ? "" : until === null ? ", until probes pass" : `, next trial ${clock(until)}`;
  setText(parts.since, `for ${span((Date.now() - Date.parse(since)) / 1000)}${trial}`);
  parts.since.title = since;
  const words = [backend.reason === "join (join)" ? "" : backend.reason];
  if (backend.tlsProblem !== "") words.push(`TLS is refused: ${backend.tlsProblem}`);
  if (STANDINGS[standing] !== undefined) words.push(STANDINGS[standing]);
  if (backend.weight === 0) words.push("weight 0: no new exchanges");
  setText(parts.reason, words.filter(Boolean).join("; "));
  parts.bar.style.width = `${backend.share * 100}%`;
  setText(parts.share, `${percent(backend.share)}, ${rate(backend.requestsPerSecond)}/s`);
  setText(parts.inFlight, String(backend.inFlight));
  setText(parts.latency, milliseconds(backend.latencyMs));
  const tunnels = pool.tunnels > 0 ? `, ${pool.tunnels} tunnels` : "";
  const counts = [
    `${pool.active} active`,
    `${pool.idle} idle${tunnels}`,
    pool.waiting > 0 ? `${pool.waiting} waiting` : "",
  ];
  counts.forEach((text, index) => setText(parts.pool[index], text));
  const isOverridden = override !== null && override.weight !== null;
  setText(parts.weight, String(backend.weight));
  setText(parts.weightNote, isOverridden ? `set here; file: ${backend.configuredWeight}` : "");
  parts.weight.setAttribute("aria-label", `Weight of ${backend.name}: ${backend.weight}. Change …`);
  // Both keep their place in the page, so that nothing under a finger moves.
  parts.drain.disabled = override !== null && override.command !== null;
  parts.enable.disabled = override === null;
}
