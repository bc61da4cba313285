"""`predict_sales --input`: rows of any number, from a file into a file."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.metadata import layout_of
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import ScoredFile, score_file
from tabtrail.cli.place import Place
from tabtrail.cli.value_rules import require_trained_rules
from tabtrail.config.data import Source
from tabtrail.config.file import KeyPath, config_path, dotted, read_overrides, read_raw
from tabtrail.contract.layout import Layout
from tabtrail.errors import ConfigError

_MOST_NAMED = 5  # columns that could be repeated


def predict_file(place: Place, options: Namespace) -> None:
    """Score the rows of the file `--input`, write them to `--output`, and say on stderr what became of them."""
    predictor = Predictor(load_bundle(*place))
    require_trained_rules(predictor.schema, options.set, config_path(options.config))
    layout, given = _layout(predictor, options)
    file = InputFile(options.input, layout, keep=tuple(options.id), sheet=options.sheet or given.get("sheet"))
    output = output_at(Path(options.output), options.by)
    outcome = score_file(predictor, file, output, intervals=options.intervals, report=_row_counter(options.quiet))
    encoding = f" ({outcome.encoding})" if outcome.encoding else ""
    parts = [f"{options.input.name}{encoding}: {outcome.rows:,} rows, {outcome.scored:,} scored"]
    if outcome.rejects is not None:
        parts.append(f"{outcome.rejected:,} rejected, with reasons in {outcome.rejects.name}")
    if outcome.warned:
        kinds = ", ".join(f"{count:,} with {what}" for what, count in outcome.warned_of.items() if count)
        parts.append(f"{outcome.warned:,} with a warning ({kinds})" if kinds else f"{outcome.warned:,} with a warning")
    if not options.quiet or outcome.rejected or outcome.warned:
        print("; ".join(parts), file=sys.stderr)
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    model, run_id = predictor.metadata["model"], predictor.metadata["run_id"]
    if not options.quiet:
        print(_written(outcome, output.ending), file=sys.stderr)
        print(f"model {model} · run {run_id}", file=sys.stderr)
    if options.format == "json":
        counts = {"rows": outcome.rows, "scored": outcome.scored, "rejected": outcome.rejected, "warned": outcome.warned}
        rejects = None if outcome.rejects is None else str(outcome.rejects)
        said = {
            **counts,
            "warned_of": dict(outcome.warned_of),
            "rejects": rejects,
            "notes": list(outcome.notes),
            "output": options.output,
        }
        print(json.dumps({**said, "model": model, "run_id": run_id}, ensure_ascii=False))


def _written(outcome: ScoredFile, ending: str) -> str:
    """Say which columns the output has, by which marks, and which could be repeated."""
    text = f"written: {', '.join(outcome.columns)}"
    text += " (',' between fields, '.' in numbers)" if ending == ".csv" else ""
    if not (left := outcome.not_repeated):
        return text
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return f"{text}; --id COLUMN repeats one of {', '.join(left[:_MOST_NAMED])}{more}"


def _layout(predictor: Predictor, options: Namespace) -> tuple[Layout, dict[str, Any]]:
    """Return how the file lies, and what of that was given for it.

    It lies as flags or the environment say, else as the files did that the model learned from.
    A bundle of an earlier version does not say so: the config file does then. Raises `ConfigError` for a value that cannot be.
    """
    config = config_path(options.config)
    raw = read_raw(config, options.set)
    values = read_overrides("source", options.set) if "layout" in predictor.metadata else raw.values.get("source") or {}
    try:
        source = Source.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        key: KeyPath = ("source", *detail["loc"])
        raise ConfigError(f"{raw.places.locate(key)}: {dotted(key)}: {detail['msg']}") from None
    given = {name: value for name, value in asdict(source.layout).items() if name in source.model_fields_set}
    return replace(layout_of(predictor.metadata), **given), given


def _row_counter(quiet: bool) -> Callable[[int], None]:
    """Return what shows on a terminal, at most twice a second and not when quiet, how many rows are done."""
    shown = time.monotonic()

    def show(rows: int) -> None:
        nonlocal shown
        if not quiet and sys.stderr.isatty() and time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)

    return show
