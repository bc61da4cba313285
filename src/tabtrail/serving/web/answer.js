// What is shown of an answer: the prediction, its interval, the warnings, and the request that asked for it.

import { at, base, key, make, number } from "./ask.js";

export function showAnswer(found, row) {
  const unit = found.currency ? ` ${found.currency}` : "";
  const parts = [make("p", { class: "big" }, `${number(found.prediction)}${unit}`)];
  const spans = found.intervals && found.intervals.length ? found.intervals : found.interval ? [found.interval] : [];
  for (const each of spans) {
    const share = number(each.level * 100).replace(/\.00$/, "");
    parts.push(make("p", {}, `${share} % interval: ${number(each.low)} to ${number(each.high)}${unit}`));
  }
  if (!spans.length) parts.push(make("p", { class: "hint" }, "This model gives no interval."));
  if (found.as_of) parts.push(make("p", { class: "hint" }, `Period ${found.horizon} after ${found.as_of}, the last known day.`));
  for (const each of found.warnings) parts.push(make("p", { class: "warning" }, each));
  if (found.warnings.length === 0) parts.push(make("p", { class: "hint" }, "No warnings: the model has seen values like these."));
  parts.push(request(row));
  if (found.inputs) parts.push(fold("The inputs as the model took them", JSON.stringify(found.inputs, null, 1)));
  at("answer").replaceChildren(...parts);
}

export function showFault(message) {
  at("answer").replaceChildren(make("p", { class: "fault" }, message));
}

function request(row) {
  const body = JSON.stringify(row).replaceAll("'", "'\\''");
  const opened = key() ? ' -H "X-API-Key: $TABTRAIL_API_KEY"' : "";
  const words = `curl -s -H 'Content-Type: application/json'${opened} ${location.origin}${base}predict -d '${body}'`;
  return fold("The same request as a command", words);
}

function fold(title, text) {
  return make("details", {}, make("summary", {}, title), make("pre", { tabindex: "0" }, text));
}

// An error and its spread: four digits of the error, as everywhere, and as many decimals of its spread.
function error(value, of = value) {
  const decimals = Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(of) || 1))));
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function percent(share) {
  return `${(100 * share).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} %`;
}

// The figures of the card: what a person needs to know before trusting a number.
export function figuresOf(card) {
  const { metrics } = card;
  const unit = card.currency ? ` ${card.currency}` : "";
  const pair = (value, spread) => (typeof spread === "number" ? `${error(value)} ± ${error(spread, value)}` : error(value));
  const measured = [];
  const add = (name, value, note) => measured.push([name, value, note]);
  if (typeof metrics.cv_rmse === "number") {
    add("Typical error (RMSE)", pair(metrics.cv_rmse, metrics.cv_rmse_std) + unit, "cross-validated; ± between folds");
    add("Mean absolute error", pair(metrics.cv_mae, metrics.cv_mae_std) + unit, "cross-validated; ± between folds");
  } else {
    if (typeof metrics.rmse === "number") add("Typical error (RMSE)", error(metrics.rmse) + unit, "on periods that came after the training");
    if (typeof metrics.mae === "number") add("Mean absolute error", error(metrics.mae) + unit, "on periods that came after the training");
    if (typeof metrics.wape === "number") add("Share of demand missed (WAPE)", percent(metrics.wape), "absolute errors over demand");
  }
  if (typeof metrics.interval_coverage === "number" && card.interval_level) {
    const level = `${number(card.interval_level * 100).replace(/\.00$/, "")} %`;
    add(`What ${level} intervals hold`, percent(metrics.interval_coverage), "of rows that the model had not seen");
  }
  if (card.parity && card.parity.rows) {
    add("Served as it was trained", `${card.parity.rows.toLocaleString("en")} rows`, `predicted alike by both, to ${card.parity.max_difference.toExponential(0)} standard deviations`);
  }
  return measured;
}
