"""The deployed models, loaded once for as long as their files stay what they are."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.bundle.metadata import metadata_path
from tabtrail.bundle.predictor import Predictor
from tabtrail.dashboard.place import Place, Stamp, stamp_of
from tabtrail.errors import BundleError, NotTrainedError


def load_deployed(at: Place, *, demand: bool = False) -> Predictor | None:
    """Return the deployed model, with `demand` that of series; None where there is none. Raises `BundleError` for one that cannot
    be used.
    """
    config = at.config.for_demand() if demand else at.config
    folder, name = config.paths.models_dir, config.model.name
    files = (metadata_path(folder, name), folder / f"{name}.onnx", folder / history_name(name))
    try:
        found: Predictor = _load(str(folder), name, config.bundle.public_key, tuple(map(stamp_of, files)))
    except NotTrainedError:
        return None
    return found


def deployed_runs(at: Place) -> frozenset[str]:
    """Return the runs of the models in use, of rows and of series."""
    configs = [at.config] if at.config.demand is None else [at.config, at.config.for_demand()]
    found = set()
    for config in configs:
        with suppress(BundleError):
            found.add(str(read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)["run_id"]))
    return frozenset(found)


@st.cache_resource(max_entries=2, show_spinner="Loading the model")
def _load(folder: str, name: str, key: Path | None, stamps: tuple[Stamp | None, ...]) -> Predictor:  # noqa: ARG001 - part of the key
    return Predictor(load_bundle(Path(folder), name, key, pickle=False))
