"""`predict_sales`: predictions on the command line, from the bundle alone.

argparse and no typed config on purpose: a single prediction takes about as long as starting onnxruntime.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.cli.place import Place, locate_bundle
from tabtrail.config.file import config_path
from tabtrail.contract.described import describe
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import UsageError, report_errors, require_extra
from tabtrail.reading.strict_json import object_without_repeats

_LONG_LINE = 400  # characters of an example on one line, which can be copied; a longer one has a line for each column


def run_program(prog: str) -> NoReturn:
    """Run `main` as a whole process that predicts and ends.

    This saves a quarter of the time of a prediction: it needs no second BLAS thread (which spins), no garbage collection while
    modules load, and no orderly end of the interpreter. It sets an environment variable and ends the process, so that only a
    program may call it.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = 0
    try:
        main(prog=prog)
        sys.stdout.flush()
    except BrokenPipeError:
        code = 1
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Parse the command line, predict, print; exit code 0, 1 (bundle) or 2 (usage, payload)."""
    options = _modern(_parser(prog).parse_args(argv))
    with report_errors():
        place = locate_bundle(options.config, options.set, demand=options.demand)
        if options.input is not None:
            if options.output is None:
                raise UsageError(
                    "--input needs --output FILE: a .parquet, .csv or .jsonl for the predictions, with --by a folder"
                )
            require_extra("arrow", "pyarrow")
            from tabtrail.cli.predict_file import predict_file  # needs an extra

            predict_file(place, options)
            return
        if options.output is not None or options.by is not None:
            raise UsageError("--output and --by say where the predictions of --input go; leave them out, or give --input")
        if options.show_schema:
            _show_schema(read_metadata(*place), as_json=options.format == "json")
            return
        payload = _read_payload(options)
        _predict(place, payload, options)


def _parser(prog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Predict from the deployed model, or show what it takes.",
        epilog="example: %(prog)s --show-schema, then paste the example payload back: %(prog)s --json '{...}'",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--show-schema", action="store_true", help="print columns, types, ranges or categories, and an example payload"
    )
    source.add_argument("--json", metavar="JSON", help="one row as a JSON object, or a list of rows")
    source.add_argument("--json-file", metavar="FILE", type=Path, help="the same, from a file ('-' reads standard input)")
    source.add_argument("--input", metavar="FILE", type=Path, help="rows of any number: CSV, Parquet, Excel, JSON lines")
    parser.add_argument("--sheet", metavar="NAME", help="with --input: the sheet of a workbook")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text for people (default), json for programs")
    parser.add_argument(
        "--output", metavar="FILE", help="with --input: a .parquet, .csv or .jsonl for the predictions, with --by a folder"
    )
    parser.add_argument(
        "--by", choices=("day", "month", "quarter", "year"), help="with --input: a file a period, by the date column"
    )
    parser.add_argument("--intervals", action="store_true", help="with --input: also the bounds of the intervals")
    parser.add_argument("--id", metavar="COLUMN", action="append", default=[], help="with --input: a column to repeat")
    parser.add_argument("--demand", action="store_true", help="by the model of series, where there is one of rows too")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on stderr but warnings")
    parser.add_argument("--config", metavar="PATH", type=Path, help="the YAML file (default: config_v2.yaml here)")
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="override one value of the config"
    )
    return parser


def _modern(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options with `--output text` and `--output json`, as `--format` was written before, as that."""
    if options.output in ("text", "json"):
        print(f"note: --output {options.output} is written --format {options.output} now", file=sys.stderr)
        options.format, options.output = options.output, None
    return options


def _read_payload(options: argparse.Namespace) -> Any:
    text, where = options.json, "--json"
    if options.json_file is not None:
        where = str(options.json_file)
        try:
            text = sys.stdin.read() if where == "-" else options.json_file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"cannot read {where}: {reason}") from None
    try:
        payload = json.loads(text, object_pairs_hook=object_without_repeats)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{where} is not JSON that can be read: {error}") from None
    if payload == []:
        raise UsageError(f"{where}: the list is empty; give at least one row")
    return payload


def _predict(place: Place, payload: Any, options: argparse.Namespace) -> None:
    from tabtrail.bundle.predictor import Predictor  # onnxruntime is most of the start, and the schema needs none of it

    predictor = Predictor(load_bundle(*place))
    if options.set:
        from tabtrail.cli.value_rules import require_trained_rules  # the typed config, which a plain prediction does without

        require_trained_rules(predictor.schema, options.set, config_path(options.config))
    metadata = predictor.metadata
    rows = payload if isinstance(payload, list) else [payload]
    answers = [predictor.document(prediction) for prediction in predictor.predict(rows)]
    if options.format == "json":
        print(json.dumps(answers if isinstance(payload, list) else answers[0], ensure_ascii=False))
        return
    for index, answer in enumerate(answers, 1):
        row = f"row {index}: " if len(answers) > 1 else ""
        print(f"{answer['prediction']:,.2f} {metadata['currency']}".rstrip() + _interval_text(answer["interval"]))
        for warning in answer["warnings"]:
            print(f"warning: {row}{warning}", file=sys.stderr)
    if not options.quiet:
        print(f"model {metadata['model']} · run {metadata['run_id']}", file=sys.stderr)


def _interval_text(interval: dict[str, float] | None) -> str:
    if interval is None:
        return ""
    return f"  ({interval['level']:.0%} interval {interval['low']:,.2f} to {interval['high']:,.2f})"


def _show_schema(metadata: dict[str, Any], *, as_json: bool) -> None:
    schema = ModelSchema.from_dict(metadata["schema"])
    example = json.dumps(schema.example, ensure_ascii=False)
    example = example if len(example) <= _LONG_LINE else json.dumps(schema.example, ensure_ascii=False, indent=2)
    if as_json:
        said = {"model_name": metadata["model"], "target": schema.target, **schema.to_dict(), "example": schema.example}
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return
    described = [describe(feature) for feature in schema.features]
    rows = [tuple(described[0]), *(tuple(each.values()) for each in described)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *known, seen in rows:
        start = "".join(f"{text:{width}}  " for text, width in zip(known, widths, strict=True))
        print(_wrapped(start, seen))
    for rule in schema.row_rules:
        print(f"rule {rule.name}: {rule.check}")
    print(f"\npredicts {schema.target} {metadata['currency']} with {metadata['model']}; an example payload:\n{example}")


def _wrapped(start: str, text: str) -> str:
    """A line that begins with `start`, broken on a terminal between words, with the rest of the text below its first word."""
    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    if len(start) + len(text) <= width or not width:
        return (start + text).rstrip()
    return textwrap.fill(text, max(width, len(start) + 20), initial_indent=start, subsequent_indent=" " * len(start))
