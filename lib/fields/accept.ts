/**
 * Whether a client would rather have JSON than plain text (RFC 9110 §12.5.1), by one pass over the bytes of its `Accept`:
 * no list of what it names is made, since it may name ten thousand things.
 *
 * For each of the two types its most specific range counts. Then the higher weight wins, of equal ones the more specific
 * range, then the one that was named first. A range with parameters of its own names another thing than either type.
 */

import { isOws, trimOws } from "../base/ows.ts";

/** What a range says about a type; `specificity` 0: nothing so far. */
interface Rank {
  specificity: number;
  /** 0 to 1000. */
  weight: number;
  /** Where the range stands in the field. */
  order: number;
}

const JSON_RANGES: readonly string[] = ["", "*/*", "application/*", "application/json"];
const TEXT_RANGES: readonly string[] = ["", "*/*", "text/*", "text/plain"];
/** Longer ones are neither. */
const RANGE_LENGTH_MAX = "application/json".length;
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;
const WEIGHT_MAX = 1000;
const WEIGHT_LENGTH_MAX = "0.000".length;

const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** @param accept Lines joined by commas. @returns False also where the two are alike, or neither is wanted. */
export function prefersJson(accept: string): boolean {
  const json: Rank = { specificity: 0, weight: 0, order: 0 };
  const text: Rank = { specificity: 0, weight: 0, order: 0 };
  let order = 0;
  for (let start = 0; start < accept.length; order++) {
    const rangeEnd = endOf(accept, start, SEMICOLON);
    const end = rangeEnd < accept.length && accept.charCodeAt(rangeEnd) === SEMICOLON
      ? endOf(accept, rangeEnd + 1, COMMA)
      : rangeEnd;
    consider(accept, { start, rangeEnd, end, order }, json, text);
    start = end + 1;
  }
  if (json.weight !== text.weight) return json.weight > text.weight;
  if (json.weight === 0) return false;
  if (json.specificity !== text.specificity) return json.specificity > text.specificity;
  return json.order < text.order;
}

function consider(
  accept: string,
  { start, rangeEnd, end, order }: { start: number; rangeEnd: number; end: number; order: number },
  json: Rank,
  text: Rank,
): void {
  const range = trimOws(accept, start, rangeEnd);
  if (range.length > RANGE_LENGTH_MAX) return;
  const lower = range.toLowerCase();
  const jsonSpecificity = JSON_RANGES.indexOf(lower);
  const textSpecificity = TEXT_RANGES.indexOf(lower);
  if (jsonSpecificity < json.specificity && textSpecificity < text.specificity) return;
  const weight = rangeEnd === end ? WEIGHT_MAX : weightOf(accept, rangeEnd + 1, end);
  if (weight < 0) return;
  rank(json, { specificity: jsonSpecificity, weight, order });
  rank(text, { specificity: textSpecificity, weight, order });
}

/** Takes the more specific one; when two are as specific, the one with the higher weight. */
function rank(best: Rank, { specificity, weight, order }: Rank): void {
  if (specificity <= 0 || specificity < best.specificity) return;
  if (specificity === best.specificity && weight <= best.weight) return;
  best.specificity = specificity;
  best.weight = weight;
  best.order = order;
}

/** @returns 0 to 1000; -1 when the first parameter is not a weight as the grammar has it. */
function weightOf(accept: string, start: number, end: number): number {
  let at = start;
  while (at < end && isOws(accept.charCodeAt(at))) at++;
  if (accept.charCodeAt(at) !== 0x71 && accept.charCodeAt(at) !== 0x51) return -1; // "q"
  if (accept.charCodeAt(at + 1) !== 0x3d) return -1;
  const value = trimOws(accept, at + 2, Math.min(end, endOf(accept, at + 2, SEMICOLON)));
  if (value.length > WEIGHT_LENGTH_MAX || !WEIGHT.test(value)) return -1;
  return Math.round(Number(value) * WEIGHT_MAX);
}

/** @returns Where the next comma or `delimiter` outside of quotes is, or the text ends. */
function endOf(text: string, start: number, delimiter: number): number {
  let isQuoted = false;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isQuoted && code === BACKSLASH) at++;
    else if (code === QUOTE) isQuoted = !isQuoted;
    else if (!isQuoted && (code === COMMA || code === delimiter)) return at;
  }
  return text.length;
}
