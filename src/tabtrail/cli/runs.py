"""The command that lists trainings: `tabtrail runs`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tabtrail.cli import later
from tabtrail.cli.contenders import figure
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import moment, print_json, print_table
from tabtrail.modeling.metrics import METRICS

if TYPE_CHECKING:
    from tabtrail.tracking.listing import ListedRun

app = new_group()
_OPTIONAL = ("commit", "who", "candidates", "state", "of")


@app.command(epilog="example: tabtrail runs --most 5")
def runs(
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many trainings are listed at most.")] = 20,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """List the newest trainings in the MLflow store, with what each chose and reached."""
    loaded = begin_job(config, set_)
    found = later.listing.list_trainings(loaded.mlflow, most)
    if format_ == "json":
        print_json([each.to_dict() for each in found])
        return
    header = ["run", "started (UTC)", "of", "state", "champion", "metric", "value", "candidates", "who", "commit"]
    print_table(
        f"trainings in the experiment {loaded.mlflow.experiment}", header, [_row(each) for each in found], optional=_OPTIONAL
    )


def _row(run: "ListedRun") -> list[str]:
    shown = "" if run.value is None else figure(run.value)
    metric = metric_label(run.metric)
    told = [run.run_id, moment(run.started), run.of, run.state, run.champion, metric, shown, f"{len(run.candidates)}"]
    return [*told, run.who, run.commit[:10]]


def metric_label(logged: str) -> str:
    """Return what people read for a metric as MLflow names it, which is too long for a column; words where it is none of ours."""
    name = logged.removeprefix("cv_")
    return next((each.label for each in METRICS.values() if name in (each.name, each.mlflow_name)), name.replace("_", " "))
