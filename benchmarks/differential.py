"""Made-up CSV files against another reading of them: Python's `csv`, `Decimal` and `datetime`, cell by cell.

Each file has its own marks of numbers, format of dates, encoding, delimiter, line ends and habit of quoting; some cells, quotes
and rows are spoiled. What ingest keeps must be what the other reading finds, what that one cannot read must be set aside, and a
file may be refused only where something in it was spoiled. A difference is printed with the file's seed; exit code 1.

    python benchmarks/differential.py [--files 2000] [--seed 1] [--only SEED] [--output FILE]
"""

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]
from tests.support.other_reading import file_of, style_of, try_file  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the file of this seed alone, shown")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.only is not None:
        rng = random.Random(options.only)
        style = style_of(rng)
        print(style, file_of(style, rng)[0], sep="\n")
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.files)
    outcomes, different = Counter[str](), {}
    for seed in seeds:
        outcome, problems = try_file(seed)
        outcomes[outcome] += 1
        if problems:
            different[seed] = problems
            print(f"seed {seed}: {'; '.join(problems[:3])}", file=sys.stderr, flush=True)
    found = {"files": outcomes.total(), "outcomes": dict(outcomes), "different": len(different)}
    print(json.dumps(found, indent=2))
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
