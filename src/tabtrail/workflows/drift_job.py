"""What every check of drift needs of a project, and how its results are kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tabtrail.config.tree import Config
from tabtrail.contract.texts import unit_of
from tabtrail.errors import DataError, UsageError
from tabtrail.monitor.check import DriftCheck, check
from tabtrail.monitor.outcome import Compared
from tabtrail.monitor.window import Window
from tabtrail.progress import SILENT, Progress
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

TRAINING = "training"
"""The name of the reference that a bundle carries."""


@dataclass(frozen=True)
class Job:
    """One call: the project, and where its progress is shown."""

    config: Config
    progress: Progress = SILENT

    @property
    def artifacts(self) -> Artifacts:
        """Where the results lie."""
        return Artifacts.of(self.config)

    @property
    def folder(self) -> Path:
        """Folder of the JSON files and pages of checked windows."""
        return self.config.paths.output_dir / "drift"

    def importance(self, run_id: str | None) -> Mapping[str, float] | None:
        """Return the SHAP importance of each column, where it is known of this very model."""
        known = read_json(self.artifacts.importance) or {}
        return known.get("mean_absolute_shap") if run_id is not None and known.get("run_id") == run_id else None

    def check(self, window: Window, compared: Compared) -> DriftCheck:
        """Check a window once. One with too few rows does not alarm, and says so."""
        drift, weights = self.config.drift, self.importance(compared.run_id)
        found = check(
            window.reference,
            window,
            name=compared.window,
            importance=weights,
            level=drift.level,
            against=compared.reference,
        )
        if window.rows >= drift.min_rows:
            return found
        note = f"{window.rows:,} rows are fewer than drift.min_rows ({drift.min_rows:,}), so the window does not alarm"
        quiet = tuple(replace(each, alarm=False) for each in found.columns)
        return replace(found, alarm=False, columns=quiet, verdict=f"No verdict: {note}.", notes=(*found.notes, note))

    def compared(
        self, window: str, reference: str, source: str, run_id: str | None, left_out: Mapping[str, int] | None = None
    ) -> Compared:
        """Say what stands against what."""
        model = self.config.model
        return Compared(
            window=window,
            reference=reference,
            source=source,
            model=model.name,
            target=model.target,
            unit=unit_of(model.target, model.currency),
            run_id=run_id,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            synthetic=False,
            left_out=dict(left_out or {}),
        )


def log_folder(job: Job) -> Path:
    """Folder of the prediction log. Raises `UsageError` where none is configured, `DataError` where it is not there."""
    folder = job.config.serve.prediction_log_dir
    if folder is None:
        raise UsageError(
            "say what to check: --between 2003 2005, --input FILE or --table NAME; or set serve.prediction_log_dir, so that the"
            " service keeps its predictions"
        )
    if not folder.is_dir():
        raise DataError(f"there is no prediction log {folder} yet; the service writes it (serve.prediction_log_dir)")
    return folder


def file_stem(compared: Compared) -> str:
    """Name, without ending, of the files of a window: the same window has the same files."""
    against = "" if compared.reference == TRAINING else f"_against_{compared.reference}"
    return re.sub(r"[^A-Za-z0-9.]+", "_", compared.window + against).strip("_.") or "window"
