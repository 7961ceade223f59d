/** The judging side of an upstream's health, which is there in every plan of the control side. */

import type { Judged, UpstreamPlan } from "../../plan/types.ts";

export function judgedOf({ name, members: { judged } }: Pick<UpstreamPlan, "name" | "members">): Judged {
  if (judged === null) throw new TypeError(`Health of upstream ${name} is judged in another thread`);
  return judged;
}
