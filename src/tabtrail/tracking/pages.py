"""Links from the description of a run to MLflow's own pages, which say by their address what they show and in which order."""

from dataclasses import replace
from urllib.parse import quote, urlencode

from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import RunItems


def with_links(items: RunItems, store: Store, run_id: str, metric: str, *, greater: bool = False) -> RunItems:
    """Return what a benchmark's run logs with links above its description: to its candidates, best first, as a list and as
    charts. The lists of an experiment are otherwise ordered by time.
    """
    asked = {
        "searchFilter": f"tags.mlflow.parentRunId = '{run_id}'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": str(not greater).lower(),
        "workflowType": "machine_learning",  # MLflow opens experiments as those of agents
    }
    page = f"#/experiments/{store.experiment_id}/runs?{urlencode(asked, quote_via=quote)}"
    links = f"[Candidates, best first]({page}) · [their charts]({page}&compareRunsMode=CHART)"
    return replace(items, description=f"{links}\n\n{items.description}")
