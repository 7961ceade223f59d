/**
 * Where the reports of all workers are judged: the control thread's end of shared health.
 *
 * Each machine has a row, kept so that a worker never finds less than a thread that judges by itself would:
 *
 * - What comes into service or on offer is in the row before any group writes a mask, what leaves service after: a
 *   backend that is eligible admits, and a spared one is never refused because its sparing came a moment late.
 * - A worker's failure is judged after the successes that it counted before, and before those that it counted after. With
 *   other workers there is no such order; their successes count first, so that failures are never overrated.
 *
 * What a thread reports that has been ended counts no more, but for a trial that it took: that is given back.
 */

import type { HealthListener, HealthMachine } from "./machine.ts";
import { HEALTH_STATES, type HealthState } from "./reason.ts";
import { type HealthReport, ReportReader } from "./report.ts";
import { HEALTH_ROWS_MAX, type HealthColumns, type SharedState } from "../base/shared/shared_state.ts";

const INDEX_OF_STATE = new Map<HealthState, number>(HEALTH_STATES.map((state, index) => [state, index]));
const NOBODY = -1;

export class ReportCollector {
  readonly #state: SharedState;
  /** By region. */
  readonly #readers: readonly ReportReader[];
  /** Whose thread has been ended. */
  readonly #isEnded: boolean[];
  readonly #images: (Image | null)[] = [];
  readonly #rows: Map<HealthMachine, number> = new Map();
  readonly #free: number[] = [];

  constructor(state: SharedState) {
    this.#state = state;
    this.#readers = state.regions.map((_, region) => new ReportReader(state, region));
    this.#isEnded = state.regions.map(() => false);
  }

