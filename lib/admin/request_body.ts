/** Reading what callers send, within bounds. */

export class BodyError extends Error {
  override readonly name = "BodyError";
  readonly status: 400 | 413;

  constructor(status: 400 | 413, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws {BodyError} 413 beyond `bytesMax`, 400 when it is no UTF-8. */
export async function readText(request: Request, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  try {
    for await (const piece of request.body ?? []) {
      bytes += piece.length;
      if (bytes > bytesMax) throw new BodyError(413, `the body must have at most ${bytesMax} bytes`);
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof BodyError) throw error;
    throw new BodyError(400, "the body must be text in UTF-8");
  }
}

/** @throws {BodyError} Also when it is no JSON object. */
export async function readObject(request: Request, bytesMax: number): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(request, bytesMax);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BodyError(400, "the body must be JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BodyError(400, "the body must be a JSON object");
  }
  return value as Record<string, unknown>;
}
