"""The registered model: a version for every benchmark's winner, and the aliases `challenger` and `champion`."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from tabtrail.bundle.metadata import signature_name
from tabtrail.tracking.bundle_model import FOLDER
from tabtrail.tracking.models import BundleFiles, attach_signature, log_bundle
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import TAG

CHAMPION, CHALLENGER = "champion", "challenger"
_FORMAT_TAG = TAG + "format"  # versions of before had the Python pipeline instead of the bundle
_DESCRIPTION = (
    "What a training found best, as it is deployed: ONNX with its contract and intervals. `champion` is deployed, `challenger` is"
    " the newest that is not. `mlflow.pyfunc.load_model` answers prediction, low, high and warnings."
)


@dataclass(frozen=True)
class Registration:
    """What is registered: the bundle, the run that trained it, the candidate's name and what is said of it, in Markdown."""

    run_id: str
    bundle: BundleFiles
    candidate: str
    description: str = ""


def register_challenger(store: Store, registered: Registration) -> str:
    """Register a bundle as a new version, point the alias `challenger` at it, and return the version.

    The run of a bundle keeps its version: who registered it may have been killed before it was noted, or had no key to sign it
    with. Then the version is signed now; where it holds other files than those that are signed, there is a new one.
    """
    name, run_id = registered.bundle.name, registered.run_id
    known = store.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    version = next((each for each in known if (each.tags or {}).get(_FORMAT_TAG) == FOLDER), None)
    if version is None or not _holds_signed(store, version, registered):
        version = _new_version(store, registered)
    if str(_aliases(store, name).get(CHAMPION)) != str(version.version):
        store.client.set_registered_model_alias(name, CHALLENGER, version.version)
    return str(version.version)


def _holds_signed(store: Store, version: Any, registered: Registration) -> bool:
    """Tell whether a version is signed by now, or need not be."""
    bundle = registered.bundle
    if signature_name(bundle.name) not in bundle.files:
        return True
    return attach_signature(store, registered.run_id, str(version.source), bundle)


def _new_version(store: Store, registered: Registration) -> Any:
    """Send the bundle first and create the registered model after it: a server that fails while it takes the bundle, which is
    most of the work, then leaves no registered model without a version.
    """
    name, tags = registered.bundle.name, {TAG + "candidate": registered.candidate}
    model = log_bundle(store, registered.run_id, registered.bundle, tags)
    is_new = _registered(store, name) is None
    if is_new:
        store.client.create_registered_model(name, description=_DESCRIPTION)
    try:
        # Its files, not models:/<id>: the registry would look that up in the process-wide tracking store, which is not ours to
        # set. By its id a server knows that the files are the run's own; it refuses an address that a client makes up.
        return store.client.create_model_version(
            name,
            model.location,
            run_id=registered.run_id,
            tags={**tags, _FORMAT_TAG: FOLDER},
            description=registered.description,
            model_id=model.model_id or None,
        )
    except Exception:
        if is_new:
            with suppress(MlflowException):
                store.client.delete_registered_model(name)
        raise


def set_champion(store: Store, name: str, version: str) -> None:
    """Point the alias `champion` at a version, if it is not yet; where it was the challenger, there is none any more."""
    aliases = _aliases(store, name)
    if str(aliases.get(CHAMPION)) != version:
        store.client.set_registered_model_alias(name, CHAMPION, version)
    if str(aliases.get(CHALLENGER)) == version:
        store.client.delete_registered_model_alias(name, CHALLENGER)


def run_of_version(store: Store, name: str, version: str) -> str | None:
    """Return the run of a registered version, None where there is no such version."""
    try:
        return str(store.client.get_model_version(name, version).run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _aliases(store: Store, name: str) -> dict[str, Any]:
    return dict(getattr(_registered(store, name), "aliases", {}))


def _registered(store: Store, name: str) -> Any:
    try:
        return store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
