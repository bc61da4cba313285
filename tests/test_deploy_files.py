"""The files of `deploy/` and their neighbours: held to their readers' schemas, and their commands run without containers."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.support.postgres import Postgres, needs_postgres
from tests.support.projects import REPO, Project, serving

DEPLOY = REPO / "deploy"
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is not installed (apt-get install prometheus)"
)
BIN = Path(sys.executable).parent


def passes(*command: str | Path, **options: Any) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compose() -> dict[str, Any]:
    return yaml.safe_load((REPO / "compose.yaml").read_text())


def refuses_task_definition(definition: dict[str, Any]) -> str:
    """What the model of the ECS API has against a task definition; empty where it has nothing."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    service = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = service.operation_model("RegisterTaskDefinition").input_shape
    return str(ParamValidator().validate(definition, shape).generate_report())


@pytest.mark.parametrize(("schema", "path"), [("compose-spec", "compose.yaml"), ("github-workflows", ".github/workflows/ci.yml")])
def test_a_file_that_another_program_reads_keeps_its_schema(schema: str, path: str, tmp_path: Path) -> None:
    check = [BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}"]
    passes(*check, REPO / path)
    (tmp_path / "wrong.yml").write_text("services: {a: {prots: []}}\njobs: 3\n")
    assert subprocess.run([*check, tmp_path / "wrong.yml"], capture_output=True).returncode == 1


