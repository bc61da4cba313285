// What every page needs: the service's paths, the API key, and elements made from texts (never from HTML).

const PAGES = ["", "docs", "demand"]; // these are open
const KEY = "tabtrail-key"; // of this tab; another service on the same origin would be asked with it, as with a cookie

// Where this page lies: `/`, `/demand`, or under the prefix of a proxy.
export const base = location.pathname.replace(/\/(docs)?\/?$/, "") + "/";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `the service answered ${status}`);
    this.status = status;
    this.errors = problem.errors || [];
  }
}

export function key() {
  return sessionStorage.getItem(KEY) || "";
}

export async function ask(path, body) {
  const headers = { Accept: "application/json" };
  if (key()) headers["X-API-Key"] = key();
  const options = { headers, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(base + path, options);
  } catch {
    throw new Refused(0, { detail: "The service does not answer. Is it still running?" });
  }
  const text = await answer.text();
  let found = {};
  try {
    found = JSON.parse(text);
  } catch {
    found = { detail: text.slice(0, 200) };
  }
  if (!answer.ok) throw new Refused(answer.status, found);
  return found;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((each) => (each instanceof Node ? each : String(each))));
  return element;
}

export function at(id) {
  return document.getElementById(id);
}

// What the service says of itself, with `open`: without its key, health leaves out what a closed service keeps to itself.
// Asking health first keeps a refusal, which browsers report as an error, out of the console.
export async function health() {
  const found = await ask("health");
  return { ...found, open: "model_name" in found || "detail" in found };
}

// Ask the person for the key, then go on with `start`.
export function askForKey(start) {
  const form = at("key");
  form.hidden = false;
  at("lead").textContent = key() ? "That key is not the one of this service." : "This service asks for an API key.";
  at("key-text").focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, at("key-text").value.trim());
    at("key-text").value = "";
    form.hidden = true;
    start();
  };
}

export function showLinks(links) {
  const items = links.map(([path, text]) => {
    const link = make("a", { href: path.startsWith("/") ? path : base + path }, text);
    if (key() && !PAGES.includes(path)) link.onclick = (event) => showRaw(event, path, text);
    return make("li", {}, link);
  });
  at("links").replaceChildren(...items);
}

// A browser that follows a link sends no key: what is behind one is shown here.
async function showRaw(event, path, title) {
  event.preventDefault();
  let shown;
  try {
    const answer = await fetch(base + path, { headers: { "X-API-Key": key() } });
    shown = await answer.text();
    if (/json/.test(answer.headers.get("content-type"))) shown = JSON.stringify(JSON.parse(shown), null, 2);
  } catch (error) {
    shown = error.message;
  }
  const dialog = make("dialog", { class: "own", "aria-label": title }, make("form", { method: "dialog" }, make("button", {}, "Close")), make("pre", { tabindex: "0" }, shown));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

// A number as the command line writes it: two decimals, four digits where it is small.
export function number(value) {
  if (typeof value !== "number") return "–";
  const small = Math.abs(value) < 1 && value !== 0;
  const form = small ? { maximumSignificantDigits: 4 } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return value.toLocaleString("en", form).replace("-", "−");
}
