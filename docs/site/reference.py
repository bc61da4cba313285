"""The references, made from the code: the config from its models, the commands from their help, Python from docstrings, HTTP from
the routes and the OpenAPI document.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import click
from fastapi.openapi.utils import get_openapi

import tabtrail
from tabtrail.cli.commands import COMMANDS, load_command
from tabtrail.config.load import config_schema
from tabtrail.project.names import add_names
from tabtrail.serving.app import ROUTES, create_app
from tabtrail.serving.problems import TITLES

Schema = dict[str, Any]
_MADE = "<!-- made by docs/site/reference.py -->\n"
_MOST_CHOICES = 12  # of a cell; families and metrics are more


def references() -> dict[str, str]:
    """Return the text of each page by its name."""
    pages = {"config.md": config_page, "commands.md": commands_page, "python-api.md": python_page, "http.md": http_page}
    return {name: _MADE + "\n".join(page()) + "\n" for name, page in pages.items()}


def config_page() -> Iterator[str]:
    """Every key of the YAML, by section."""
    schema = config_schema()
    add_names(schema)
    yield "# The keys of the YAML\n"
    yield "Each section with its keys, what they may be, and what holds where they are left out. `tabtrail config schema` prints"
    yield "the same as a JSON Schema for editors, `tabtrail config show` what a project has. Paths start at the YAML file.\n"
    yield from _sections(schema, schema, "", set())


def _sections(node: Schema, schema: Schema, path: str, seen: set[str]) -> Iterator[str]:
    plain, nested = {}, {}
    for name, each in node.get("properties", {}).items():
        inner = _target(each, schema)
        (nested if inner.get("properties") else plain)[name] = (each, inner)
    if plain:
        yield f"## `{path}`\n" if path else "## At the top\n"
        if path and node.get("description"):
            yield _flat(node["description"]) + "\n"
        yield "| key | value | default | what |"
        yield "| --- | --- | --- | --- |"
        for name, (each, _) in plain.items():
            default = "" if name in node.get("required", ()) else _code(each["default"]) if "default" in each else ""
            needed = "**needed**" if name in node.get("required", ()) else default
            yield f"| `{name}` | {_cell(_kind(each, schema))} | {needed} | {_cell(_flat(each.get('description', '')))} |"
        yield ""
    for name, (each, inner) in nested.items():
        own = f"{path}.{name}" if path else name
        listed = each.get("type") == "array" or any(one.get("type") == "array" for one in each.get("anyOf", ()))
        key = f"{own}[]" if listed else own
        if key not in seen:
            seen.add(key)
            yield from _sections(inner, schema, key, seen)


def _target(node: Schema, schema: Schema) -> Schema:
    """Return the object that a key holds, or a list of which it holds; the node itself where it holds neither."""
    if "$ref" in node:
        return _target(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    if node.get("type") == "array" and isinstance(node.get("items"), dict):
        return _target(node["items"], schema)
    for each in (*node.get("anyOf", ()), *node.get("allOf", ())):
        if (found := _target(each, schema)).get("properties"):
            return found
    return node


def _kind(node: Schema, schema: Schema) -> str:
    """Return in words what a key may be."""
    if "$ref" in node:
        return _kind(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in node or "oneOf" in node:
        return " or ".join(dict.fromkeys(_kind(each, schema) for each in node.get("anyOf", node.get("oneOf"))))
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    if "enum" in node:
        shown = [f"`{each}`" for each in node["enum"][:_MOST_CHOICES]]
        return ", ".join(shown) + (" …" if len(node["enum"]) > _MOST_CHOICES else "")
    if node.get("type") == "array":
        items = node.get("items") or {}
        return f"list of {_kind(items, schema)}" if items else "list"
    if node.get("type") == "object":
        inner = node.get("additionalProperties")
        return f"names with {_kind(inner, schema)}" if isinstance(inner, dict) and inner else "names with values"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
    return words.get(str(node.get("type")), "any value") + _bounds(node)


def _bounds(node: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {node[name]:g}" for name, sign in signs.items() if isinstance(node.get(name), int | float)]
    return f" {', '.join(found)}" if found else ""


def commands_page() -> Iterator[str]:
    """Every command with its help, as the terminal shows it."""
    yield "# The commands\n"
    yield "As `tabtrail COMMAND --help` prints them. Data goes to stdout, messages to stderr; what an exit code means"
    yield "stands in [When something fails](../when-something-fails.md).\n"
    for name in COMMANDS:
        yield from _command(f"tabtrail {name}", load_command(name))


def _command(path: str, command: Any) -> Iterator[str]:
    context = click.Context(command, info_name=path, terminal_width=80, max_content_width=80, color=False)
    yield f"## `{path}`\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(f"{path} {name}", inner)


def python_page() -> Iterator[str]:
    """The public names with their signatures and docstrings."""
    yield "# The Python API\n"
    yield "What `import tabtrail` offers, by name. It imports nothing that costs time until a name is used.\n"
    for name in dir(tabtrail):
        found = getattr(tabtrail, name)
        if not name.startswith("_") and (inspect.isclass(found) or inspect.isfunction(found)):
            yield from _documented(f"tabtrail.{name}", found, "##")
            if inspect.isclass(found) and not issubclass(found, BaseException):
                yield from _members(name, found)


def _members(owner: str, found: type) -> Iterator[str]:
    for name, member in vars(found).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property) or hasattr(member, "func"):  # a cached property has its function there
            inner = member.fget if isinstance(member, property) else member.func
            yield f"### `{owner}.{name}`\n"
            yield _prose(inner)
        elif inspect.isfunction(member):
            yield from _documented(f"{owner}.{name}", member, "###")


def _documented(title: str, found: Callable[..., Any], mark: str) -> Iterator[str]:
    yield f"{mark} `{title}`\n"
    if not (inspect.isclass(found) and issubclass(found, BaseException)):
        yield f"```python\n{title.rpartition('.')[2]}{_signature(found)}\n```\n"
    yield _prose(found)


def _signature(found: Callable[..., Any]) -> str:
    text = str(inspect.signature(found))
    text = re.sub(r"\b(?:tabtrail|pathlib|collections|typing|polars)(?:\.\w+)*\.(?=\w)", "", text).replace("'", "")
    if len(text) < 90:
        return text
    inside, _, answer = text[1:].rpartition(")")
    parts = re.split(r", (?=[\w*]+(?::|,|$))", inside)
    return "(\n    " + ",\n    ".join(parts) + f",\n){answer}"


def _prose(found: Any) -> str:
    return (inspect.getdoc(found) or "").replace("\n    ", "\n\n    ", 0) + "\n"


def http_page() -> Iterator[str]:
    """Every route: what it does, what it takes, how it answers."""
    app = create_app()
    tree = get_openapi(title="tabtrail", version=tabtrail.__version__, routes=app.routes)["paths"]
    completed = app.openapi()["paths"]
    yield "# The HTTP service\n"
    yield "Made from the routes of the service. The bodies are those of the model: `GET /openapi.json` of a service has them,"
    yield "and `GET /docs` shows them. [Predict and serve](../predict-and-serve.md) says what values mean, and what is limited.\n"
    yield "| route | what |"
    yield "| --- | --- |"
    for method, path, _, summary in ROUTES:
        yield f"| [`{method} {path}`](#{_anchor(method, path)}) | {_cell(summary)} |"
    yield ""
    for method, path, endpoint, summary in ROUTES:
        yield f"## `{method} {path}` {{ #{_anchor(method, path)} }}\n"
        yield f"{summary}. {_flat(inspect.getdoc(endpoint) or '')}\n"
        operation = completed.get(path, tree[path])[method.lower()]
        if taken := operation.get("requestBody"):
            yield f"Takes {', '.join(f'`{each}`' for each in taken['content'])}.\n"
        refused = [code for code in operation.get("responses", {}) if code.isdigit() and code != "200"]
        if path in completed and refused:
            yield f"Refuses with {', '.join(f'{code} ({TITLES[int(code)].lower()})' for code in refused)}.\n"


def _anchor(method: str, path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{method}-{path}".lower()).strip("-") or "root"


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value or '""'
    if len(shown) > 60:
        return "see the description"
    return f"`{_cell(shown)}`"
