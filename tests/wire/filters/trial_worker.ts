/** A worker thread with the trial filters in its list. */

import "./trial_filters.ts";
import "../../../lib/runtime/workers/worker_main.ts";
