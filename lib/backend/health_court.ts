/**
 * Where the reports of all workers are judged: the control thread's end of shared health.
 *
 * Each machine has a row. What the machine decides is copied to its row at once, before any group writes a mask, so that
 * a worker never finds a backend eligible whose row does not admit. What workers report is taken to the machine: a
 * failure after all successes that were counted before it.
 */

import type { HealthListener, HealthMachine } from "./health.ts";
import { HEALTH_STATES, type HealthState } from "./health_reason.ts";
import { type HealthReport, ReportReader } from "./health_report.ts";
import { HEALTH_ROWS_MAX, type HealthColumns, type SharedState } from "./shared_state.ts";

const INDEX_OF_STATE = new Map<HealthState, number>(HEALTH_STATES.map((state, index) => [state, index]));

export class HealthCourt {
  readonly #state: SharedState;
  readonly #readers: readonly ReportReader[];
  readonly #images: (Image | null)[] = [];
  readonly #rows: Map<HealthMachine, number> = new Map();
  readonly #free: number[] = [];

  constructor(state: SharedState) {
    this.#state = state;
    this.#readers = state.parts.map((_, index) => new ReportReader(state, index + 1));
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

  dismissMachine(machine: HealthMachine): void {
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
    for (let index = 0; index < this.#readers.length; index++) {
      this.#readers[index].drain((report) => this.judge(index + 1, report, nowMs));
    }
  }

  /** Takes in what workers have only counted. To be called several times a second. */
  count(nowMs: number): void {
    for (const image of this.#images) {
      if (image !== null) this.#hearSuccesses(image, nowMs);
    }
  }

  /** One report; also for those that came another way. */
  judge(worker: number, { kind, row, ticket, code, successes }: HealthReport, nowMs: number): void {
    const image = this.#images[row] ?? null;
    if (image === null) return; // of a machine that is gone
    const { machine } = image;
    this.#takeSuccesses(image, worker, successes, nowMs);
    switch (kind) {
      case "trial":
        machine.takeOffered(ticket, nowMs);
        image.trialWorker = worker;
        image.trialTicket = ticket;
        return;
      case "success":
        return machine.onTrafficSuccess(nowMs, ticket);
      case "failure":
        this.#hearSuccesses(image, nowMs);
        return machine.onTrafficFailure(code, nowMs, ticket);
      case "release":
        return machine.releaseToken(ticket);
    }
  }

  /** A worker has died: hears its last reports, and takes back the trials that it will not report on. */
  forgetWorker(worker: number, nowMs: number): void {
    this.hear(nowMs);
    for (const image of this.#images) {
      if (image === null || image.trialWorker !== worker) continue;
      image.machine.releaseToken(image.trialTicket);
      image.trialWorker = 0;
    }
  }

  #hearSuccesses(image: Image, nowMs: number): void {
    for (let index = 0; index < this.#readers.length; index++) {
      this.#takeSuccesses(image, index + 1, this.#readers[index].successes(image.row), nowMs);
    }
  }

  #takeSuccesses(image: Image, worker: number, successes: number, nowMs: number): void {
    const count = (successes - image.seen[worker - 1]) | 0;
    if (count <= 0) return;
    image.seen[worker - 1] = successes;
    image.machine.onTrafficSuccesses(count, nowMs);
  }
}

/** A machine's row, kept like the machine. */
class Image implements HealthListener {
  readonly machine: HealthMachine;
  readonly row: number;
  /** Successes per worker that the machine has heard of. */
  readonly seen: number[];
  /** Who had the last trial; 0: nobody. A ticket that was brought back meanwhile is no trial any more. */
  trialWorker = 0;
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
  }

  healthChanged(): void {
    const { machine, row } = this;
    const { status, ticket, term, offer, sinceMs } = this.#columns;
    const offered = machine.offer;
    if (offered === 0) Atomics.store(offer, row, 0);
    sinceMs[row] = machine.sinceMs;
    Atomics.store(term, row, machine.termTicket);
    Atomics.store(ticket, row, machine.ticket);
    Atomics.store(status, row, INDEX_OF_STATE.get(machine.state)!);
    if (offered !== 0 && offered !== this.#offered) Atomics.store(offer, row, offered);
    if (offered !== 0) this.#offered = offered;
  }
}