def test_kubernetes_takes_the_manifests_and_probes_what_the_service_answers(small: Project) -> None:
    passes(BIN / "kubernetes-validate", "--strict", *sorted((DEPLOY / "kubernetes").glob("*.yaml")))
    objects = list(yaml.safe_load_all((DEPLOY / "kubernetes/service.yaml").read_text()))
    container = objects[0]["spec"]["template"]["spec"]["containers"][0]
    probes = {container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    with serving(small, door=False) as client:
        assert [client.get(path).status_code for path in probes] == [200] * len(probes)


def test_ecs_takes_the_task_definition_once_the_workflow_has_filled_it_in(tmp_path: Path) -> None:
    job = yaml.safe_load((REPO / ".github/workflows/ci.yml").read_text())["jobs"]["deploy"]
    fill = next(step for step in job["steps"] if "run" in step)
    values = {"ACCOUNT": "123456789012", "REGION": "eu-central-1", "BUCKET": "our-models", "TAG": "0a1b2c"}
    assert set(fill["env"]) == set(values)
    (tmp_path / "deploy").symlink_to(DEPLOY)
    passes("bash", "-c", fill["run"], cwd=tmp_path, env={**os.environ, **values})
    filled = json.loads((tmp_path / "task.json").read_text())
    assert refuses_task_definition(filled) == ""
    assert (filled["cpu"], filled["memory"]) == ("1024", "3072")
    assert not re.search(r"ACCOUNT|REGION|BUCKET|:TAG", json.dumps(filled))
    assert filled["containerDefinitions"][0]["image"].endswith("amazonaws.com/tabtrail:0a1b2c")
    assert "Unknown parameter" in refuses_task_definition({**filled, "memroy": "1"})


def test_ecs_takes_the_task_of_the_dashboard_which_reads_a_shared_disk() -> None:
    text = (DEPLOY / "ecs/dashboard.json").read_text()
    values = {"ACCOUNT": "123456789012", "REGION": "eu-central-1", "FILESYSTEM": "fs-0123456789abcdef0", "TAG": "0a1b2c"}
    for name, value in values.items():
        assert name in text
        text = text.replace(name, value)
    filled = json.loads(text)
    assert refuses_task_definition(filled) == ""
    assert (filled["cpu"], filled["memory"]) == ("512", "1024")
    (container,) = filled["containerDefinitions"]
    assert container["readonlyRootFilesystem"]
    assert {"sourceVolume": "project", "containerPath": "/project", "readOnly": True} in container["mountPoints"]
    assert container["command"] == ["tabtrail", "dashboard", "--host", "0.0.0.0", "--port", "8501"]


def values_of_secrets(tree: Any, name: str = "") -> Iterator[str]:
    """Each text that stands under a name such as PASSWORD, or beside `name: PASSWORD` as `value`."""
    if isinstance(tree, dict):
        own = str(tree["name"]) if "value" in tree and "name" in tree else None
        for key, value in tree.items():
            yield from values_of_secrets(value, own if own and key == "value" else str(key))
    elif isinstance(tree, list):
        for each in tree:
            key, equals, value = each.partition("=") if isinstance(each, str) else ("", "", "")
            yield from values_of_secrets(value, key) if equals else values_of_secrets(each, name)
    elif isinstance(tree, str) and re.search(r"(?i)password|passwd|secret_|api_?key$|access_?key|(?<!id-)token", name):
        yield tree


def test_no_file_holds_a_secret_and_no_port_leaves_the_machine() -> None:
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert list(values_of_secrets({"a": [{"name": "PGPASSWORD", "value": "x"}, "API_KEY=y"]})) == ["x", "y"]
    files = [each for each in DEPLOY.rglob("*") if each.suffix in {".json", ".yml", ".yaml"}]
    for path in [REPO / "compose.yaml", REPO / ".github/workflows/ci.yml", *files]:
        for value in values_of_secrets(list(yaml.safe_load_all(path.read_text()))):
            assert value.startswith(("${", "/run/secrets/", "TABTRAIL_API_KEY")), path
    example = (REPO / ".env.example").read_text()
    assert not re.search(r"(?m)^\w+=\S", example)
    named = set(re.findall(r"\$\{(\w+)", (REPO / "compose.yaml").read_text()))
    assert named <= set(re.findall(r"(?m)^#?(\w+)=", example))


def test_an_image_installs_extras_that_there_are() -> None:
    import tomllib

    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for path in (REPO / "Dockerfile", REPO / "Dockerfile.train", REPO / "Dockerfile.dashboard"):
        named = re.findall(r"'\.\[([\w,]+)\]'", path.read_text())
        assert named
        assert set(named[0].split(",")) <= set(extras)


@contextmanager
def mlflow_of_compose(postgres: Postgres, folder: Path) -> Iterator[tuple[str, int]]:
    """The command of compose's MLflow, with this machine's Postgres, folder and port in the place of the containers'."""
    port, service = free_port(), compose()["services"]["mlflow"]
    assert list(service["environment"]) == ["PGPASSWORD"]
    theirs = {
        "mlflow@postgres:5432/mlflow": f"{postgres.user}@127.0.0.1:{postgres.port}/{postgres.new_database()}",
        "/mlflow/artifacts": str(folder),
        "0.0.0.0": "127.0.0.1",
        "5000": str(port),
    }
    words = []
    for word in service["command"]:
        for old, new in theirs.items():
            word = word.replace(old, new)
        words.append(word)
    words[0:1] = [str(BIN / "mlflow")]
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, "PGPASSWORD": postgres.password}
        process = subprocess.Popen(
            [*words, "--workers", "1"], env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
        try:
            yield f"http://127.0.0.1:{port}", port
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with its workers; what it stored is thrown away
            process.wait()


@needs_postgres
def test_the_mlflow_of_compose_stores_in_postgres_and_answers_by_its_names_alone(postgres: Postgres, tmp_path: Path) -> None:
    with mlflow_of_compose(postgres, tmp_path) as (address, port), httpx.Client(base_url=address, timeout=10) as client:
        for _ in range(2000):  # the migrations of an empty database take half a minute on a busy machine
            try:
                if client.get("/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        search = {"max_results": 5}
        by_name = client.post("/api/2.0/mlflow/experiments/search", json=search, headers={"Host": f"mlflow:{port}"})
        assert by_name.json()["experiments"][0]["artifact_location"].startswith("mlflow-artifacts:/")
        stranger = client.post("/api/2.0/mlflow/experiments/search", json=search, headers={"Host": f"other.example:{port}"})
        assert stranger.status_code == 403


def prometheus_of(service: int, port: int, folder: Path) -> list[str]:
    """The command of a Prometheus with the deployed files, which finds the service of this machine in the container's place."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    (folder / "api_key").write_text("a-key")
    text = text.replace("service:8000", f"127.0.0.1:{service}").replace("/run/secrets/api_key", str(folder / "api_key"))
    (folder / "prometheus.yml").write_text(text.replace("15s", "1s"))
    shutil.copy(DEPLOY / "prometheus/rules.yml", folder)
    passes("promtool", "check", "config", folder / "prometheus.yml")
    words = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    return [*words, f"--web.listen-address=127.0.0.1:{port}"]


def expressions() -> dict[str, str]:
    """Every query of the dashboard and of the rules, by the title of what shows it."""
    panels = json.loads((DEPLOY / "grafana/dashboards/service.json").read_text())["panels"]
    shown = {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]}
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())["groups"][0]["rules"]
    return shown | {rule["alert"]: rule["expr"] for rule in rules}


@needs_prometheus
def test_prometheus_scrapes_the_service_and_every_query_names_what_it_counts(small: Project, tmp_path: Path) -> None:
    with serving(small, door=False, TABTRAIL_API_KEY="a-key") as client:
        client.headers["X-API-Key"] = "a-key"
        exposed = client.get("/metrics").text
        names = set(re.findall(r"^# TYPE (tabtrail_\w+)", exposed, re.M))
        for title, query in expressions().items():
            for name in re.findall(r"tabtrail_\w+", query):
                assert name in names or name.removesuffix("_bucket") in names, (title, name)
        port = free_port()
        with (tmp_path / "log").open("wb") as log:
            command = prometheus_of(client.base_url.port or 0, port, tmp_path)
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            up = query_until(f"http://127.0.0.1:{port}", 'up{job="tabtrail"} == 1')
            assert up, (tmp_path / "log").read_text()
            for title, query in expressions().items():
                answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}).json()
                assert answer["status"] == "success", (title, answer)
            assert query_until(f"http://127.0.0.1:{port}", expressions()["Model A"])
        finally:
            process.terminate()
            process.wait(20)


def query_until(address: str, query: str) -> list[Any]:
    for _ in range(300):
        try:
            if found := httpx.get(f"{address}/api/v1/query", params={"query": query}).json()["data"]["result"]:
                return list(found)
        except (httpx.TransportError, KeyError, ValueError):
            pass
        time.sleep(0.1)
    return []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_systemd_understands_every_line_of_a_unit(unit: Path, tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/srv/tabtrail/.venv/bin/tabtrail", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def scheduled() -> dict[str, str]:
    """The commands that cron and systemd start, as they stand there."""
    cron = next(line for line in (DEPLOY / "cron/tabtrail").read_text().splitlines() if re.match(r"\d", line))
    unit = (DEPLOY / "systemd/tabtrail-train.service").read_text()
    return {"cron": cron.split(maxsplit=6)[6], "systemd": re.findall(r"(?m)^ExecStart=(.*)$", unit)[0]}


@pytest.mark.parametrize("which", ["cron", "systemd"])
def test_what_is_scheduled_runs_and_repeats_nothing(which: str, small: Project) -> None:
    command = scheduled()[which].replace("/srv/tabtrail/", "").replace(".venv/bin/tabtrail", f"{sys.executable} -m tabtrail")
    command = command.replace("cd /srv/tabtrail", "true").replace("> output/run.log", "> /dev/null")
    more = " --set 'candidates={GradientBoosting_40: {n_estimators: 40}}' --set engine.kind=serial"
    command = command.replace("config_v2.yaml", f"config_v2.yaml{more}")
    before = small.tree()
    passes("sh", "-c", command, cwd=small.root)
    changed = {name for name, digest in small.tree().items() if before.get(name) != digest}
    assert not {name for name in changed if name.startswith(("models", "data"))}


def test_the_hooks_are_the_checks_of_make_test() -> None:
    hooks = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    test = (REPO / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    assert programs == set(re.findall(r"\$\(BIN\)/(\S+)", test)) - {"python"}
    assert all(importlib.util.find_spec(name) for name in ("ruff", "mypy", "importlinter"))
