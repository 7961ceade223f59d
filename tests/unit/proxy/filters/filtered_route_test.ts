/** Who hears of a request and of its response, and in which order. What becomes of real ones: tests/wire/filters. */

import { ProxyError } from "../../../../lib/base/errors.ts";
import type { Action } from "../../../../lib/proxy/actions/action.ts";
import type { Exchange } from "../../../../lib/proxy/exchange.ts";
import { Filter, type FilterAnswer } from "../../../../lib/proxy/filters/filter.ts";
import { FilteredRoute } from "../../../../lib/proxy/filters/filtered_route.ts";
import { LocalResponse } from "../../../../lib/proxy/message/local_response.ts";
import type { ProxyResponse } from "../../../../lib/proxy/message/response.ts";
import { assertEquals } from "../../../support/assert.ts";

const RESPONSE = new LocalResponse("GET", { status: 200, fields: [], body: new Uint8Array(0) });

/** As much of an exchange as a route with filters asks for; it keeps a list of what happened. */
class Stage {
  readonly events: string[] = [];
  readonly due = { limitTotal: (ms: number) => this.events.push(`at most ${ms} ms`) };
  response: ProxyResponse = RESPONSE;
  isFinished = false;

  waitUntil<Result>(work: Promise<Result>): Promise<Result> {
    this.events.push("waits");
    return work;
  }

  answerWith(): void {
    this.events.push("answered");
  }

  handOver(error: unknown): void {
    this.events.push(error === null ? "handed over" : `failed: ${(error as Error).message}`);
  }

  failWith(code: string): void {
    this.events.push(`failed late: ${code}`);
  }
}

interface Doing {
  readonly onRequest?: () => FilterAnswer | Promise<FilterAnswer>;
  readonly onResponse?: () => void;
}

class Scripted extends Filter {
  readonly #name: string;
  readonly #stage: Stage;
  readonly #doing: Doing;

  constructor(name: string, stage: Stage, doing: Doing) {
    super();
    this.#name = name;
    this.#stage = stage;
    this.#doing = doing;
  }

  override onRequest(): FilterAnswer | Promise<FilterAnswer> {
    this.#stage.events.push(`> ${this.#name}`);
    return this.#doing.onRequest?.();
  }

  override onResponse(_exchange: Exchange, response: ProxyResponse): ProxyResponse {
    this.#stage.events.push(`< ${this.#name}`);
    this.#doing.onResponse?.();
    return response;
  }
}

const fails = (): never => {
  throw new ProxyError("connection_reset", "no");
};

interface Row {
  readonly name: string;
  /** What the filters a, b and c do; nothing but to be called. */
  readonly doing: Readonly<Record<string, Doing>>;
  readonly action?: (stage: Stage) => Promise<Exchange> | null;
  readonly expected: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    name: "passes the response back in the opposite order",
    doing: {},
    expected: ["> a", "> b", "> c", "action", "handed over", "< c", "< b", "< a"],
  },
  {
    name: "leaves the handing over to an action that waits",
    doing: {},
    action: () => Promise.resolve(null as unknown as Exchange),
    expected: ["> a", "> b", "> c", "action", "< c", "< b", "< a"],
  },
  {
    name: "has an answer pass those filters that its request has passed",
    doing: { b: { onRequest: () => RESPONSE } },
    expected: ["> a", "> b", "answered", "handed over", "< a"],
  },
  {
    name: "bounds a wait by the time of the exchange",
    doing: { b: { onRequest: () => Promise.resolve() } },
    expected: ["> a", "> b", "at most 7 ms", "waits", "> c", "action", "handed over", "< c", "< b", "< a"],
  },
  {
    name: "waits for an answer",
    doing: { a: { onRequest: () => Promise.resolve(RESPONSE) } },
    expected: ["> a", "at most 7 ms", "waits", "answered", "handed over"],
  },
  {
    name: "has an error of a filter pass those before it",
    doing: { b: { onRequest: fails } },
    expected: ["> a", "> b", "failed: no", "< a"],
  },
  {
    name: "has an error that was waited for pass those before the filter",
    doing: { c: { onRequest: () => Promise.reject(new ProxyError("connection_reset", "no")) } },
    expected: ["> a", "> b", "> c", "at most 7 ms", "waits", "failed: no", "< b", "< a"],
  },
  {
    name: "has an error of the action pass all filters",
    doing: {},
    action: fails,
    expected: ["> a", "> b", "> c", "action", "failed: no", "< c", "< b", "< a"],
  },
  {
    name: "gives a response up where a filter fails at it",
    doing: { b: { onResponse: fails } },
    expected: ["> a", "> b", "> c", "action", "handed over", "< c", "< b", "failed late: connection_reset"],
  },
  {
    name: "shows nobody the response of an exchange that was cancelled as it came",
    doing: {},
    action: (stage) => {
      stage.isFinished = true;
      return Promise.resolve(null as unknown as Exchange);
    },
    expected: ["> a", "> b", "> c", "action"],
  },
];

for (const { name, doing, action, expected } of ROWS) {
  Deno.test(`FilteredRoute.run() ${name}`, async () => {
    const stage = new Stage();
    const last: Action = {
      run: () => {
        stage.events.push("action");
        return action?.(stage) ?? null;
      },
    };
    const filters = ["a", "b", "c"].map((letter) => new Scripted(letter, stage, doing[letter] ?? {}));
    await new FilteredRoute(filters, last, 7).run(stage as unknown as Exchange, null as never);
    assertEquals(stage.events, [...expected]);
  });
}
