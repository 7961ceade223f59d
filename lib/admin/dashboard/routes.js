/** Routes, in the order of the file: what each matches, where it leads, and what it gets. */

import { el, keyed, rate, setText } from "./dom.js";

/** What they get is looked up so often, but for a new configuration, which is shown at once. */
const REFRESH_MS = 5000;
const COLUMNS = ["Route", "Matches", "Leads to", "Requests/s", "In all"];
const NUMERIC = new Set(["Requests/s", "In all"]);

export class Routes {
  #ask;
  #generation = -1;
  #askedAt = -Infinity;
  #isAsking = false;

  /** @param ask As in api.js. */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Told of each status. */
  async follow({ generation }) {
    const now = performance.now();
    if (this.#isAsking || (generation === this.#generation && now - this.#askedAt < REFRESH_MS)) return;
    this.#isAsking = true;
    this.#askedAt = now;
    try {
      const { status, view } = await this.#ask("GET", "/api/routes");
      if (status !== 200) return;
      this.#generation = generation;
      show(view);
    } catch {
      // The connection is lost: the page says so already, and asks again when it is back.
    } finally {
      this.#isAsking = false;
    }
  }
}

function show(routes) {
  const box = document.getElementById("routes");
  if (box.firstElementChild === null) {
    const cells = COLUMNS.map((column) =>
      el("th", { role: "columnheader", scope: "col", class: NUMERIC.has(column) ? "number" : "" }, column)
    );
    box.append(el(
      "table",
      { class: "routes", role: "table", "aria-labelledby": "routes-title" },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...cells)),
      el("tbody", { role: "rowgroup" }),
    ));
  }
  keyed(box.querySelector("tbody"), routes, {
    keyOf: ({ name }) => name,
    create: createRow,
    update: (row, route) => {
      const texts = [route.name, matchText(route), route.action, rate(route.requestsPerSecond), count(route)];
      texts.forEach((text, index) => setText(row.children[index], text));
      row.dataset.idle = String(route.requestsPerSecond === 0);
    },
  });
}

function createRow() {
  const row = el("tr", { role: "row" });
  for (const column of COLUMNS) {
    const isFirst = column === "Route";
    const kind = NUMERIC.has(column) ? "number" : column === "Matches" ? "match" : "";
    const scope = isFirst ? { scope: "row" } : {};
    row.append(
      el(isFirst ? "th" : "td", {
        role: isFirst ? "rowheader" : "cell",
        "data-label": column,
        class: isFirst ? "name" : kind,
        ...scope,
      }),
    );
  }
  return row;
}

/** "GET, POST api.example.com/v1/*, header x-beta present". */
function matchText({ host, path, methods, conditions }) {
  const hosts = host === "" ? "" : host.includes(",") ? `{${host}}` : host;
  const place = `${hosts}${path === "" ? "/*" : path}`;
  return [[methods.join(", "), place].filter(Boolean).join(" "), ...conditions].join(", ");
}

function count({ requestsTotal }) {
  return requestsTotal.toLocaleString("en");
}
