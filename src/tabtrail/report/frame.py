"""What every page for people is made in: the templates with their filters, style and script, and how figures are shown."""

import base64
import hashlib
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tabtrail.modeling.metrics import Metric
from tabtrail.report.figures import are_years, places_of, shown, slice_text
from tabtrail.report.live import chart_data
from tabtrail.report.svg import legend, svg
from tabtrail.report.verdict import Number, Sentence

_STYLES = ("uplot/uPlot.min.css", "charts.css", "report.css")
_SCRIPTS = ("uplot/LICENSE", "uplot/uPlot.iife.min.js", "report.js", "live.js")
_KINDS = {"VARCHAR": "text", "BIGINT": "whole number", "INTEGER": "whole number", "DOUBLE": "number", "BOOLEAN": "yes or no"}
_UNITLESS = 4  # decimals of R² and its like


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
    environment.filters |= {
        "number": number,
        "figure": figure,
        "sentence": sentence,
        "breakable": breakable,
        "prose": prose,
        "slice": slice_text,
        "kind": kind,
        "svg": svg,
        "data": chart_data,
        "legend": legend,
    }
    environment.tests["whole"] = lambda value: value == int(value)
    environment.globals |= {
        "names_of": lambda prefix, metrics: [prefix + metric.label for metric in metrics],
        "places_of": places_of,
        "are_years": are_years,
    }
    return environment


def page_frame(environment: Environment) -> dict[str, object]:
    """Return what every page carries: style and script, with the hashes that let a browser take no others."""
    style, script = ("\n".join(_source(environment, name) for name in names) for names in (_STYLES, _SCRIPTS))
    return {
        "style": Markup(style),  # noqa: S704 - a file of this package
        "script": Markup(script),  # noqa: S704
        "style_hash": _csp_hash(style),
        "script_hash": _csp_hash(script),
    }


def _source(environment: Environment, name: str) -> str:
    text: str = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
    return f"/*! {text}*/" if name.endswith("LICENSE") else text


def number(
    value: float | None, digits: int = 4, *, percent: bool = False, places: int | None = None, years: bool = False
) -> Markup:
    """Return a figure: rounded for the eye, with its exact value for machines; a dash for None. `years` have no comma."""
    if value is None:
        return Markup('<span class="none">–</span>')
    text = shown(value, digits, percent=percent, places=places)
    text = text.replace(",", "") if years else text
    # No line ends between a figure and its sign.
    return Markup('<data value="{}">{}</data>').format(repr(value), text.replace(" %", "\N{NO-BREAK SPACE}%"))


def figure(value: float | None, metric: Metric, places: int | None = None) -> Markup:
    """Return a value of a metric, with its digits and unit; `places` are the decimals of figures in the target's unit."""
    decimals = {"target": places, "none": _UNITLESS}.get(metric.unit)
    return number(value, metric.digits, percent=metric.is_percent, places=decimals)


def sentence(parts: Sentence) -> Markup:
    """Return a sentence with its figures as they are shown."""
    shown_parts = (
        number(part.value, part.digits, percent=part.percent) if isinstance(part, Number) else prose(part) for part in parts
    )
    return Markup("").join(shown_parts)


def prose(text: object) -> Markup:
    """Return words in which no line ends within a figure, and all percent signs stand a blank from theirs."""
    apart = re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", str(escape(text)))
    return Markup(re.sub(r"(?<=\de)-(?=\d)", "\N{NON-BREAKING HYPHEN}", apart))  # noqa: S704 - escaped before


def kind(dtype: str) -> str:
    """Return what people call a type of DuckDB."""
    return _KINDS.get(dtype, dtype.lower())


def breakable(text: object) -> Markup:
    """Return a name that may be broken after an underscore, a slash or a dot where its column is narrow."""
    return Markup(re.sub(r"([_/.])(?=[^\s_/.])", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped before


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
