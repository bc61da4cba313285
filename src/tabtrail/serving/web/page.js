// The page of `/`: which model this is, how sure it is, and a form that asks it.

import { ask, askForKey, at, base, health, make, showLinks } from "./ask.js";
import { figuresOf, showAnswer, showFault } from "./answer.js";
import { field } from "./form.js";
import { drawn, showStored } from "./segments.js";

const AGAIN = 3000; // milliseconds until a service without a model is asked once more
const MOST_SERIES = 1000; // what one answer of /series lists

async function start() {
  let about, schema, card;
  try {
    const found = await health();
    if (!found.open) return askForKey(start);
    if (!found.model_loaded) throw new Error(`There is no model yet: ${found.detail}`);
    about = await ask("");
    showLinks(linksOf(about));
    [schema, card] = await Promise.all([ask("schema"), ask("model")]);
  } catch (error) {
    at("lead").textContent = error.message;
    setTimeout(start, AGAIN);
    return undefined;
  }
  show(schema, card);
  return showStored().catch(() => undefined); // they are beside the form
}

function linksOf(about) {
  const links = [["docs", "API"], ["schema", "Schema"], ["model", "Model card"], ["metrics", "Metrics"], ["health", "Health"], ["openapi.json", "OpenAPI"]];
  if (about.links.series) links.push(["series?limit=100", "Series"]);
  if (about.links.demand && !base.endsWith("/demand/") && !about.links.series) links.unshift(["demand", "Demand of series"]);
  return links;
}

function show(schema, card) {
  document.title = `${card.name} · tabtrail`;
  at("title").textContent = card.name;
  const made = (card.created || "").slice(0, 10);
  const ahead = card.horizon ? `, ${card.horizon} ${card.period}s after ${card.as_of}` : "";
  at("lead").textContent = `Predicts ${card.target}${card.currency ? ` in ${card.currency}` : ""}${ahead}. ${card.family || card.model}, trained ${made}.`;
  at("figures").replaceChildren(
    ...figuresOf(card).map(([name, value, note]) =>
      make("div", {}, make("dt", {}, name), make("dd", { class: "value" }, value), make("dd", { class: "hint" }, note)),
    ),
  );
  at("notes").replaceChildren(...notesOf(card).map((each) => make("p", { class: "warning" }, each)));
  at("sure").hidden = at("work").hidden = false;
  build(schema);
}

function notesOf(card) {
  const notes = card.synthetic ? ["It was trained on made-up data: its figures say nothing about real ones."] : [];
  return [...notes, ...(card.leakage || []).map((each) => `${each.column} may give the target away: ${each.evidence}.`)];
}

function build(schema) {
  const fields = schema.features.map((feature, index) => field(feature, schema.json_schema, index));
  at("fields").replaceChildren(...fields.map((each) => each.element));
  const example = () => fields.forEach((each) => each.write(schema.example[each.name]));
  example();
  at("example").onclick = () => {
    example();
    fields.forEach((each) => each.fail(""));
    fields[0].focus();
  };
  at("ask").onsubmit = (event) => {
    event.preventDefault();
    send(fields);
  };
  if (schema.series) addDemand(schema, fields);
}

function rowOf(fields) {
  const pairs = fields.map((each) => [each.name, each.read()]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(pairs);
}

async function send(fields) {
  const row = rowOf(fields);
  at("go").disabled = true;
  fields.forEach((each) => each.fail(""));
  try {
    showAnswer(await ask("predict", row), row);
  } catch (error) {
    fail(error, fields);
  }
  at("go").disabled = false;
}

// What was wrong stands at its field; what is of no one field stands in the answer.
function fail(error, fields) {
  if (error.status === 401) return askForKey(start);
  const wrong = fields.filter((each) => {
    const own = error.errors.filter((one) => one.column === each.name);
    each.fail(own.map((one) => one.message).join("; "));
    return own.length;
  });
  const names = new Set(fields.map((each) => each.name));
  const rest = error.errors.filter((one) => !names.has(one.column)).map((one) => [one.column, one.message].filter(Boolean).join(": "));
  showFault([error.message, ...rest].join(". "));
  if (wrong.length) wrong[0].focus();
  return undefined;
}

// A model of series: its known series to choose from, and the forecast of every period of the horizon.
async function addDemand(schema, fields) {
  const of = Object.fromEntries(fields.map((each) => [each.name, each]));
  const known = [...schema.series, ...schema.known_ahead];
  const date = schema.features.find((each) => each.kind === "date" && !known.includes(each.name));
  of[date.name].hint.textContent = `known up to ${schema.as_of}; forecast for ${schema.horizon} ${schema.period}s after it`;
  for (const name of schema.known_ahead) of[name].hint.textContent = [of[name].hint.textContent, "where it is empty, the stored plan's value is taken"].filter(Boolean).join(" · ");
  const whole = make("button", { type: "button", class: "plain" }, `Forecast all ${schema.horizon} ${schema.period}s`);
  at("example").before(whole);
  whole.onclick = () => forecastAll(schema, fields, date.name);
  const found = await ask(`series?limit=${MOST_SERIES}`);
  const choose = make("select", { id: "series" }, ...found.series.map((each, place) => make("option", { value: place }, Object.values(each.series).join(" · "))));
  choose.onchange = () => {
    const { series, static: fixed } = found.series[Number(choose.value)];
    for (const [name, value] of Object.entries({ ...fixed, ...series })) of[name]?.write(value);
  };
  const more = found.total > MOST_SERIES ? `the first ${MOST_SERIES} of ${found.total} series; type another one below` : `${found.total} series are known`;
  at("fields").prepend(make("div", { class: "field all" }, make("label", { for: "series" }, "Series"), choose, make("p", { class: "hint" }, more)));
}

async function forecastAll(schema, fields, date) {
  const row = rowOf(fields);
  try {
    const rows = periodsAfter(schema).map((each) => ({ ...row, [date]: each }));
    const { predictions } = await ask("predict/batch", rows);
    const points = predictions.map((each, step) => [rows[step][date], each.prediction, each.interval?.low, each.interval?.high]);
    const warnings = new Set(predictions.flatMap((each) => each.warnings));
    const notes = [...warnings].map((each) => make("p", { class: "warning" }, each));
    at("answer").replaceChildren(...notes, ...drawn(points, "the other columns as in the form"));
  } catch (error) {
    fail(error, fields);
  }
}

function periodsAfter(schema) {
  const from = new Date(`${schema.as_of}T00:00:00Z`);
  const days = { day: 1, week: 7 }[schema.period];
  return Array.from({ length: schema.horizon }, (_, step) => {
    const next = new Date(from);
    if (days) next.setUTCDate(from.getUTCDate() + days * (step + 1));
    else next.setUTCMonth(from.getUTCMonth() + step + 1, 1);
    return next.toISOString().slice(0, 10);
  });
}

start();
