/**
 * Makes the selector for a strategy and a shape: the only place that looks at a strategy's name.
 *
 * Shapes: no or one member, up to 32 indexes (one mask word), more; equal or different weights. A class of its own
 * exists only where `bench/micro/strategies_bench.ts` shows that it pays; each file says by how much.
 */

import { NoMember, OneMember } from "./fixed.ts";
import { ConsistentHash } from "./hash.ts";
import { LeastConnections, WeightedLeastConnections } from "./least_connections.ts";
import { type Members, selectMembers } from "./members.ts";
import { PeakEwma } from "./peak_ewma.ts";
import { PowerOfTwo } from "./power_of_two.ts";
import { type Draw, UniformRandom } from "./random.ts";
import { NarrowRoundRobin, WideRoundRobin } from "./round_robin.ts";
import type { Selector, SelectorSpec, StrategyName } from "./selector.ts";
import { Sticky } from "./sticky.ts";
import { Tiered } from "./tiered.ts";
import { WeightedRandom } from "./weighted_random.ts";
import { SmoothWeighted } from "./weighted_round_robin.ts";

/**
 * Compiles a strategy. Backups get a selector of the same strategy, asked when the others have nobody left; where all
 * members are backups, they are ordinary members.
 *
 * @throws {RangeError} When the columns of `spec` differ in length or the mask is too short for them.
 */
export function createSelector(spec: SelectorSpec): Selector {
  assertShape(spec);
  const primary = selectMembers(spec, false);
  const backup = selectMembers(spec, true);
  if (backup.indexes.length === 0) return createTier(spec, primary, spec.strategy, spec.fallback);
  if (primary.indexes.length === 0) return createTier(spec, backup, spec.strategy, spec.fallback);
  return new Tiered(
    createTier(spec, primary, spec.strategy, spec.fallback),
    createTier(spec, backup, spec.strategy, spec.fallback),
  );
}

function createTier(spec: SelectorSpec, members: Members, strategy: StrategyName, fallback: StrategyName): Selector {
  if (members.indexes.length === 0) return new NoMember();
  if (members.indexes.length === 1) return new OneMember(spec, members);
  switch (strategy) {
    case "round_robin":
      return createRoundRobin(spec, members);
    case "weighted_round_robin":
      return members.isUniform ? createRoundRobin(spec, members) : new SmoothWeighted(spec, members);
    case "random":
      return createDraw(spec, members);
    case "least_connections":
      return members.isUniform ? new LeastConnections(spec, members) : new WeightedLeastConnections(spec, members);
    case "power_of_two":
      return new PowerOfTwo(spec, members, createDraw(spec, members));
    case "peak_ewma":
      return new PeakEwma(spec, members, createDraw(spec, members));
    // A fallback that needs a fallback itself gets `random`, so that no configuration can go in circles.
    case "hash":
      return new ConsistentHash(spec, members, createTier(spec, members, fallbackOf(strategy, fallback), "random"));
    case "sticky":
      return new Sticky(spec, members, createTier(spec, members, fallbackOf(strategy, fallback), "random"));
  }
}

function fallbackOf(strategy: StrategyName, fallback: StrategyName): StrategyName {
  return fallback === strategy ? "random" : fallback;
}

function createRoundRobin(spec: SelectorSpec, members: Members): Selector {
  return spec.eligible.length === 1 ? new NarrowRoundRobin(spec, members) : new WideRoundRobin(spec, members);
}

function createDraw(spec: SelectorSpec, members: Members): Draw {
  return members.isUniform ? new UniformRandom(spec, members) : new WeightedRandom(spec, members);
}

function assertShape(spec: SelectorSpec): void {
  const count = spec.weights.length;
  if (spec.backups.length !== count || spec.identities.length !== count || spec.rows.length !== count) {
    throw new RangeError(
      `Columns of a selector must be equally long, got ${count} weights, ${spec.backups.length} backups, ` +
        `${spec.identities.length} identities, ${spec.rows.length} rows`,
    );
  }
  if (spec.eligible.length * 32 < count || spec.eligible.length === 0) {
    throw new RangeError(
      `Eligibility mask must have a bit for each of ${count} members, got ${spec.eligible.length} words`,
    );
  }
}