  /** To be called before a group is made of the machine. @throws {RangeError} when all rows are taken. */
  admitMachine(machine: HealthMachine): void {
    const row = this.#free.pop() ?? this.#images.length;
    if (row >= HEALTH_ROWS_MAX) throw new RangeError(`Cannot watch more than ${HEALTH_ROWS_MAX} backends at once`);
    const seen = this.#readers.map((reader) => reader.successes(row));
    const image = new Image(machine, row, this.#state.health, seen);
    this.#images[row] = image;
    this.#rows.set(machine, row);
    machine.subscribe(image);
  }

  /** To be called when no exchange is left that may report on it. */
  dismissMachine(machine: HealthMachine, nowMs: number): void {
    this.hear(nowMs); // what is still in the rings must not meet the next machine of this row
    const row = this.rowOf(machine);
    machine.unsubscribe(this.#images[row]!);
    this.#images[row] = null;
    this.#rows.delete(machine);
    this.#free.push(row);
  }

  rowOf(machine: HealthMachine): number {
    return this.#rows.get(machine)!;
  }

  /** Hears the reports that have come. To be called at each wake-up. */
  hear(nowMs: number): void {
    for (let region = 0; region < this.#readers.length; region++) {
      this.#readers[region].drain((report) => this.judge(region, report, nowMs));
    }
  }

  /** Takes in what workers have only counted. To be called several times a second. */
  count(nowMs: number): void {
    this.hear(nowMs);
    for (const image of this.#images) {
      if (image !== null) this.#hearSuccesses(image, NOBODY, nowMs);
    }
  }

  /** One report; also for those that came another way. */
  judge(region: number, { kind, row, ticket, code, successes }: HealthReport, nowMs: number): void {
    const image = this.#images[row] ?? null;
    if (image === null) return; // of a machine that is gone
    const { machine } = image;
    if (kind === "trial") {
      machine.takeOffered(ticket, nowMs);
      image.trialRegion = region;
      image.trialTicket = ticket;
      if (this.#isEnded[region]) machine.releaseToken(ticket);
      return;
    }
    if (this.#isEnded[region]) return;
    this.#takeSuccesses(image, region, successes, nowMs);
    switch (kind) {
      case "success":
        return machine.onTrafficSuccess(nowMs, ticket);
      case "failure":
        this.#hearSuccesses(image, region, nowMs);
        return machine.onTrafficFailure(code, nowMs, ticket);
      case "release":
        return machine.releaseToken(ticket);
    }
  }

  /** The thread of a region has been ended: hears its last reports, and takes back the trials it will not report on. */
  endRegion(region: number, nowMs: number): void {
    this.hear(nowMs);
    this.#isEnded[region] = true;
    for (const image of this.#images) {
      if (image === null) continue;
      if (image.trialRegion === region) image.machine.releaseToken(image.trialTicket);
      image.renewOffer(nowMs);
    }
  }

  /** A new thread has taken the region. */
  beginRegion(region: number): void {
    this.#readers[region].drain(() => {});
    this.#isEnded[region] = false;
    for (const image of this.#images) {
      if (image !== null) image.seen[region] = this.#readers[region].successes(image.row);
    }
  }

  /** @param except A region whose reports are being read. */
  #hearSuccesses(image: Image, except: number, nowMs: number): void {
    for (let region = 0; region < this.#readers.length; region++) {
      if (region === except) continue;
      const reader = this.#readers[region];
      const successes = reader.successes(image.row);
      // Looked at afterwards: were there reports, some of these successes might have come behind them.
      if (reader.isDrained) this.#takeSuccesses(image, region, successes, nowMs);
    }
  }

  #takeSuccesses(image: Image, region: number, successes: number, nowMs: number): void {
    const count = (successes - image.seen[region]) | 0;
    if (count <= 0) return;
    image.seen[region] = successes;
    if (!this.#isEnded[region]) image.machine.onTrafficSuccesses(count, nowMs);
  }
}

/** A machine's row, kept like the machine. */
class Image implements HealthListener {
  readonly machine: HealthMachine;
  readonly row: number;
  /** Successes per region that the machine has heard of. */
  readonly seen: number[];
  /** Who had the last trial. A ticket that was brought back meanwhile is no trial any more. */
  trialRegion = NOBODY;
  trialTicket = 0;
  readonly #columns: HealthColumns;
  /** A number is offered once: a worker that has taken it may not have told yet. */
  #offered = 0;

  constructor(machine: HealthMachine, row: number, columns: HealthColumns, seen: number[]) {
    this.machine = machine;
    this.row = row;
    this.seen = seen;
    this.#columns = columns;
    Atomics.store(columns.offer, row, 0);
    this.healthChanged();
    this.healthSettled();
  }

  /** Before the groups: what gives. */
  healthChanged(): void {
    const { machine } = this;
    if (machine.offer === 0) Atomics.store(this.#columns.offer, this.row, 0);
    if (machine.isInService) {
      this.#storeTickets();
      this.#storeStatus();
    } else if (machine.offer !== 0) {
      this.#storeOffer(machine.offer);
    }
  }

  /** After the groups: what takes. The status before the ticket, see `SharedMachine.tryAdmit`. */
  healthSettled(): void {
    if (this.machine.isInService) return;
    this.#storeStatus();
    this.#storeTickets();
  }

  /** An offer that is taken, and nobody told: whoever took it has ended. Another number is offered. */
  renewOffer(nowMs: number): void {
    const { machine, row } = this;
    const { offer } = machine;
    if (offer === 0 || Atomics.load(this.#columns.offer, row) !== 0) return;
    machine.takeOffered(offer, nowMs);
    machine.releaseToken(offer);
  }

  #storeOffer(offered: number): void {
    if (offered === this.#offered) return;
    this.#offered = offered;
    Atomics.store(this.#columns.offer, this.row, offered);
  }

  #storeTickets(): void {
    const { machine, row } = this;
    this.#columns.sinceMs[row] = machine.sinceMs;
    Atomics.store(this.#columns.term, row, machine.termTicket);
    Atomics.store(this.#columns.ticket, row, machine.ticket);
  }

  #storeStatus(): void {
    Atomics.store(this.#columns.status, this.row, INDEX_OF_STATE.get(this.machine.state)!);
  }
}
