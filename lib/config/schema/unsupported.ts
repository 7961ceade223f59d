/**
 * What the description promises and the proxy does not do yet. A key below is refused when it is set to anything but
 * its default; a section that is absent by default, when it is present. Whoever makes one work deletes its line (and
 * prints docs/configuration.md anew).
 */
export const UNSUPPORTED: ReadonlySet<string> = new Set([
  "upstreams.*.resolve",
  "routes[].split",
  "routes[].mirror",
  "routes[].handler",
]);
