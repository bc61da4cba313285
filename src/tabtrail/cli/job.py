"""How a command that does a job begins."""

from pathlib import Path

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.system.interrupt import end_in_time
from tabtrail.tracking.process import quiet_mlflow


def begin_job(config: Path | None, overrides: list[str] | None) -> Config:
    """Load the config. Raises `ConfigError`.

    The process is a program's own from here on: it ends soon after SIGINT or SIGTERM, and MLflow is silent in it.
    """
    end_in_time()
    quiet_mlflow()
    return load_config(config, overrides or [])
