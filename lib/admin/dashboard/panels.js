/** Everything around the backends: numbers, events, configuration, listeners and workers. */

import { clock, el, keyed, mebibytes, milliseconds, percent, rate, setText, span, timeElement } from "./dom.js";

const EVENTS_MAX = 100;

const TILES = [
  ["Requests/s", ({ requestsPerSecond }) => rate(requestsPerSecond)],
  ["Failed/s", ({ failuresPerSecond }) => rate(failuresPerSecond)],
  ["Median", ({ p50Ms }) => milliseconds(p50Ms)],
  ["99th percentile", ({ p99Ms }) => milliseconds(p99Ms)],
  ["In flight", ({ inFlight }) => inFlight.toLocaleString("en")],
  ["Pool reuse", ({ poolEfficiency, requestsPerSecond }) => requestsPerSecond === 0 ? "–" : percent(poolEfficiency)],
  ["Memory", ({ memoryBytes }) => mebibytes(memoryBytes)],
  ["Requests in all", ({ requestsTotal }) => requestsTotal.toLocaleString("en")],
];

export function showTiles(traffic) {
  const tiles = document.getElementById("tiles");
  keyed(tiles, TILES, {
    keyOf: ([name]) => name,
    create: ([name]) => el("div", {}, el("dt", {}, name), el("dd", {})),
    update: (tile, [, format]) => setText(tile.querySelector("dd"), format(traffic)),
  });
  const failed = tiles.querySelector('[data-key="Failed/s"]');
  failed.classList.toggle("bad", traffic.failuresPerSecond >= 0.05);
}

export function showHead({ version, pid, uptimeSeconds, readiness, isDraining }) {
  const box = document.getElementById("readiness");
  const [mark, words] = box.children;
  const { ready, reasons } = readiness;
  box.dataset.tone = ready ? "good" : "bad";
  setText(mark, ready ? "●" : "✕");
  setText(words, ready ? "ready" : isDraining ? "draining" : `not ready: ${reasons.join(", ")}`);
  setText(document.getElementById("facts"), `version ${version}, process ${pid}, up ${span(uptimeSeconds)}`);
}

const KINDS = { error: "error", health: "health", reload: "reload", admin: "command", worker: "worker" };

export class EventLists {
  #errors = document.getElementById("errors");
  #changes = document.getElementById("changes");

  clear() {
    for (const list of [this.#errors, this.#changes]) {
      list.replaceChildren(el("li", { class: "none" }, "Nothing yet."));
    }
  }

  add({ at, kind, code, message }) {
    const list = kind === "error" ? this.#errors : this.#changes;
    list.querySelector(".none")?.remove();
    const tone = code === "open" || code === "reload_refused" || kind === "error" ? "bad" : "";
    list.prepend(
      el(
        "li",
        { "data-tone": tone },
        timeElement(at),
        el("span", { class: "kind" }, KINDS[kind] ?? kind),
        el("span", { class: "message" }, message),
      ),
    );
    while (list.children.length > EVENTS_MAX) list.lastElementChild.remove();
  }
}

export function showConfiguration({ configPath, generation, plansAlive, lastReload, logLevel }) {
  const { at, ok, trigger, problems } = lastReload;
  const pairs = [
    ["File", configPath],
    ["Generation", plansAlive > 1 ? `${generation}; exchanges still run on ${plansAlive - 1} older` : `${generation}`],
    [
      "Last load",
      `${ok ? "✓ accepted" : "✕ refused, the configuration before it runs on"}, ${clock(at)}, by ${trigger}`,
    ],
    ["Log level", logLevel],
  ];
  const list = document.getElementById("config");
  keyed(list, pairs, {
    keyOf: ([name]) => name,
    create: ([name]) => el("div", {}, el("dt", {}, name), el("dd", {})),
    update: (pair, [, text]) => setText(pair.querySelector("dd"), text),
  });
  list.querySelector('[data-key="Last load"]').dataset.tone = ok ? "" : "bad";
  const box = document.getElementById("problems");
  box.hidden = problems.length === 0;
  keyed(box, problems, { keyOf: String, create: (problem) => el("li", {}, problem), update: () => {} });
}

export function showProcess({ listeners, workers }) {
  showTable("listeners", "Listeners", ["Listener", "Address", "Engine", "Connections"], {
    rows: listeners.map(({ name, address, engine, tls, connections }) => [
      name,
      address,
      tls ? `${engine}, TLS` : engine,
      connections === null ? "–" : connections.toLocaleString("en"),
    ]),
  });
  showTable("workers", "Workers", ["Worker", "State", "In flight", "Restarts"], {
    rows: workers.map(({ id, state, exchanges, restarts }) => [
      id === 0 ? "process" : String(id),
      state,
      String(exchanges),
      String(restarts),
    ]),
  });
}

function showTable(id, caption, columns, { rows }) {
  const box = document.getElementById(id);
  if (box.firstElementChild === null) {
    const head = el("tr", {}, ...columns.map((column) => el("th", { scope: "col" }, column)));
    box.append(
      el("table", { class: "plain" }, el("caption", { class: "unseen" }, caption), el("thead", {}, head), el("tbody")),
    );
  }
  keyed(box.querySelector("tbody"), rows, {
    keyOf: ([name]) => name,
    create: (row) => el("tr", {}, ...row.map(() => el("td"))),
    update: (line, row) => row.forEach((text, index) => setText(line.children[index], text)),
  });
}
