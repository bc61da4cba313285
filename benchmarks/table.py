"""One Markdown table of the comparisons, from the JSON that they wrote, put between two marks of docs/figures.md.

python benchmarks/table.py [--results benchmarks/results] [--page docs/figures.md]
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("ingest", "sql", "fits", "tracking", "export", "batch", "serving", "predict_cli")
ROLES = ("ours", "engine", "usual")
BEGIN, END = "<!-- comparisons: made by benchmarks/table.py -->", "<!-- end of comparisons -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "figures.md")
    options = parser.parse_args()
    text = options.page.read_text(encoding="utf-8")
    options.page.write_text(replaced(text, table(options.results)), encoding="utf-8")


def table(results: Path) -> str:
    """Return a row for each benchmark: cost and peak memory of ours, the engine alone and the usual code, and the ratios."""
    lines = [
        "| what | ours | engine alone | usual code | ours / engine | ours / usual |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in NAMES:
        found = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        sides = [cell(found["sides"][role], found["unit"], say=role != "ours") for role in ROLES]
        ratios = [f"{found['ratios'][f'ours / {role}']:.3g}" for role in ROLES[1:]]
        lines.append(f"| {found['subject']} (`{name}.py`) | {' | '.join([*sides, *ratios])} |")
    return "\n".join(lines)


def cell(side: dict[str, Any], unit: str, *, say: bool) -> str:
    cost = side["cost"]
    shown = f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"
    return f"{side['what'] + ': ' if say else ''}{shown} {unit}, {side['peak_mb']:,.0f} MB"


def replaced(text: str, made: str) -> str:
    """Return a page with the table between the marks, or raise `SystemExit` where it has none."""
    if BEGIN not in text or END not in text:
        raise SystemExit(f"the page has no {BEGIN} … {END}")
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{made}\n{END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    main()
