"""Names of the model, its table and its files, taken from the file and the target; and how the config names the file."""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tabtrail.config.summaries import DuckDB, check_table

_LONGEST = 40


@dataclass(frozen=True)
class Names:
    """`data` names the table and the files, `model` the model; `raw` is the file as the config at `config` names it."""

    data: str
    model: str
    raw: str
    config: Path

    @classmethod
    def of(cls, file: Path, target: str, config: Path) -> "Names":
        """Return the names for a file, its target and the config that is to be written."""
        data = safe_name(_stem(file)) or "table"
        if next(check_table(DuckDB(table=data)), None):
            data += "_data"  # a table of results is called so
        return cls(data, f"{data}_{safe_name(target) or 'target'}"[: 2 * _LONGEST], _relative(file, config.parent), config)


def default_config(file: Path) -> Path:
    """Return where the config of a file is written: in the working folder, under the name of the file."""
    return Path.cwd() / f"{safe_name(_stem(file)) or 'table'}.yaml"


def safe_name(text: str) -> str:
    """Return a text as a name of plain letters, digits and underscores that begins with a letter or digit."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_").lower()[:_LONGEST].strip("_")
    return f"t_{name}" if name[:1].isdigit() else name


def _stem(file: Path) -> str:
    name = file.name
    while (shorter := Path(name).stem) != name and Path(name).suffix[1:].isalpha():
        name = shorter
    return name


def _relative(file: Path, folder: Path) -> str:
    """Return a path from a folder; of a file that shares nothing with it but the root, the whole path."""
    whole, start = os.path.abspath(file), os.path.abspath(folder)
    shared = Path(os.path.commonpath([whole, start])) if Path(whole).drive == Path(start).drive else None
    return whole if shared is None or shared == Path(shared.anchor) else Path(os.path.relpath(whole, start)).as_posix()
