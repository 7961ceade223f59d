/** The question for another weight. It says what a number would do to the shares before it is set. */

import { percent, setText } from "./dom.js";

const WEIGHT_MAX = 65_535;

const dialog = document.getElementById("weight-dialog");
const input = document.getElementById("weight");
const effect = document.getElementById("weight-effect");
const fileButton = document.getElementById("weight-file");

/**
 * Focus returns to where it was.
 *
 * @returns {Promise<{ weight: number | null } | null>} `weight` null: that of the file; null: nothing is to be done.
 */
export function askWeight(upstream, backend) {
  const { weight, configuredWeight, override } = backend;
  setText(document.getElementById("weight-title"), `Weight of ${upstream.name}/${backend.name}`);
  setText(document.getElementById("weight-text"), explanation(upstream));
  setText(fileButton, `As in the file (${configuredWeight})`);
  fileButton.hidden = override === null || override.weight === null;
  input.max = upstream.weightsIgnored === "" ? String(WEIGHT_MAX) : "1";
  input.value = String(weight);
  input.oninput = () => setText(effect, effectText(upstream, backend));
  input.oninput();
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    // Not by the dialog's "close": that comes in a later task, in which it may be open again with the next question.
    const answer = (value) => {
      dialog.close();
      resolve(value);
    };
    document.getElementById("weight-form").onsubmit = () => resolve({ weight: input.valueAsNumber });
    document.getElementById("weight-no").onclick = () => answer(null);
    fileButton.onclick = () => answer({ weight: null });
    dialog.oncancel = () => resolve(null);
  });
}

function explanation({ weightsIgnored }) {
  const stays = "It takes the place of the file's over reloads, until you enable the backend or sluice restarts.";
  if (weightsIgnored === "") return stays;
  return `Here weights do nothing but for 0, which takes no new exchanges: ${weightsIgnored}. ${stays}`;
}

/** By weight, among those that take new exchanges now; strategies that look at load as well will differ. */
function effectText({ weightsIgnored, backends }, { name }) {
  if (!input.validity.valid) {
    return weightsIgnored === "" ? `A whole number from 0 to ${WEIGHT_MAX}.` : "0 or 1: more would do nothing.";
  }
  const wanted = input.valueAsNumber;
  if (wanted === 0) return "No new exchanges; what is in flight ends normally.";
  if (weightsIgnored !== "") return "It takes its turns.";
  const others = backends.filter((other) => other.name !== name && other.isEligible && !other.isBackup);
  const sum = others.reduce((total, other) => total + other.weight, wanted);
  return `About ${percent(wanted / sum)} of the upstream's new exchanges.`;
}
