// The form: a field for each column of the schema, and the row that it stands for.

import { make } from "./ask.js";

const MOST_CHOICES = 200; // a longer list is typed into, with suggestions
const MOST_SUGGESTIONS = 2000;
const OTHER = "\u0001other";
const MISSING = "\u0001missing";

// Return {element, read, write, fail} for one column. `read` returns undefined where the column is to be left out.
export function field(feature, schema, index) {
  const id = `f${index}`;
  const own = schema.properties[feature.name] || {};
  const nullable = (own.anyOf || []).some((each) => each.type === "null");
  const control = controlOf(feature, id, nullable);
  const hint = make("p", { class: "hint", id: `${id}-hint` }, hintOf(feature, nullable));
  const fault = make("p", { class: "fault", id: `${id}-fault`, hidden: "" });
  for (const each of control.inputs) each.setAttribute("aria-describedby", `${id}-hint ${id}-fault`);
  const label = make("label", { for: id }, feature.name);
  const element = make("div", { class: "field" }, label, ...control.elements, hint, fault);
  return {
    name: feature.name,
    element,
    hint,
    focus: () => control.inputs[0].focus(),
    write: control.write,
    read() {
      const value = control.read();
      return value === null && feature.optional ? undefined : value;
    },
    fail(message) {
      fault.textContent = message;
      fault.hidden = !message;
      for (const each of control.inputs) each.toggleAttribute("aria-invalid", false);
      if (message) for (const each of control.inputs) each.setAttribute("aria-invalid", "true");
    },
  };
}

function controlOf(feature, id, nullable) {
  const { rule } = feature;
  if (rule.allowed) return choice(id, rule.allowed, nullable, false);
  if (isFlag(rule)) return choice(id, [0, 1], nullable, false, ["no", "yes"]);
  if (feature.kind === "numeric") return typed(id, "text", { inputmode: rule.min >= 0 ? "decimal" : "text" }, ...numbers(feature));
  if (feature.kind === "date") {
    const moment = rule.dtype === "datetime";
    const whole = (text) => (moment && text.length === 16 ? `${text}:00` : text);
    return typed(id, moment ? "datetime-local" : "date", moment ? { step: "1" } : {}, whole, (value) => String(value));
  }
  const known = feature.categories.filter((each) => each !== "" || !nullable); // a text that is not there is "(missing)"
  if (known.length && known.length <= MOST_CHOICES) return choice(id, known, nullable, true);
  const control = typed(id, "text", { list: `${id}-list` }, (text) => text, (value) => String(value));
  const options = known.slice(0, MOST_SUGGESTIONS).map((each) => make("option", { value: each }));
  control.elements.push(make("datalist", { id: `${id}-list` }, ...options));
  return control;
}

function isFlag(rule) {
  return rule.dtype === "int" && rule.min === 0 && rule.max === 1;
}

// Plain numbers go as numbers; other texts go as they are, and are read by the rules of the data ("1.299,99", "12 %").
function numbers(feature) {
  const { decimal } = feature.reading.number;
  const read = (text) => {
    const plain = decimal === "," ? text.replace(",", ".") : text;
    const usual = /^-?\d+(\.\d+)?$/.test(plain) && !(decimal === "," && text.includes("."));
    return usual && Math.abs(Number(plain)) <= Number.MAX_SAFE_INTEGER ? Number(plain) : text;
  };
  return [read, (value) => String(value).replace(".", decimal)];
}

function typed(id, type, attributes, read, show) {
  const input = make("input", { id, type, autocomplete: "off", ...attributes });
  return {
    elements: [input],
    inputs: [input],
    read: () => (input.value.trim() === "" ? null : read(input.value.trim())),
    write: (value) => {
      input.value = value === null || value === undefined ? "" : show(value);
    },
  };
}

// A list of the known values; `open` adds a way to type another one.
function choice(id, values, nullable, open, texts = values) {
  const options = values.map((value, place) => make("option", { value: place }, texts[place]));
  if (nullable) options.unshift(make("option", { value: MISSING }, "(missing)"));
  if (open) options.push(make("option", { value: OTHER }, "Another value …"));
  const select = make("select", { id }, ...options);
  const other = make("input", { type: "text", "aria-label": "Another value", autocomplete: "off", hidden: "" });
  const sync = () => {
    other.hidden = select.value !== OTHER;
  };
  select.addEventListener("change", () => {
    sync();
    if (!other.hidden) other.focus();
  });
  return {
    elements: open ? [select, other] : [select],
    inputs: open ? [select, other] : [select],
    read() {
      if (select.value === MISSING) return null;
      return select.value === OTHER ? other.value.trim() || null : values[Number(select.value)];
    },
    write(value) {
      const place = values.findIndex((each) => String(each) === String(value));
      const typed = open && value !== null && value !== undefined && value !== "";
      select.value = place >= 0 ? String(place) : typed ? OTHER : nullable ? MISSING : "0";
      if (select.value === OTHER) other.value = String(value);
      sync();
    },
  };
}

function hintOf(feature, nullable) {
  const { rule } = feature;
  const parts = [rule.description];
  const isYears = [feature.seen_min, feature.seen_max].every((each) => Number.isInteger(each) && each >= 1800 && each <= 2200); // as figures.py has it
  const show = (value) => value.toLocaleString("en", { maximumSignificantDigits: 6, useGrouping: !isYears });
  const lists = feature.kind === "numeric" && !rule.allowed && !isFlag(rule);
  if (lists && rule.min !== null && rule.max !== null) parts.push(`allowed: ${show(rule.min)} to ${show(rule.max)}`);
  else if (lists && rule.min !== null) parts.push(`at least ${show(rule.min)}`);
  else if (lists && rule.max !== null) parts.push(`at most ${show(rule.max)}`);
  if (lists && feature.seen_min !== null) parts.push(`seen in training: ${show(feature.seen_min)} to ${show(feature.seen_max)}`);
  if (feature.kind === "date" && feature.seen_min !== null) parts.push(`seen in training: ${day(feature.seen_min)} to ${day(feature.seen_max)}`);
  if (feature.kind === "categorical" && feature.categories.length > MOST_CHOICES) parts.push(`${show(feature.categories.length)} values seen in training`);
  if (nullable || feature.optional) parts.push("may be left empty");
  return parts.filter(Boolean).join(" · ");
}

function day(days) {
  return new Date(days * 86_400_000).toISOString().slice(0, 10);
}
