"""The quality report as Markdown, for people: a table for each project, with the artifact of every figure."""

from collections.abc import Iterator, Mapping
from typing import Any

from tabtrail.config.quality import EVIDENCE


def snapshot(report: Mapping[str, Any]) -> str:
    """Return the Markdown of a report of `tabtrail quality`."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield "# Quality report"
    yield ""
    yield f"Made {report['created']} by `tabtrail quality`. Beside each figure: the file that has it, and the command for that."
    for project in report["projects"]:
        yield from ("", f"## {project['name']}", "")
        if project["missing"]:
            yield from (f"**Required and missing: {', '.join(project['missing'])}.**", "")
        yield "| what | figure | from | command |"
        yield "| --- | ---: | --- | --- |"
        for name, each in project["evidence"].items():
            source = f"`{each['artifact']}`" if each["artifact"] else ""
            command = f"`{each['command']}`" if each["command"] else ""
            yield f"| {EVIDENCE[name]} (`{name}`) | {shown(each)} | {source} | {command} |"


def shown(evidence: Mapping[str, Any]) -> str:
    """Return a figure with its unit as people read it, or why there is none."""
    value, unit = evidence["value"], evidence["unit"]
    if value is None:
        return f"– ({evidence['missing'] or 'not measured'})".replace("|", "\\|")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)[:16]
    return f"{text} {unit}".rstrip()
