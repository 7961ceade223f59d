/** Reads `Retry-After` (RFC 9110 §10.2.3): whole seconds, or a date in one of the three forms of §5.6.7. */

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const SECONDS = /^\d{1,10}$/;
/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const FIXED_DATE = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 850, obsolete) */
const DASHED_DATE = /^[A-Z][a-z]{5,8}, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
/** `Sun Nov  6 08:49:37 1994` (asctime, obsolete) */
const ASCTIME_DATE = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/**
 * @param value Without surrounding white space.
 * @param nowEpochMs Of the wall clock, for dates.
 * @param maxMs What a longer wait is cut to: a backend must not be able to send us to sleep.
 * @returns 0 to `maxMs`, 0 for a date that is past; -1 when the value is neither form.
 */
export function retryAfterMs(value: string, nowEpochMs: number, maxMs: number): number {
  if (SECONDS.test(value)) return Math.min(maxMs, Number(value) * 1000);
  const epochMs = parseDate(value, nowEpochMs);
  return Number.isNaN(epochMs) ? -1 : Math.min(maxMs, Math.max(0, epochMs - nowEpochMs));
}

/** @returns NaN when it is no date. */
function parseDate(text: string, nowEpochMs: number): number {
  let match = FIXED_DATE.exec(text);
  if (match !== null) return dateMs(Number(match[3]), match[2], [match[1], match[4], match[5], match[6]]);
  match = DASHED_DATE.exec(text);
  if (match !== null) {
    const year = fullYear(Number(match[3]), nowEpochMs);
    return dateMs(year, match[2], [match[1], match[4], match[5], match[6]]);
  }
  match = ASCTIME_DATE.exec(text);
  if (match !== null) return dateMs(Number(match[6]), match[1], [match[2], match[3], match[4], match[5]]);
  return NaN;
}

/** The year that two digits mean: the latest that is not more than 50 years ahead (RFC 9110 §5.6.7). */
function fullYear(twoDigits: number, nowEpochMs: number): number {
  const thisYear = new Date(nowEpochMs).getUTCFullYear();
  const year = thisYear + 50;
  return year - (year - twoDigits) % 100;
}

function dateMs(year: number, monthName: string, rest: readonly string[]): number {
  const month = MONTHS.indexOf(monthName);
  const [day, hour, minute, second] = rest.map(Number);
  if (month < 0 || month % 3 !== 0 || hour > 23 || minute > 59 || second > 60) return NaN;
  const ms = Date.UTC(year, month / 3, day, hour, minute, second);
  // The 31st of February rolls over; a leap second may.
  return day >= 1 && new Date(Date.UTC(year, month / 3, day)).getUTCDate() === day ? ms : NaN;
}
