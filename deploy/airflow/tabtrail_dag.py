"""The week's training as a DAG of Airflow 3: validate → load → train → promote → upload, each task one command of tabtrail.

Exit codes decide: 3 (the data broke its contract) ends the run at once, without a retry, and nothing after it starts; 4 (no
model is worth deploying, or the gate prefers the deployed one) and 5 (drift) lead to `kept`, since the deployed model stays
as it was; what else fails (a server away, a full disk) is tried again. The commands wait for each other's lock and repeat
nothing that is unchanged, so that a task that is tried again, or cleared by hand, goes on where it was.

Airflow needs an environment of its own. It takes from its worker's environment:

- `TABTRAIL_PROJECT`: the folder with the YAML (here `/srv/tabtrail`);
- `TABTRAIL_COMMAND`: the command (here `.venv/bin/tabtrail` in that folder);
- what the YAML leaves to the environment: MLFLOW_TRACKING_URI, AWS_…, TABTRAIL_POSTGRES.

The YAML names `warehouse.table` for `load` and an `s3://…` as `paths.models_dir` for `upload`, which sends what is not there yet
and verifies every byte that is; with models in a folder, give `bundle push` a `--to`.
"""

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

PROJECT = Path(os.environ.get("TABTRAIL_PROJECT", "/srv/tabtrail"))
COMMAND = os.environ.get("TABTRAIL_COMMAND", str(PROJECT / ".venv/bin/tabtrail"))
CONTRACT, GATE, DRIFT = 3, 4, 5


def tabtrail(*words: str) -> tuple[int, str]:
    """Run one command in the project's folder; its exit code, if that decides something, and what it wrote on stdout.

    What it says on stderr goes to the task's log.
    """
    with subprocess.Popen([COMMAND, *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode == CONTRACT:
        raise AirflowFailException("the data broke its contract: nothing is loaded or trained, and the deployed model stays")
    if process.returncode not in (0, GATE, DRIFT):
        raise RuntimeError(f"tabtrail {words[0]} ended with exit code {process.returncode}")
    return process.returncode, "".join(lines)


@dag(
    schedule="15 3 * * 1",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
    tags=["tabtrail"],
    doc_md=__doc__,
)
def tabtrail_training() -> None:
    @task
    def validate() -> None:
        tabtrail("ingest")

    @task
    def load() -> None:
        tabtrail("load")

    @task.branch
    def train() -> str:
        code, said = tabtrail("train", "--quiet", "--format=json", "--set", "promotion.automatic=never")
        if code:
            return "kept"
        get_current_context()["ti"].xcom_push("run", json.loads(said)["parent_run_id"])
        return "promote"

    @task.branch
    def promote() -> str:
        run = get_current_context()["ti"].xcom_pull(task_ids="train", key="run")
        code, _ = tabtrail("promote", run)
        return "kept" if code else "upload"

    @task
    def upload() -> None:
        tabtrail("bundle", "push")

    kept = EmptyOperator(task_id="kept", trigger_rule="none_failed_min_one_success")
    trained, promoted = train(), promote()
    validate() >> load() >> trained >> [promoted, kept]
    promoted >> [upload(), kept]


tabtrail_training()
