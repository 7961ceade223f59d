/** From the start of the process to its first answer with 200. */

import { get } from "../../../tests/support/raw_client.ts";
import { MIB, startProxy, type Workload } from "../workload.ts";

export const startup: Workload = {
  name: "start-up",
  title: "From the start of the process to its first answer with 200, and its memory then.",
  columns: [
    { key: "firstAnswerMs", label: "ms", digits: 0 },
    { key: "rssMiB", label: "RSS MiB", digits: 1 },
  ],
  contenders: (all) => all,
  missing: () => "",
  async measure(contender, stage) {
    const startedMs = performance.now();
    await using proxy = await startProxy(contender, stage);
    const { status } = await get(proxy.address, "/");
    const firstAnswerMs = performance.now() - startedMs;
    if (status !== 200) throw new Error(`the first answer was ${status}`);
    return { firstAnswerMs, rssMiB: proxy.rssBytes() / MIB };
  },
};
