"""The container files, parsed; and their commands, run without a container."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.browsing import running_dashboard
from tests.support.projects import REPO, Project, serving

KNOWN = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
DOCKERFILES = {
    "serve": "Dockerfile",
    "train": "Dockerfile.train",
    "dashboard": "Dockerfile.dashboard",
    "mlflow": "deploy/mlflow/Dockerfile",
}
Stage = list[tuple[str, str]]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    text = re.sub(r"^#.*\n", "", "\n".join((REPO / path).read_text() for path in DOCKERFILES.values()), flags=re.M)
    found: dict[str, Stage] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        keyword, _, rest = line.partition(" ")
        assert keyword in KNOWN, line
        if keyword == "FROM":
            image, _, name = rest.partition(" AS ")
            assert name, "every stage has a name"
            found[name] = [("FROM", image)]
        else:
            found[name].append((keyword, " ".join(rest.split())))
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((REPO / "compose.yaml").read_text())["services"]


def value(stage: Stage, keyword: str) -> str:
    return [rest for each, rest in stage if each == keyword][-1]


def exec_form(stage: Stage, keyword: str) -> list[str]:
    words = json.loads(value(stage, keyword).partition("[")[2].join(["[", ""]))
    assert all(isinstance(word, str) for word in words)
    return words


@pytest.mark.parametrize("name", list(DOCKERFILES))
def test_an_image_runs_as_nobody_special_with_a_healthcheck(stages: dict[str, Stage], name: str) -> None:
    stage = stages[name]
    keywords = [keyword for keyword, _ in stage]
    assert value(stage, "USER") == ("mlflow" if name == "mlflow" else "tabtrail")
    assert keywords.index("USER") > max(index for index, keyword in enumerate(keywords) if keyword == "RUN")
    assert exec_form(stage, "CMD")
    assert "urlopen" in exec_form(stage, "HEALTHCHECK")[2]


def test_base_images_have_a_version_and_nothing_is_fetched_by_address(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        image = value(stage, "FROM")
        assert image in stages or re.fullmatch(r"[a-z]+:\d[\w.-]+", image)
    for path in DOCKERFILES.values():
        assert "http" not in re.sub(r"http://127\.0\.0\.1", "", (REPO / path).read_text())


def test_what_is_copied_is_there_and_not_ignored(stages: dict[str, Stage]) -> None:
    kept = {line[1:] for line in (REPO / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for stage in stages.values():
        for _, rest in [each for each in stage if each[0] == "COPY"]:
            for source in rest.split()[:-1]:
                assert (REPO / source).exists()
                assert source.removeprefix("./") in kept


@pytest.mark.parametrize("name", list(DOCKERFILES))
def test_the_constraints_are_the_locks_versions(stages: dict[str, Stage], name: str, tmp_path: Path) -> None:
    command = next(rest for keyword, rest in stages[name] if keyword == "RUN" and rest.startswith("sed")).partition(" && ")[0]
    (tmp_path / "requirements.lock").write_bytes((REPO / "requirements.lock").read_bytes())
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    pins = (tmp_path / "pins.txt").read_text().splitlines()
    locked = re.findall(r"^[a-z0-9._-]+==", (REPO / "requirements.lock").read_text(), re.M)
    assert len(pins) == len(locked)
    assert all(re.fullmatch(r"[a-z0-9._-]+==\S+( ; .+)?", pin.rstrip()) for pin in pins)


def test_compose_builds_from_our_files_and_publishes_the_port_of_the_image(
    services: dict[str, Any], stages: dict[str, Stage]
) -> None:
    ours = {"service": "serve", "trainer": "train", "dashboard": "dashboard", "mlflow": "mlflow"}
    for name, stage in ours.items():
        build = services[name]["build"]
        assert (build if isinstance(build, str) else build["dockerfile"]) in (".", DOCKERFILES[stage])
        assert {port.rpartition(":")[2] for port in services[name]["ports"]} == {value(stages[stage], "EXPOSE")}
        assert services[name]["cap_drop"] == ["ALL"]
    others = {service["image"] for name, service in services.items() if name not in ours}
    assert all(re.fullmatch(r"[\w./-]+:v?\d[\w.]*", image) for image in others)


def test_the_trainer_starts_when_it_is_named_alone_and_writes_where_the_service_reads(
    services: dict[str, Any], stages: dict[str, Stage]
) -> None:
    trainer, service = services["trainer"], services["service"]
    assert trainer["profiles"] == ["trainer"]
    assert "profiles" not in service
    assert {"TABTRAIL_API_KEY", "MLFLOW_TRACKING_URI"} <= set(trainer["environment"])
    assert "./models:/app/models" in trainer["volumes"]
    assert "./models:/app/models:ro" in service["volumes"]
    assert exec_form(stages["train"], "CMD")[-2:] == ["--set", "serve.jobs=true"]


def test_the_dashboard_only_looks_at_what_the_others_write(services: dict[str, Any]) -> None:
    dashboard = services["dashboard"]
    assert dashboard["profiles"] == ["dashboard"]
    assert dashboard["read_only"]
    assert {volume.partition(":")[0] for volume in dashboard["volumes"]} == {"./data", "./duckdb", "./models", "./output"}
    assert all(volume.endswith(":ro") for volume in dashboard["volumes"])


def test_the_command_and_the_healthcheck_of_the_dashboards_image_work(stages: dict[str, Stage], small: Project) -> None:
    assert exec_form(stages["dashboard"], "CMD") == ["tabtrail", "dashboard", "--host", "0.0.0.0", "--port", "8501"]
    with running_dashboard(small) as address:
        words = [word.replace("http://127.0.0.1:8501", address) for word in exec_form(stages["dashboard"], "HEALTHCHECK")]
        assert subprocess.run([sys.executable, *words[1:]]).returncode == 0
    assert subprocess.run([sys.executable, *words[1:]], capture_output=True).returncode == 1


def test_the_command_and_the_healthcheck_of_the_image_work(stages: dict[str, Stage], small: Project) -> None:
    program, command, *options = exec_form(stages["serve"], "CMD")
    assert (program, command, options) == ("tabtrail", "serve", ["--host", "0.0.0.0", "--port", "8000"])
    with serving(small, door=False) as client:
        words = [word.replace(":8000", f":{client.base_url.port}") for word in exec_form(stages["serve"], "HEALTHCHECK")]
        assert subprocess.run([sys.executable, *words[1:]]).returncode == 0
    assert subprocess.run([sys.executable, *words[1:]], capture_output=True).returncode == 1
