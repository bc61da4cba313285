"""Every candidate's pipeline and input example under names that a person looks for, without a second copy of them."""

from collections.abc import Mapping
from pathlib import Path

from tabtrail.project.paths import Artifacts
from tabtrail.system.files import link_or_copy
from tabtrail.tracking.models import LoggedModel, local_files

_EXAMPLE, _PIPELINE = "_input_example.parquet", "_pipeline.joblib"


def link_models(artifacts: Artifacts, models: Mapping[str, LoggedModel]) -> None:
    """Link what the MLflow store holds of each candidate into the output folder, and remove the links of other candidates.

    Links are hard ones: they take no room, and unlike symbolic ones they still hold the file where the folder is copied to
    another machine or the store is cleared. Where there are no hard links (two file systems) the files are copied. There is
    nothing to link in a store that is not on this disk.
    """
    found = {name: files for name, model in models.items() if (files := local_files(model)) is not None}
    _replace(artifacts.input_examples, _EXAMPLE, {name: files.example for name, files in found.items()})
    _replace(artifacts.pipelines, _PIPELINE, {name: files.pipeline for name, files in found.items()})


def _replace(folder: Path, suffix: str, sources: Mapping[str, Path]) -> None:
    for name, source in sources.items():
        link_or_copy(source, folder / f"{name}{suffix}")
    for file in folder.glob(f"*{suffix}"):
        if file.name.removesuffix(suffix) not in sources:
            file.unlink()
