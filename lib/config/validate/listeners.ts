/** `[[listeners]]`: addresses and names once, and no limit that the engine cannot hold to. */

import { formatAddress, isLoopback } from "../../base/address.ts";
import { parseSize } from "../../base/size.ts";
import { SERVE_FIELDS_MAX, SERVE_HEAD_MAX } from "../defaults.ts";
import { joinIndex } from "../toml/key_path.ts";
import type { ListenerConfig } from "../types.ts";
import { listenAddress, type ReadConfig, socketRights, type Validation } from "./validation.ts";

type ReadListener = ReadConfig["listeners"][number];

/** Limits of 0 mean "no limit", or that a client is gone at once when its side has ended: any engine holds to that. */
const WIRE_ONLY = ["head_timeout", "idle_timeout", "half_close", "connections", "connections_per_ip"] as const;

export function validateListeners(read: ReadConfig, validation: Validation): readonly ListenerConfig[] {
  const { found } = validation;
  const listeners = read.listeners.map((listener, index) => {
    const path = joinIndex("listeners", index);
    if (listener.engine === "serve") checkServeLimits(listener, path, validation);
    return toConfig(listener, path, validation);
  });
  const addresses = new Map<string, string>();
  if (read.admin !== null) addresses.set(formatAddress(listenAddress(read.admin.address, validation.resolve)), "admin");
  const names = new Map<string, string>();
  listeners.forEach(({ name, address }, index) => {
    const path = joinIndex("listeners", index);
    if (found.hasFailed(`${path}.address`)) return;
    const text = formatAddress(address);
    const twin = addresses.get(text);
    const isChosenBySystem = address.kind === "tcp" && address.port === 0;
    if (twin !== undefined && !isChosenBySystem) {
      const shown = found.shown(`${path}.address`, text);
      found.issue(`${path}.address`, `"${shown}" is already the address of ${twin} at line ${found.lineOf(twin)}`);
      return;
    }
    addresses.set(text, path);
    const namesake = names.get(name);
    if (namesake !== undefined && !found.hasFailed(`${path}.name`)) {
      found.issue(`${path}.name`, `"${name}" is already the name of ${namesake} at line ${found.lineOf(namesake)}`);
    }
    names.set(name, path);
  });
  warnOfServe(listeners, validation);
  return listeners;
}

/** Once, however many there are: what `Deno.serve` can't hold to matters where anybody may connect. */
function warnOfServe(listeners: readonly ListenerConfig[], { found }: Validation): void {
  const exposed = listeners.filter(({ engine, address }, index) =>
    engine === "serve" && !isLoopback(address) && !found.hasFailed(`${joinIndex("listeners", index)}.address`)
  );
  if (exposed.length === 0) return;
  const places = exposed.map(({ addressText }) => `"${addressText}"`).join(", ");
  const reasons = ["has no timeout for a request's head, so clients that never finish one use up the descriptors"];
  if (exposed.some(({ tls }) => tls !== null)) {
    reasons.push("lets one TLS client hold a thread for as long as it sends");
  }
  found.warn(
    `${joinIndex("listeners", listeners.indexOf(exposed[0]))}.engine`,
    `"serve", at ${places}, can be reached from other machines; it ${reasons.join(", and ")}: write engine = "wire"`,
  );
}

function toConfig(read: ReadListener, path: string, validation: Validation): ListenerConfig {
  const { found, files, resolve } = validation;
  const { limits } = read;
  const address = listenAddress(read.address, resolve);
  const addressText = found.shown(`${path}.address`, read.address);
  const tls = read.tls === null ? null : { certPath: resolve(read.tls.cert), keyPath: resolve(read.tls.key) };
  if (tls !== null && read.tls?.cert !== "") {
    files.push({ path: tls.certPath, key: `${path}.tls.cert`, holds: "certificate", group: "" });
  }
  if (tls !== null && read.tls?.key !== "") {
    files.push({ path: tls.keyPath, key: `${path}.tls.key`, holds: "private key", group: "" });
  }
  return {
    name: read.name ?? addressText,
    address,
    ...socketRights(read, { address, path }, validation),
    addressText,
    engine: read.engine,
    tls,
    limits: {
      headBytesMax: limits.head,
      fieldsMax: limits.fields,
      bodyBytesMax: limits.body,
      headTimeoutMs: limits.head_timeout,
      bodyTimeoutMs: limits.body_timeout,
      bodyRateMin: limits.body_min_rate,
      idleTimeoutMs: limits.idle_timeout,
      halfCloseMs: limits.half_close,
      connectionsMax: limits.connections,
      connectionsPerIpMax: limits.connections_per_ip,
    },
  };
}

/** A limit that is only written down protects nobody, so it is refused rather than ignored. */
function checkServeLimits({ limits }: ReadListener, path: string, { found }: Validation): void {
  for (const name of WIRE_ONLY) {
    const key = `${path}.limits.${name}`;
    if (!found.isSet(key) || found.hasFailed(key) || limits[name] === 0) continue;
    found.issue(key, `only engine = "wire" can hold to this`);
  }
  const head = `${path}.limits.head`;
  if (limits.head > parseSize(SERVE_HEAD_MAX) && !found.hasFailed(head)) {
    found.issue(head, `only engine = "wire" can hold to this; "serve" takes at most "${SERVE_HEAD_MAX}"`);
  }
  const fields = `${path}.limits.fields`;
  if (limits.fields > SERVE_FIELDS_MAX && !found.hasFailed(fields)) {
    found.issue(fields, `only engine = "wire" can hold to this; "serve" takes at most ${SERVE_FIELDS_MAX}`);
  }
}
