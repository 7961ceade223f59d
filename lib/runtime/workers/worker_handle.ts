/**
 * One worker thread as the control thread holds it: what it was asked and has not answered, which plans it is still on,
 * and whether it is alive.
 *
 * A thread can die without a word (`self.close()`, a crash in native code), or live and answer nothing (a loop without
 * end). So besides the error event its heartbeat counts. Beats are compared with our own ticks, not with the clock: a
 * process that was stopped and goes on has missed as many of both.
 */

import { RegionWord, type SharedState } from "../../base/shared/shared_state.ts";
import type { LivePlan } from "../../plan/holder.ts";
import type { Members } from "../../plan/types.ts";
import type { ErrorCount } from "../telemetry/error_tally.ts";
import { ListenError } from "../serving/listener_set.ts";
import type { BoundListener } from "../serving/data_plane.ts";
import type { FromWorker, MembersMessage, PlanMessage, ToWorker, WorkerSetup } from "./worker_messages.ts";

/** Opening a listener takes milliseconds; compiling a plan of thousands of routes, a second; a machine may be busy. */
const ANSWER_MS_MAX = 30_000;
/** Our ticks without a beat of its heart: 10 s at 250 ms. A turn of the event loop that long has stopped serving, too. */
const SILENT_TICKS_MAX = 40;
/** A second: one that is ended then may be stuck. */
const SUSPICIOUS_TICKS = 4;

/** A worker was gone before it had answered. */
export class WorkerDied extends ListenError {}

export interface WorkerEvents {
  onLines(worker: WorkerHandle, bytes: Uint8Array): void;
  onMessage(worker: WorkerHandle, message: Extract<FromWorker, { kind: "report" }>): void;
  onErrors(counts: readonly ErrorCount[]): void;
  onTls(backend: string, problem: string): void;
  /** Called once. */
  onDeath(worker: WorkerHandle, reason: string): void;
}

interface Hold {
  readonly live: LivePlan;
  /** By upstream: on which new exchanges begin. */
  readonly members: Map<string, Members>;
  /** By the change that replaced them: exchanges may still be on them. */
  readonly replaced: Map<number, Members>;
}

export class WorkerHandle {
  readonly id: number;
  readonly region: number;
  /** Is being brought to the plan in force, outside of a change that all take part in. */
  isBehind = false;
  state: "starting" | "serving" | "draining" = "starting";
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #header: Int32Array;
  /** By change: plans that it has exchanges on, or would begin them on. */
  readonly #holds: Map<number, Hold> = new Map();
  /** What new exchanges begin on; null before the first. */
  #hold: Hold | null = null;
  /** The last that it was asked to prepare. */
  #change = 0;
  #answer: PromiseWithResolvers<readonly BoundListener[]> | null = null;
  #committed: PromiseWithResolvers<void> | null = null;
  readonly #drained: PromiseWithResolvers<number> = Promise.withResolvers();
  #isDead = false;
  readonly #firstBeat: number;
  #lastBeat: number;
  #silentTicks = 0;

