// The page of `/docs`: Swagger UI over the document of this service, asked for with the API key where there is one.

import { ask, askForKey, at, health, key, showLinks } from "./ask.js";

document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
const LINKS = [["", "Form"], ["openapi.json", "OpenAPI document"], ["schema", "Schema"], ["model", "Model card"], ["metrics", "Metrics"]];

async function start() {
  let spec;
  showLinks(LINKS);
  try {
    if (!(await health()).open) return askForKey(start);
    spec = await ask("openapi.json");
  } catch (error) {
    at("lead").textContent = error.message;
    return undefined;
  }
  at("lead").textContent = "";
  return window.SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    validatorUrl: null, // the usual one is a server of somebody else's
    requestInterceptor(request) {
      const own = new URL(request.url, location.href).origin === location.origin;
      if (own && key() && !request.headers["X-API-Key"]) request.headers["X-API-Key"] = key();
      return request;
    },
  });
}

start();
