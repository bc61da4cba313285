"""`predict_sales --input`: rows of any number, from a file into a file."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file
from tabtrail.cli.place import Place
from tabtrail.config.file import config_path, read_raw


def predict_file(place: Place, options: Namespace) -> None:
    """Score the rows of the file `--input`, write them to `--output`, and say on stderr what became of them."""
    values = read_raw(config_path(options.config), options.set).values.get("source")
    dialect = {key: value for key, value in (values or {}).items() if key in ("delimiter", "encoding")}
    file = InputFile(options.input, keep=tuple(options.id), **dialect)
    predictor = Predictor(load_bundle(*place))
    outcome = score_file(predictor, file, Path(options.output), intervals=options.intervals, report=_row_counter())
    encoding = f" ({outcome.encoding})" if outcome.encoding else ""
    parts = [f"{options.input.name}{encoding}: {outcome.rows:,} rows, {outcome.scored:,} scored"]
    if outcome.rejects is not None:
        parts.append(f"{outcome.rejected:,} rejected, with reasons in {outcome.rejects.name}")
    if outcome.warned:
        parts.append(f"{outcome.warned:,} with something that the model has not seen")
    print("; ".join(parts), file=sys.stderr)
    print(f"model {predictor.metadata['model']} · run {predictor.metadata['run_id']}", file=sys.stderr)


def _row_counter() -> Callable[[int], None]:
    """Return what shows on a terminal, at most twice a second, how many rows are done."""
    shown = time.monotonic()

    def show(rows: int) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)

    return show
