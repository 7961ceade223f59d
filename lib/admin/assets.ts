/** The dashboard's files, part of the program: nothing is read from disk or fetched from elsewhere at run time. */

import api from "./dashboard/api.js" with { type: "text" };
import app from "./dashboard/app.js" with { type: "text" };
import backends from "./dashboard/backends.js" with { type: "text" };
import dom from "./dashboard/dom.js" with { type: "text" };
import icon from "./dashboard/icon.svg" with { type: "text" };
import page from "./dashboard/index.html" with { type: "text" };
import panels from "./dashboard/panels.js" with { type: "text" };
import routes from "./dashboard/routes.js" with { type: "text" };
import trouble from "./dashboard/trouble.js" with { type: "text" };
import weight from "./dashboard/weight.js" with { type: "text" };
import plots from "./dashboard/plots.js" with { type: "text" };
import style from "./dashboard/style.css" with { type: "text" };
import plotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import plotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };

export interface Asset {
  readonly type: string;
  readonly text: string;
}

export const PAGE: Asset = { type: "text/html; charset=utf-8", text: page };

const JAVASCRIPT = "text/javascript; charset=utf-8";
const CSS = "text/css; charset=utf-8";

/** By name under /assets/. */
export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ["api.js", { type: JAVASCRIPT, text: api }],
  ["app.js", { type: JAVASCRIPT, text: app }],
  ["backends.js", { type: JAVASCRIPT, text: backends }],
  ["dom.js", { type: JAVASCRIPT, text: dom }],
  ["panels.js", { type: JAVASCRIPT, text: panels }],
  ["plots.js", { type: JAVASCRIPT, text: plots }],
  ["routes.js", { type: JAVASCRIPT, text: routes }],
  ["trouble.js", { type: JAVASCRIPT, text: trouble }],
  ["weight.js", { type: JAVASCRIPT, text: weight }],
  ["style.css", { type: CSS, text: style }],
  ["icon.svg", { type: "image/svg+xml", text: icon }],
  ["uplot.js", { type: JAVASCRIPT, text: plotScript }],
  ["uplot.css", { type: CSS, text: plotStyle }],
]);
