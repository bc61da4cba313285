"""The modules that take long to import, each imported when a command first uses it: help, `status` and a run in which nothing
changed do without them.

In a command's module write `from tabtrail.cli import later`, and `later.tune.tune(…)` where the work is done.
"""

from typing import TYPE_CHECKING, Any

from tabtrail.system.imports import import_module

if TYPE_CHECKING:
    from tabtrail.bundle import orders as orders
    from tabtrail.data import alias_suggestions as alias_suggestions
    from tabtrail.data import dataset as dataset
    from tabtrail.data import profile as profile
    from tabtrail.data import summaries as summaries
    from tabtrail.forecast import ranking as ranking
    from tabtrail.monitor import outcome as outcome
    from tabtrail.monitor import spans as spans
    from tabtrail.project import doctor as doctor
    from tabtrail.project import names as names
    from tabtrail.proposal import propose as propose
    from tabtrail.tracking import listing as listing
    from tabtrail.workflows import append as append
    from tabtrail.workflows import challenger as challenger
    from tabtrail.workflows import check as check
    from tabtrail.workflows import demand_some as demand_some
    from tabtrail.workflows import demand_update as demand_update
    from tabtrail.workflows import drift as drift
    from tabtrail.workflows import drift_files as drift_files
    from tabtrail.workflows import drift_history as drift_history
    from tabtrail.workflows import drift_job as drift_job
    from tabtrail.workflows import drift_log as drift_log
    from tabtrail.workflows import explain as explain
    from tabtrail.workflows import explain_demand as explain_demand
    from tabtrail.workflows import explain_picture as explain_picture
    from tabtrail.workflows import explained_rows as explained_rows
    from tabtrail.workflows import forecast as forecast
    from tabtrail.workflows import labels as labels
    from tabtrail.workflows import load as load
    from tabtrail.workflows import promote as promote
    from tabtrail.workflows import report as report
    from tabtrail.workflows import reproduce as reproduce
    from tabtrail.workflows import retraining as retraining
    from tabtrail.workflows import tune as tune

_MODULES = {
    "alias_suggestions": "tabtrail.data.alias_suggestions",
    "dataset": "tabtrail.data.dataset",
    "profile": "tabtrail.data.profile",
    "summaries": "tabtrail.data.summaries",
    "ranking": "tabtrail.forecast.ranking",
    "doctor": "tabtrail.project.doctor",
    "names": "tabtrail.project.names",
    "append": "tabtrail.workflows.append",
    "challenger": "tabtrail.workflows.challenger",
    "check": "tabtrail.workflows.check",
    "demand_some": "tabtrail.workflows.demand_some",
    "demand_update": "tabtrail.workflows.demand_update",
    "orders": "tabtrail.bundle.orders",
    "outcome": "tabtrail.monitor.outcome",
    "drift": "tabtrail.workflows.drift",
    "drift_files": "tabtrail.workflows.drift_files",
    "drift_history": "tabtrail.workflows.drift_history",
    "drift_job": "tabtrail.workflows.drift_job",
    "drift_log": "tabtrail.workflows.drift_log",
    "spans": "tabtrail.monitor.spans",
    "explain": "tabtrail.workflows.explain",
    "explain_demand": "tabtrail.workflows.explain_demand",
    "explain_picture": "tabtrail.workflows.explain_picture",
    "explained_rows": "tabtrail.workflows.explained_rows",
    "forecast": "tabtrail.workflows.forecast",
    "labels": "tabtrail.workflows.labels",
    "listing": "tabtrail.tracking.listing",
    "propose": "tabtrail.proposal.propose",
    "load": "tabtrail.workflows.load",
    "promote": "tabtrail.workflows.promote",
    "report": "tabtrail.workflows.report",
    "reproduce": "tabtrail.workflows.reproduce",
    "retraining": "tabtrail.workflows.retraining",
    "tune": "tabtrail.workflows.tune",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(_MODULES[name])