  constructor(setup: WorkerSetup, state: SharedState, events: WorkerEvents) {
    this.id = setup.id;
    this.region = setup.region;
    this.#events = events;
    this.#header = state.regions[setup.region].header;
    this.#firstBeat = this.#lastBeat = this.#beat;
    this.#worker = new Worker(new URL("./worker_main.ts", import.meta.url), {
      type: "module",
      name: `sluice worker ${setup.id}`,
    });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault(); // it would end the process
      this.#die(event.message);
    };
    this.#worker.onmessageerror = () => this.#die("sent what cannot be read");
    this.post({ kind: "setup", setup });
  }

  get exchanges(): number {
    return this.#isDead ? 0 : Atomics.load(this.#header, RegionWord.exchanges);
  }

  /** It has not shown for a while that it is alive. */
  get isSilent(): boolean {
    return this.#silentTicks >= SUSPICIOUS_TICKS;
  }

  post(message: ToWorker): void {
    if (!this.#isDead) this.#worker.postMessage(message);
  }

  /** @returns Its listeners as they will be. @throws {ListenError} With the problems; it is as it was then. */
  prepare(plan: PlanMessage): Promise<readonly BoundListener[]> {
    return this.#ask({ kind: "prepare", change: ++this.#change, plan });
  }

  /** Members of the plan that it serves. @throws {ListenError} It is as it was then. */
  prepareMembers(members: MembersMessage): Promise<readonly BoundListener[]> {
    return this.#ask({ kind: "prepare_members", change: ++this.#change, members });
  }

  /** @returns Resolves when new exchanges run on it, or the worker has died. */
  commit(live: LivePlan): Promise<void> {
    if (this.#isDead) return Promise.resolve();
    live.enter();
    const members = new Map([...live.plan.upstreams].map(([name, upstream]) => [name, upstream.members]));
    this.#hold = { live, members, replaced: new Map() };
    this.#holds.set(this.#change, this.#hold);
    this.state = "serving";
    return this.#commit();
  }

  /** @returns As `commit()`. */
  commitMembers(members: Members): Promise<void> {
    if (this.#isDead) return Promise.resolve();
    const { name } = members.config;
    const hold = this.#hold!;
    hold.replaced.set(this.#change, hold.members.get(name)!);
    hold.members.set(name, members);
    return this.#commit();
  }

  /** Adds members that it has exchanges on, or would begin them on. */
  addUsed(used: Set<Members>): void {
    for (const { members, replaced } of this.#holds.values()) {
      for (const each of members.values()) used.add(each);
      for (const each of replaced.values()) used.add(each);
    }
  }

  /** @returns Exchanges that it had to cut off; all that it had, when it dies meanwhile. */
  shutdown(drainMs: number): Promise<number> {
    this.state = "draining";
    this.post({ kind: "shutdown", drainMs });
    return this.#drained.promise;
  }

  /** To be called four times a second. */
  tick(): void {
    const beat = this.#beat;
    if (beat === this.#firstBeat) return; // still loads its modules; `prepare` has a bound
    this.#silentTicks = beat === this.#lastBeat ? this.#silentTicks + 1 : 0;
    this.#lastBeat = beat;
    if (this.#silentTicks >= SILENT_TICKS_MAX) {
      this.#die("silent for 10 s, and Deno does not end a thread that is stuck: restart sluice when it can wait");
    }
  }

  /** Ends the thread now, with all its sockets. */
  kill(reason: string): void {
    this.#die(reason);
  }

  async #ask(message: ToWorker): Promise<readonly BoundListener[]> {
    const answer = Promise.withResolvers<readonly BoundListener[]>();
    this.#answer = answer;
    if (this.#isDead) throw new WorkerDied(`worker ${this.id} has died`);
    const timer = setTimeout(() => this.#die(`no answer within ${ANSWER_MS_MAX / 1000} s`), ANSWER_MS_MAX);
    try {
      this.post(message);
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#answer = null;
    }
  }

  #commit(): Promise<void> {
    this.#committed = Promise.withResolvers<void>();
    this.post({ kind: "commit", change: this.#change });
    return this.#committed.promise;
  }

  get #beat(): number {
    return Atomics.load(this.#header, RegionWord.heartbeat);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "prepared":
        return this.#answer?.resolve(message.listeners);
      case "refused":
        return this.#answer?.reject(new ListenError(message.problems.join("\n")));
      case "committed":
        return this.#committed?.resolve();
      case "freed":
        this.#holds.get(message.change)?.live.leave();
        this.#holds.delete(message.change);
        return;
      case "freed_members":
        for (const { replaced } of this.#holds.values()) replaced.delete(message.change);
        return;
      case "lines":
        return this.#events.onLines(this, message.bytes);
      case "report":
        return this.#events.onMessage(this, message);
      case "errors":
        return this.#events.onErrors(message.counts);
      case "tls":
        return this.#events.onTls(message.backend, message.problem);
      case "broken":
        return this.#die(message.reason);
      case "drained":
        return this.#drained.resolve(message.cut);
    }
  }

  #die(reason: string): void {
    if (this.#isDead) return;
    this.#drained.resolve(this.exchanges);
    this.#isDead = true;
    this.#worker.terminate();
    this.#committed?.resolve();
    this.#answer?.reject(new WorkerDied(`worker ${this.id} has died: ${reason}`));
    this.#events.onDeath(this, reason);
    for (const { live } of this.#holds.values()) live.leave();
    this.#holds.clear();
  }
}

export function undoAll(handles: readonly WorkerHandle[]): void {
  for (const handle of handles) handle.post({ kind: "undo" });
}

/** Waits for all, then throws the first failure: none must still be under way when the others are undone. */
export async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}
