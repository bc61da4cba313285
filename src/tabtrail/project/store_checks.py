"""What is wrong with the MLflow store of a project and with the history in it. Reads only."""

from pathlib import Path
from types import ModuleType

from tabtrail.config.operation import Mlflow
from tabtrail.errors import TabtrailError
from tabtrail.project.check import Check
from tabtrail.system.addresses import without_passwords
from tabtrail.system.files import rename_command
from tabtrail.tracking import schema, sqlite_file
from tabtrail.tracking.entries import count_local_entries
from tabtrail.tracking.moved import left_folder


def check_store(mlflow: Mlflow) -> Check:
    """Look at the file of a store, or ask its server or database."""
    if mlflow.sqlite_file is not None:
        return _check_file(mlflow.sqlite_file)
    shown = without_passwords(mlflow.tracking_uri)
    try:
        runs = _inspection().count_runs(mlflow)
    except TabtrailError as error:
        return Check("store", "broken", str(error), "what is deployed is served without it; training and promotion need it")
    if runs is None:
        return Check("store", "note", f"{shown} answers, and has no experiment {mlflow.experiment} yet", "tabtrail train")
    return Check("store", "ok", f"{shown} answers, {runs} runs")


def check_history(mlflow: Mlflow, name: str, store: Check) -> Check:
    """Follow the chain of hashes through the history of a model's promotions."""
    path, experiment = mlflow.sqlite_file, f"{mlflow.experiment}{sqlite_file.HISTORY_SUFFIX}"
    if store.state != "ok":
        return Check("history", "note", "not looked at: there is no store to read it from")
    if path is not None and not sqlite_file.has_experiment(path, experiment):
        return Check("history", "note", "no model was deployed yet", "tabtrail train")
    try:
        entries = None if path is None else count_local_entries(path, name, experiment)
        entries = _inspection().count_entries(mlflow, name) if entries is None else entries
    except TabtrailError as error:
        where = "mlruns" if path is not None else "the store"
        return Check(
            "history", "broken", str(error), f"restore {where} from a backup; the deployed model itself is not touched by this"
        )
    if not entries:
        return Check("history", "note", "no model was deployed yet", "tabtrail train")
    return Check("history", "ok", f"{entries:,} {'entry, its' if entries == 1 else 'entries, their'} chain of hashes holds")


def _check_file(path: Path) -> Check:
    if not path.is_file() or not path.stat().st_size:
        return Check("store", "note", f"there is no {path} yet", "tabtrail train")
    away = f"{rename_command(path, '.damaged')}, then `tabtrail run` (or restore a backup)"
    found = sqlite_file.inspect(path)
    match found.state:
        case "journal":
            return Check("store", "note", "a killed process left a journal; the next that writes plays it back", "tabtrail run")
        case "unreadable":
            return Check("store", "broken", f"{path} cannot be read ({found.reason})", away)
        case "damaged":
            return Check("store", "broken", f"{path} is damaged: {found.reason}", away)
        case "foreign":
            remedy = f"set mlflow.tracking_uri to another file; or {rename_command(path, '.other')}"
            return Check("store", "broken", f"{path} is not an MLflow store: {found.reason}", remedy)
    if old := schema.outdated(path):
        reason, _, remedy = old.partition(": ")
        return Check("store", "broken", f"{path}: {reason}", remedy)
    if (left := left_folder(path)) is not None:
        return Check(
            "store", "note", f"it was copied or moved from {left}; what writes next lets its addresses lead here", "tabtrail run"
        )
    return Check("store", "ok", f"integrity_check ok, {found.runs:,} runs")


def _inspection() -> ModuleType:
    from tabtrail.tracking import inspection  # imports MLflow: seconds that a project with nothing in a store is spared

    return inspection
