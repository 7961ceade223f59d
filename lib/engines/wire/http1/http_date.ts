/** `Date` field values (RFC 9110 §5.6.7). Formatted once a second: the text is asked for with every response. */

const SECOND_MS = 1000;

let memoSecond = -1;
let memoText = "";

export function httpDate(epochMs: number): string {
  const second = Math.floor(epochMs / SECOND_MS);
  if (second !== memoSecond) {
    memoSecond = second;
    memoText = new Date(second * SECOND_MS).toUTCString();
  }
  return memoText;
}
