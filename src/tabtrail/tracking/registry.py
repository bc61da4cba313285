"""The registered model and its aliases."""

from tabtrail.tracking.store import LoggedModel, Store

CHAMPION = "champion"


def register_champion(store: Store, name: str, model: LoggedModel, tags: dict[str, str]) -> str:
    """Register a logged model as a new version, point the alias `champion` at it, and return the version."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        store.client.create_registered_model(name)
    # Its files, not models:/<id>: the registry would look that up in the process-wide tracking store, which is not ours to set.
    version = store.client.create_model_version(name, model.location, run_id=model.run_id, tags=tags)
    store.client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)
