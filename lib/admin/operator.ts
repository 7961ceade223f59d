/**
 * What the admin side may ask of the running proxy. The runtime implements it, and the admin app knows nothing else.
 *
 * Names are those of the configuration. Nothing here throws for what a caller sends: the answer says what was wrong.
 */

import type {
  EventView,
  ExplanationView,
  OutcomeView,
  PlanView,
  ReadinessView,
  RouteView,
  SampleView,
  SettingView,
  StatusView,
  UpstreamView,
} from "./views.ts";

export type BackendCommand = "drain" | "disable" | "enable";

export interface Operator {
  status(): StatusView;
  upstreams(): readonly UpstreamView[];
  routes(): readonly RouteView[];
  settings(): readonly SettingView[];
  readiness(): ReadinessView;
  /** About one a second over the last minutes, oldest first. */
  history(): readonly SampleView[];
  /** Prometheus text exposition. */
  metrics(): string;
  /** The last events that came after `id`, oldest first. */
  eventsSince(id: number): readonly EventView[];
  /** Told of every event until the returned function is called. */
  onEvent(listener: (event: EventView) => void): () => void;

  /** `enable` also clears a weight that was set. Kept over reloads until then. */
  command(upstream: string, backend: string, command: BackendCommand): Promise<OutcomeView>;
  /** @param weight 0 to 65535; null: the file's. */
  setWeight(upstream: string, backend: string, weight: number | null): Promise<OutcomeView>;
  setLogLevel(level: string): OutcomeView;
  reload(): Promise<OutcomeView>;
  /** What a reload to this text would change, against the running configuration; "" for the file as it is now. */
  plan(text: string): Promise<PlanView>;
  explain(method: string, url: string, fields: ReadonlyArray<readonly [string, string]>): Promise<ExplanationView>;
  /** Ends a worker at once and starts another; what it had in flight is lost. */
  restartWorker(id: number): Promise<OutcomeView>;
}
