"""The measured peers as one page.

python benchmarks/peers/table.py [benchmarks/results/peers.json] > docs/peers.md
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

RESULTS = Path(__file__).resolve().parent.parent / "results" / "peers.json"
_GROUPS = {
    "both libraries' defaults": (("catboost", "none"), ("lightgbm", "none")),
    "AutoGluon's medium_quality and FLAML at 60 s": (("autogluon", "medium_quality 60 s"), ("flaml", "60 s")),
    "AutoGluon's best_quality and FLAML at 300 s": (("autogluon", "best_quality 300 s"), ("flaml", "300 s")),
}
_HEAD = """# Peers

What `tabtrail run` comes to with a config that names only file, target, kinds of columns and split, beside other tools on the
same rows and columns: parts of dates as numbers, categories as categories, the same held-out fifth. `benchmarks/peers/run.py`
and `table.py` made it (`benchmarks/peers/README.md` says how), on two cores: budgets of peers are wall-clock, and FLAML and
AutoGluon were run with priority over all other work, so that they had both cores. The CPU seconds of tabtrail are those of the
whole run: reading, checks, folds, proof, fit on all rows, explanation, tracking and page. Its RMSE is that of the model that
learned from the other four fifths; what is deployed has then learned from all rows. RMSE and MAE are means over a tool's own
splits; "tabtrail's to it" is the ratio of RMSE on the splits that both have. A row's time is CPU of one call: of tabtrail's
graph, of the others' own Python calls.

tabtrail's rows have the present default candidates and were measured with priority over other work on the machine.
Splits in time: the last fifth of all rows, of all but the last tenth of them, and of all but the last two tenths. In California
tabtrail by itself also learns from places along further directions; the others got longitude and latitude as they are. "300 s",
mljar and H2O were run on the first split alone, where a table has a line of them.
"""


def main() -> None:
    cells = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else RESULTS).read_text())["cells"]
    by_case: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        by_case[cell["case"]].append(cell)
    print(_HEAD)
    ratios: dict[str, list[float]] = defaultdict(list)
    for case, own in by_case.items():
        print(f"## {case}\n")
        for group, ratio in _table(own).items():
            ratios[group].append(ratio)
    print("## All data sets\n\nRMSE of tabtrail:\n")
    for group, known in ratios.items():
        mean = float(np.exp(np.mean(np.log(known))))
        sets = "one data set" if len(known) == 1 else f"{len(known)} data sets"
        print(f"- to the better of {group}, the geometric mean over {sets}: **{mean:.3f}**")


def _table(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Print the table of a case, the means over its seeds; return the ratio of tabtrail to the better tool of each group."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        rows[cell["peer"], cell["budget"]].append(cell)
    ours = {cell["seed"]: cell for (peer, _), own in rows.items() if peer == "tabtrail" for cell in own}
    print("| tool | budget | splits | RMSE | tabtrail's to it | MAE | CPU-s | size on disk | one row | what it was |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (peer, budget), own in sorted(rows.items(), key=lambda each: _mean(each[1], "rmse")):
        shown = [
            f"{_mean(own, key):,.{digits}f}"
            for key, digits in (("rmse", _digits(own)), ("mae", _digits(own)), ("cpu_seconds", 0))
        ]
        shown.insert(1, _beside(own, ours))
        size, row = f"{_mean(own, 'size_bytes') / 1e6:.1f} MB", f"{_mean(own, 'row_ms'):.2g} ms"
        print(f"| {' | '.join([peer, budget, str(len(own)), *shown, size, row, own[0]['version']])} |")
    print()
    for seed, cell in ours.items():
        held, covered = cell["test_rows"], round(cell["coverage"] * cell["test_rows"])
        low, high = (int(each) for each in stats.binom.interval(0.95, held, 0.9))
        inside = "within" if low <= covered <= high else "outside of"
        print(
            f"Of the promised 90 %, {cell['coverage']:.1%} of {cell['test_rows']:,} held-out rows lie in their interval"
            f" (split {seed}), {inside} the {low / held:.1%} to {high / held:.1%} that chance allows.\n"
        )
    print("RMSE of tabtrail:\n")
    found = {group: ratio for group, peers in _GROUPS.items() if (ratio := _ratio(rows, ours, group, peers)) is not None}
    print()
    return found


def _beside(own: list[dict[str, Any]], ours: dict[int, dict[str, Any]]) -> str:
    """The geometric mean of tabtrail's RMSE to a tool's, over the splits that both were measured on."""
    logs = [np.log(ours[cell["seed"]]["rmse"] / cell["rmse"]) for cell in own if cell["seed"] in ours]
    return f"{np.exp(np.mean(logs)):.3f}" if logs else "–"


def _ratio(
    rows: dict[tuple[str, str], list[dict[str, Any]]],
    ours: dict[int, dict[str, Any]],
    group: str,
    peers: tuple[tuple[str, str], ...],
) -> float | None:
    known = [{cell["seed"]: cell["rmse"] for cell in rows[peer]} for peer in peers if peer in rows]
    seeds = [seed for seed in ours if len(known) == len(peers) and all(seed in each for each in known)]
    if not seeds:
        return None
    logs = [np.log(ours[seed]["rmse"] / min(each[seed] for each in known)) for seed in seeds]
    ratio = float(np.exp(np.mean(logs)))
    reach = stats.t.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else None
    span = "" if reach is None else f", 95 %: {np.exp(np.mean(logs) - reach):.3f} to {np.exp(np.mean(logs) + reach):.3f}"
    print(f"- to the better of {group}: **{ratio:.3f}** ({len(seeds)} splits{span})")
    return ratio


def _mean(cells: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([cell[key] for cell in cells]))


def _digits(cells: list[dict[str, Any]]) -> int:
    return 0 if _mean(cells, "rmse") >= 1_000 else 2


if __name__ == "__main__":
    main()
