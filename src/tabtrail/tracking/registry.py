"""The registered model: a version for every benchmark's winner, and the aliases `challenger` and `champion`."""

from contextlib import suppress
from typing import Any

from mlflow.exceptions import MlflowException

from tabtrail.tracking.models import LoggedModel
from tabtrail.tracking.store import Store

CHAMPION, CHALLENGER = "champion", "challenger"


def register_challenger(store: Store, name: str, model: LoggedModel, tags: dict[str, str]) -> str:
    """Register a logged model as a new version, point the alias `challenger` at it, and return the version.

    A model that is registered already keeps its version: who registered it may have been killed before it was noted.
    """
    is_new = _registered(store, name) is None
    if is_new:
        store.client.create_registered_model(name)
    # Its files, not models:/<id>: the registry would look that up in the process-wide tracking store, which is not ours to set.
    known = store.client.search_model_versions(f"name = '{name}' and run_id = '{model.run_id}'")
    version = next((each for each in known if each.source == model.location), None)
    if version is None:
        try:
            # By its id a server knows that the files are the run's own; it refuses an address that a client makes up.
            own = model.model_id or None
            version = store.client.create_model_version(name, model.location, run_id=model.run_id, tags=tags, model_id=own)
        except Exception:
            if is_new:  # a registered model without versions would say that something was trained
                with suppress(MlflowException):
                    store.client.delete_registered_model(name)
            raise
    store.client.set_registered_model_alias(name, CHALLENGER, version.version)
    return str(version.version)


def set_champion(store: Store, name: str, version: str) -> None:
    """Point the alias `champion` at a version, if it is not yet; where it was the challenger, there is none any more."""
    aliases = dict(getattr(_registered(store, name), "aliases", {}))
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


def _registered(store: Store, name: str) -> Any:
    try:
        return store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
