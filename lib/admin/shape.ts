/**
 * A JSON schema that carries its TypeScript type, so that what the admin API says is described once: `views.ts` writes
 * shapes, the types of the views follow from them, and so does the OpenAPI description.
 *
 * Every field is required and no other is there.
 */

export type Json = Readonly<Record<string, unknown>>;

/** A schema of JSON values of type `T`. */
export interface Shape<T> {
  readonly schema: Json;
  /** The type alone; there is no such property. */
  readonly "~type"?: T;
}

/** The type that a shape describes. */
export type Shaped<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type FieldsOf<F extends Fields> = { readonly [Name in keyof F]: Shaped<F[Name]> };

export const text: Shape<string> = { schema: { type: "string" } };
/** RFC 3339, in UTC. */
export const time: Shape<string> = { schema: { type: "string", format: "date-time" } };
export const flag: Shape<boolean> = { schema: { type: "boolean" } };
/** Not negative. */
export const number: Shape<number> = { schema: { type: "number", minimum: 0 } };
export const count: Shape<number> = { schema: { type: "integer", minimum: 0 } };
/** 0 to 1. */
export const share: Shape<number> = { schema: { type: "number", minimum: 0, maximum: 1 } };

export function choice<const T extends string>(values: readonly T[]): Shape<T> {
  return { schema: { enum: values } };
}

export function list<T>({ schema }: Shape<T>): Shape<readonly T[]> {
  return { schema: { type: "array", items: schema } };
}

export function nullable<T>({ schema }: Shape<T>): Shape<T | null> {
  if (Array.isArray(schema.enum)) return { schema: { ...schema, enum: [...schema.enum, null] } };
  if (typeof schema.type === "string") return { schema: { ...schema, type: [schema.type, "null"] } };
  return { schema: { oneOf: [schema, { type: "null" }] } };
}

/** @param description For who reads the API's description: one sentence. */
export function described<T>(description: string, { schema }: Shape<T>): Shape<T> {
  // A reference may have siblings in OpenAPI 3.1.
  return { schema: { ...schema, description } };
}

/** Shapes by the names under which the description lists them. */
export class Shapes {
  readonly schemas: Record<string, Json> = {};

  /** An object, listed as `name`. @returns A reference to it. */
  object<F extends Fields>(name: string, description: string, fields: F): Shape<FieldsOf<F>> {
    const properties = Object.fromEntries(Object.entries(fields).map(([field, { schema }]) => [field, schema]));
    this.schemas[name] = {
      type: "object",
      ...(description === "" ? {} : { description }),
      required: Object.keys(fields),
      properties,
      additionalProperties: false,
    };
    return { schema: { $ref: `#/components/schemas/${name}` } };
  }
}
