"""`tabtrail.fit`: a frame in memory, looked at as `tabtrail init` looks at a file, and run."""

import shutil
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tabtrail.api.frames import arrow_of, library_of
from tabtrail.api.result import LOG, Result, run
from tabtrail.config.file import read_raw
from tabtrail.errors import DataError, UsageError
from tabtrail.proposal.naming import safe_name
from tabtrail.proposal.propose import propose, write_proposal
from tabtrail.reading.parquet import is_cell
from tabtrail.system.files import atomic_file, make_folder
from tabtrail.system.temporary import lasting_scratch_folder

_NAME = "frame"
_DATA = "data/fit"  # beside what a person keeps in data


class Scratch:
    """A folder that lies as long as somebody refers to it, and is removed with the process at the latest."""

    def __init__(self) -> None:
        self.path = lasting_scratch_folder()
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def fit(
    frame: Any,
    *,
    target: str,
    date: str | None = None,
    group: str | None = None,
    folder: str | PathLike[str] | None = None,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    report: bool = True,
    say: Callable[[str], None] = LOG.info,
) -> Result:
    """Train, prove and deploy a model that predicts the column `target` of a frame of pandas, Polars or Arrow.

    What `tabtrail init` does for a file is done for the frame (`result.config_file` is what it wrote), and then what
    `tabtrail run` does. `date` names the column of the rows' dates and `group` that whose rows stay together, where they are not
    to be found. `folder` becomes the project, with the rows in it as Parquet; the config of an earlier fit of this target in it
    stands, edits and all. Without it the project lies in a temporary folder for as long as the result or its model is referred
    to. `overrides`, `report` and `say` are those of `run`.

    Raises `UsageError` for a frame or folder that cannot be used, `DataError` where no model can be made of the rows, and what
    `run` raises.
    """
    table = _rows_of(frame)
    scratch = Scratch() if folder is None else None
    place = scratch.path if scratch else Path(str(folder)).expanduser().absolute()
    name = _NAME if scratch else safe_name(place.name) or _NAME
    config, file = place / f"{name}.yaml", place / _DATA / f"{name}.parquet"
    _require_own(config, file, target)
    make_folder(file.parent)
    with atomic_file(file) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    findings: tuple[str, ...] = ()
    if not config.exists():
        proposal = propose(file, target=target, date=date, group=group, output=config)
        write_proposal(proposal)
        findings = proposal.findings
    elif date is not None or group is not None:
        raise UsageError(f"{config} is there already and says what date and group are; edit it, or name another folder")
    say(f"fit: the config is {config}")
    found = run(config, overrides=overrides, report=report, say=say)
    return found.with_more(findings, scratch)


def _rows_of(frame: Any) -> Any:
    if library_of(frame) == "pandas" and getattr(frame, "ndim", 2) == 2:
        named = [name for name in frame.index.names if name is not None]
        if named:
            warnings.warn(
                f"the index ({', '.join(map(str, named))}) is left out; reset_index() makes columns of it",
                UserWarning,
                stacklevel=3,
            )
    table = arrow_of(frame)
    for field in table.schema:
        if not is_cell(field.type):
            raise DataError(
                f"the column '{field.name}' is {field.type}, which is not read; make numbers or texts of it, or drop it"
            )
    return table


def _require_own(config: Path, file: Path, target: str) -> None:
    """Raise `UsageError` where there is a config of this name that is not of an earlier fit of the same target."""
    if config.parent.exists() and not config.parent.is_dir():
        raise UsageError(f"{config.parent} is not a folder")
    if not config.exists():
        return
    values = read_raw(config, environment={}).values
    source, known = ((values.get(section) or {}).get(key) for section, key in (("paths", "raw_csv"), ("model", "target")))
    if source is None or config.parent / str(source) != file:
        raise UsageError(f"{config} is not of an earlier fit, and is left alone; tabtrail.run runs it, or name another folder")
    if known != target:
        raise UsageError(f"{config} is of a model that predicts {known}; name another folder for {target}")
