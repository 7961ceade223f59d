/** All groups of the corpus. */

import type { RequestCase } from "./case.ts";
import { CHUNKS } from "./chunks.ts";
import { CONTENT_LENGTH } from "./content_length.ts";
import { FIELDS } from "./fields.ts";
import { HOST } from "./host.ts";
import { LIMITS } from "./limits.ts";
import { REQUEST_LINE } from "./request_line.ts";
import { TRANSFER_ENCODING } from "./transfer_encoding.ts";

export const REQUEST_GROUPS: Readonly<Record<string, readonly RequestCase[]>> = {
  "request line": REQUEST_LINE,
  "fields": FIELDS,
  "Host": HOST,
  "Content-Length": CONTENT_LENGTH,
  "Transfer-Encoding": TRANSFER_ENCODING,
  "chunks": CHUNKS,
  "limits": LIMITS,
};
