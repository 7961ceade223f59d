/** Everything that is measured, in the order of the report. */

import type { Contender } from "./contender.ts";
import { sluice, type Variant } from "./contenders/sluice.ts";
import { SHAPES } from "./shapes.ts";
import type { Workload } from "./workload.ts";
import { closedLoop } from "./workloads/closed_loop.ts";
import { fixedRate } from "./workloads/fixed_rate.ts";
import { idle } from "./workloads/idle.ts";
import { BURST, prewarm } from "./workloads/prewarm.ts";
import { reload } from "./workloads/reload.ts";
import { startup } from "./workloads/startup.ts";

const { small, page, get16k, get1m, get100m, post1k, post1m } = SHAPES;

export const WORKLOADS: readonly Workload[] = [
  closedLoop({ name: "small", title: "GET, 66 bytes back.", shape: small }),
  closedLoop({
    name: "browser",
    title: "GET with 16 fields, 1 KiB in all, as a browser sends them; 66 bytes back under 13 fields.",
    shape: page,
  }),
  closedLoop({ name: "get-16k", title: "GET, 16 KiB back.", shape: get16k }),
  closedLoop({ name: "get-1m", title: "GET, 1 MiB back, over 16 connections.", shape: get1m, connections: 16 }),
  closedLoop({
    name: "get-100m",
    title: "GET, 100 MiB back, over 2 connections.",
    shape: get100m,
    connections: 2,
    isBulk: true,
  }),
  closedLoop({ name: "post-1k", title: "POST of 1 KiB.", shape: post1k }),
  closedLoop({ name: "post-1m", title: "POST of 1 MiB, over 16 connections.", shape: post1m, connections: 16 }),
  closedLoop({ name: "connect", title: "Small GET, each on a new connection.", shape: small, isFresh: true }),
  closedLoop({ name: "tls-h1", title: "Small GET over TLS, HTTP/1.1.", shape: small, downstream: "https" }),
  closedLoop({
    name: "tls-h2",
    title: "Small GET over TLS, HTTP/2, 4 streams on each connection.",
    shape: small,
    downstream: "https",
    http2: true,
  }),
  closedLoop({ name: "tls-up", title: "Small GET, to the backend over TLS.", shape: small, upstream: "https" }),
  fixedRate,
  idle,
  reload,
  startup,
  closedLoop({
    name: "ab-pipelining",
    title: "Small GET, `pipelining = 8`, the feature on and off.",
    shape: small,
    contenders: () => onAndOff("pipelining", { engine: "wire", pipelining: 8 }),
  }),
  closedLoop({
    name: "ab-fast-path",
    title: "Small GET, `fast_path` on and off.",
    shape: small,
    contenders: () => onAndOff("fast_path", { engine: "wire" }),
  }),
  prewarm(onAndOff("prewarm", { engine: "wire", minIdle: BURST })),
];

function onAndOff(feature: string, variant: Variant): readonly Contender[] {
  return [true, false].map((value) =>
    sluice(`${feature} ${value ? "on" : "off"}`, { ...variant, features: { [feature]: value } })
  );
}
