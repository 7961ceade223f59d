/** Kept equal to deno.json by a test. */
export const VERSION = "0.2.0";
