// The stored forecasts of segments, and a forecast of the whole horizon: a table, and a line with its band.

import { ask, at, make, number } from "./ask.js";

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHT = 220;

export async function showStored() {
  const { segments } = await ask("forecast/segments");
  if (!segments.length) return;
  const select = at("segment");
  const names = segments.map((each) => Object.values(each).join(" · ") || "all rows");
  select.replaceChildren(...names.map((name, place) => make("option", { value: place }, name)));
  select.value = Math.max(0, segments.findIndex((each) => !Object.keys(each).length)); // all rows, where they have a forecast
  const show = async () => {
    const place = Number(select.value);
    try {
      const found = await ask(`forecast?${new URLSearchParams(segments[place])}`);
      const widest = found.intervals[found.intervals.length - 1];
      const rows = found.periods.map((period, step) => [period, found.mean[step], widest?.lower[step], widest?.upper[step]]);
      const level = widest ? ` with its ${Math.round(widest.level * 100)} % interval` : "";
      at("forecast").replaceChildren(...drawn(rows, `${found.unit ?? ""}${level}, by ${found.model}`));
    } catch (error) {
      at("forecast").replaceChildren(make("p", { class: "fault" }, error.message));
    }
  };
  select.onchange = show;
  at("stored").hidden = false;
  await show();
}

// `rows` are [period, value, low, high]; low and high may be missing.
export function drawn(rows, caption) {
  const heads = ["period", "forecast", "low", "high"].map((each) => make("th", { scope: "col" }, each));
  const body = rows.map(([period, ...values]) =>
    make("tr", {}, make("th", { scope: "row" }, period), ...values.map((each) => make("td", {}, number(each)))),
  );
  const table = make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body));
  return [...(rows.length > 1 ? [picture(rows)] : []), make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Forecast as a table" }, table)];
}

function picture(rows) {
  const all = rows.flatMap((row) => row.slice(1)).filter((each) => typeof each === "number");
  const low = Math.min(...all, ...(Math.min(...all) >= 0 ? [0] : []));
  const high = Math.max(...all, low + 1e-9);
  const x = (step) => 64 + ((WIDTH - 80) * step) / (rows.length - 1);
  const y = (value) => 12 + ((HEIGHT - 44) * (high - value)) / (high - low);
  const path = (column) => rows.map((row, step) => `${x(step).toFixed(1)},${y(row[column]).toFixed(1)}`);
  const svg = shape("svg", { class: "forecast", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Forecast with its interval; the table below has the numbers" });
  if (rows.every((row) => typeof row[2] === "number" && typeof row[3] === "number")) {
    svg.append(shape("polygon", { class: "band", points: [...path(3), ...path(2).reverse()].join(" ") }));
  }
  svg.append(shape("polyline", { class: "line", points: path(1).join(" ") }));
  for (const value of [low, high]) svg.append(text(56, y(value) + 4, "end", short(value)));
  svg.append(text(64, HEIGHT - 8, "start", rows[0][0]), text(WIDTH - 16, HEIGHT - 8, "end", rows[rows.length - 1][0]));
  return svg;
}

function short(value) {
  return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }).replace("-", "−");
}

function shape(tag, attributes) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function text(x, y, anchor, words) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = words;
  return element;
}
