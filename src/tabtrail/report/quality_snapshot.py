"""The quality report as Markdown, for people: a table for each project, with the artifact of every figure."""

from collections.abc import Iterator, Mapping
from typing import Any

from tabtrail.config.quality import EVIDENCE
from tabtrail.report.figures import shown as figure

_SHARES = ("tests.coverage", "intervals.level", "intervals.coverage", "calibration.share")  # 0 to 1 in the JSON
_HASH = 16  # characters of a fingerprint that tell it from any other


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
            yield f"| {EVIDENCE[name]} (`{name}`) | {shown(each, name)} | {source} | {command} |"


def shown(evidence: Mapping[str, Any], name: str = "") -> str:
    """Return a figure with its unit as people read it, or why there is none; `name` is its key in the report."""
    value, unit = evidence["value"], evidence["unit"]
    if value is None:
        return f"– ({evidence['missing'] or 'not measured'})".replace("|", "\\|")
    if isinstance(value, Mapping):
        return ", ".join(f"{each} {version}" for each, version in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,} {unit.removesuffix('s') if value == 1 else unit}".rstrip()
    if isinstance(value, float):
        return f"{figure(value, 3, percent=True) if name in _SHARES else figure(value)} {unit}".rstrip()
    return str(value)[:_HASH] if name.startswith("hashes.") else str(value)
