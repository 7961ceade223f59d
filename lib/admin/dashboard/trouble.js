/** What an operator has to know before anything else, at the top of the page: empty when all is well. */

import { clock, el, keyed, setText } from "./dom.js";

const LINES_MAX = 6;

export function showTrouble(status) {
  const box = document.getElementById("trouble");
  const all = troubles(status);
  const shown = all.length > LINES_MAX ? all.slice(0, LINES_MAX - 1) : all;
  const more = all.length - shown.length;
  const lines = more === 0 ? shown : [...shown, { key: "more", text: `and ${more} more`, place: "#upstreams-title" }];
  keyed(box, lines, {
    keyOf: ({ key }) => key,
    create: () => el("li", {}, el("a")),
    update: (line, { text, place }) => {
      line.firstElementChild.setAttribute("href", place);
      setText(line.firstElementChild, text);
    },
  });
  box.hidden = lines.length === 0;
  document.title = all.length === 0 ? "sluice" : `✕ ${all.length} sluice`;
}

/** Backends that an operator took out are no trouble. */
function troubles({ upstreams, lastReload, readiness, isDraining, workers }) {
  const lines = [];
  if (isDraining) lines.push({ key: "draining", text: "sluice is shutting down", place: "#traffic-title" });
  for (const { name, eligible, backends, isPanicking } of upstreams) {
    if (eligible === 0) {
      const isUsed = readiness.reasons.some((reason) => reason.includes(`upstream ${name} has no`));
      const text = `${name}: no eligible backend${isUsed ? ", requests to it get 503" : ""}`;
      lines.push({ key: `dead ${name}`, text, place: "#upstreams-title" });
    }
    if (isPanicking) {
      const text = `${name}: so many backends are out that health is ignored`;
      lines.push({ key: `panic ${name}`, text, place: "#upstreams-title" });
    }
    for (const backend of backends) {
      if (backend.state !== "open" && backend.state !== "probation") continue;
      const text = `${name}/${backend.name}: ${backend.state}, ${backend.reason}`;
      lines.push({ key: `backend ${name}/${backend.name}`, text, place: "#upstreams-title" });
    }
  }
  if (!lastReload.ok) {
    const text = `the configuration of ${clock(lastReload.at)} was refused; the one before it runs on`;
    lines.push({ key: "reload", text, place: "#config-title" });
  }
  for (const { id, state } of workers) {
    if (state === "starting") lines.push({ key: `worker ${id}`, text: `worker ${id} starts`, place: "#process-title" });
  }
  return lines;
}
