"""How a command that does a job begins."""

from pathlib import Path

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError
from tabtrail.project.copies import copies
from tabtrail.project.lock import project_lock
from tabtrail.system.interrupt import end_in_time
from tabtrail.tracking.process import quiet_mlflow


def begin_job(config: Path | None, overrides: list[str] | None, *, demand: bool = False, fetch: bool = False) -> Config:
    """Load the config, with `demand` as the model of series sees it; with `fetch` what lies in a bucket is fetched first, for a
    job that reads it without the lock. Raises `ConfigError`, `StorageError`.

    The process is a program's own from here on: it ends soon after SIGINT or SIGTERM, and MLflow is silent in it.
    """
    end_in_time()
    quiet_mlflow()
    loaded = load_config(config, overrides or [])
    if demand and loaded.demand is None:
        raise ConfigError("--demand: the config has no section demand, and so no model of series")
    if fetch and any(copies(loaded.paths)):
        with project_lock(loaded, "fetch"):
            pass
    return loaded.for_demand() if demand else loaded
