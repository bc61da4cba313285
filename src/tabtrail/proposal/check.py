"""A draft held to the product itself: its own config, ingest and rules over what was looked at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tabtrail.config.load import load_config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.errors import DataError
from tabtrail.proposal.look import Look
from tabtrail.proposal.numbers import MOST_LOST
from tabtrail.system.temporary import scratch_folder

_MOST_REJECTED = 0.5
_FEW_REJECTED = 0.01  # a run is refused for more, where the config does not say otherwise
_ROOM = 1.2  # times the rejected rows that were seen are allowed: the file may grow by rows like them
_ROOM_SAMPLED = 2.0  # the same where not all rows were seen


@dataclass(frozen=True)
class Checked:
    """What ingest made of a draft: what a person should look at, and the share of rejected rows to allow, with the reason."""

    findings: tuple[str, ...]
    share: float
    reason: str
    rows: int
    rejected: int
    rejects: Mapping[str, int]

    def worst(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the columns whose rules set aside more rows than may be lost for one of them, each with what was broken."""
        most = MOST_LOST * self.rows
        broken = {rule: count for rule, count in self.rejects.items() if count > max(most, 1)}
        return {name: rule for name in columns for rule in broken if rule.startswith(f"{name}: ")}


def check(text: str, look: Look) -> Checked:
    """Ingest what was looked at by a config, and return what came of it. Raises what the product says against it."""
    with scratch_folder() as scratch:
        manifest = _ingested(text, look, Path(scratch))
    # Lines of a sample are not those of the file, and rows of it that are alike say nothing of all.
    findings = () if look.sampled else (*manifest.findings, *map(str, manifest.shifts))
    share, reason = _share(manifest, look)
    many = (reason,) if manifest.rows_rejected > _FEW_REJECTED * manifest.rows_in else ()
    return Checked((*many, *findings), share, reason, manifest.rows_in, manifest.rows_rejected, manifest.rejects)


def _ingested(text: str, look: Look, folder: Path) -> Manifest:
    config = folder / "config.yaml"
    config.write_text(text, encoding="utf-8")
    places = {"processed_dir": "data_parquet", "duckdb_file": "x.duckdb", "models_dir": "models", "output_dir": "output"}
    paths = {name: str(folder / place) for name, place in places.items()} | {"raw_csv": str(look.file.local.absolute())}
    loaded = load_config(config, [f"paths.{name}={value}" for name, value in paths.items()])
    return ingest(loaded)


def require_rows(found: Checked, name: str) -> None:
    """Raise `DataError` where most rows would be set aside."""
    if found.rejected > _MOST_REJECTED * found.rows:
        worst = "; ".join(f"{rule} ({count:,})" for rule, count in list(found.rejects.items())[:3])
        raise DataError(f"{name}: {found.rejected:,} of its {found.rows:,} rows cannot be used: {worst}")


def _share(manifest: Manifest, look: Look) -> tuple[float, str]:
    """Return the allowed share of rejected rows, in steps of a hundredth, and what it rests on."""
    rows, rejected = manifest.rows_in, manifest.rows_rejected
    if not rejected:
        return 0.01, "no row of those that were looked at breaks the contract" if look.sampled else "no row breaks the contract"
    room = _ROOM if look.sampled is None else _ROOM_SAMPLED
    share = min(1.0, max(0.01, math.ceil(100 * room * rejected / rows) / 100))
    worst = "; ".join(f"{rule} ({count:,})" for rule, count in list(manifest.rejects.items())[:3])
    return share, f"{rejected:,} of {rows:,} rows are set aside, with their lines, in the file of rejects: {worst}"
