"""What every page for people is made in: the templates with their filters, style and script, and how figures are shown."""

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tabtrail.modeling.metrics import Metric
from tabtrail.report.figures import shown
from tabtrail.report.svg import legend, svg


def page_environment() -> Environment:
    """Return the templates of the pages, with the filters that show figures and charts."""
    environment = Environment(
        loader=PackageLoader("tabtrail.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "figure": figure, "svg": svg, "legend": legend}
    environment.globals["names_of"] = lambda prefix, metrics: [prefix + metric.label for metric in metrics]
    return environment


def page_frame(environment: Environment) -> dict[str, object]:
    """Return what every page carries: style and script, with the hashes that let a browser take no others."""
    style, script = (environment.loader.get_source(environment, name)[0] for name in ("report.css", "report.js"))  # type: ignore[union-attr]
    return {
        "style": Markup(style),  # noqa: S704 - a file of this package
        "script": Markup(script),  # noqa: S704
        "style_hash": _csp_hash(style),
        "script_hash": _csp_hash(script),
    }


def number(value: float | None, digits: int = 4, *, percent: bool = False) -> Markup:
    """Return a figure: rounded for the eye, with its exact value for machines; a dash for None."""
    if value is None:
        return Markup('<span class="none">–</span>')
    return Markup('<data value="{}">{}</data>').format(repr(value), shown(value, digits, percent=percent))


def figure(value: float | None, metric: Metric) -> Markup:
    """Return a value of a metric, with its digits and unit."""
    return number(value, metric.digits, percent=metric.is_percent)


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
