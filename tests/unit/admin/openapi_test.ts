import Ajv from "ajv/dist/2020.js";
import { Validator } from "@seriousme/openapi-schema-validator";
import { assert, assertEquals } from "../../support/assert.ts";
import { OPENAPI } from "../../../lib/admin/openapi.ts";
import { adminStage, JSON_TYPE } from "./admin_stage.ts";

interface Operation {
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: unknown }> }>>;
}

const PATHS = OPENAPI.paths as Record<string, Record<string, Operation>>;
const OPERATIONS = Object.entries(PATHS).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
);
/** What a request needs besides its method and path. */
const BODIES: Readonly<Record<string, string>> = {
  "PUT /api/backends/{upstream}/{backend}/weight": '{"weight":1}',
  "PUT /api/log": '{"level":"warn"}',
  "POST /api/explain": '{"method":"GET","url":"/"}',
};

// deno-lint-ignore no-explicit-any
const ajv = new (Ajv as any)({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "api", ...OPENAPI });

Deno.test("the description of the admin API is valid OpenAPI 3.1", async () => {
  const result = await new Validator().validate(structuredClone(OPENAPI) as Record<string, unknown>);
  assertEquals(result.errors ?? [], []);
  assertEquals(result.valid, true);
});

Deno.test("the description of the admin API names every route, and no other", async () => {
  const { app } = await adminStage();
  const described = OPERATIONS.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`);
  assertEquals([...app.routes].sort(), described.sort());
});

for (const { path, method, operation } of OPERATIONS) {
  Deno.test(`${method} ${path} answers as it is described`, async () => {
    const { ask, operator, app } = await adminStage();
    operator.tell("connect_refused");
    const url = path.replace("{upstream}", "api").replace("{backend}", "b1").replace("{id}", "0")
      .replace("{name}", "app.js");
    const body = BODIES[`${method} ${path}`];
    const response = await ask(
      `${method} ${url}`,
      method === "GET" ? {} : {
        headers: JSON_TYPE,
        ...(body === undefined ? {} : { body }),
      },
    );
    assertEquals(response.status, 200);
    const content = operation.responses["200"].content!;
    const [type] = Object.keys(content);
    assert(response.headers.get("content-type")!.startsWith(type), response.headers.get("content-type")!);
    if (type !== "application/json") return await response.body?.cancel();
    const pointer = ["paths", path, method.toLowerCase(), "responses", "200", "content", type, "schema"]
      .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
    const validate = ajv.compile({ $ref: `api#/${pointer}` });
    assert(validate(await response.json()), JSON.stringify(validate.errors));
    app.close();
  });
}

Deno.test("errors of the admin API are outcomes, as it is described", async () => {
  const { ask } = await adminStage({ token: "t" });
  const validate = ajv.compile({ $ref: "api#/components/schemas/Outcome" });
  for (const request of ["GET /api/status", "GET /nowhere", "POST /api/reload"]) {
    const view = await (await ask(request)).json();
    assert(validate(view), `${request}: ${JSON.stringify(validate.errors)}`);
  }
});
