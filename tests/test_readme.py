"""The commands of the README and the tutorial do what they say, typed one after the other in a copy of the repository."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.projects import REAL_CSV, REPO, Project

README = (REPO / "README.md").read_text(encoding="utf-8")
TUTORIAL = (REPO / "docs" / "tutorial.md").read_text(encoding="utf-8")
SAMPLE = "tabtrail sample --rows 800 --output orders.csv"  # what stands for the reader's own file
SERVERS = ("mlflow", "uvicorn", "tabtrail serve")


def commands_of(text: str) -> list[str]:
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines() if line]
    return [line.partition("  #")[0].strip() for line in lines]


# What both have is run once.
COMMANDS = list(dict.fromkeys([SAMPLE, *commands_of(README), *commands_of(TUTORIAL)]))
DOCS = sorted((REPO / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Path:
    """The committed files in a folder of their own, with the real CSV where it is there."""
    root = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPO, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, root / name)
            os.utime(root / name, (0, 0))  # older than the installation, so that make does not install again
    if REAL_CSV.is_file():
        shutil.copy(REAL_CSV, root / "data" / "raw" / "sales_data_sample.csv")
    return root


# Few fits are enough to see that the commands work; all else is as the README has it. The fixture `trained` fits them all.
FAST = {
    "TABTRAIL__SPLIT__REPEATS": "1",
    "TABTRAIL__CANDIDATES": "{LinearRegression: {}, LightGBM: {n_estimators: 60}}",
}


def shell(checkout: Path, command: str) -> subprocess.Popen[str]:
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": binaries, "VENV": sys.prefix, **FAST}
    if command.startswith("tabtrail explain"):
        environment.pop("NUMBA_DISABLE_JIT", None)  # once as users have it
    server = command.startswith(SERVERS)
    pipe = subprocess.DEVNULL if server else subprocess.PIPE
    words = ["bash", "-c", f"exec {command}" if server else command]
    return subprocess.Popen(words, cwd=checkout, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=server)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert process.poll() is None, f"it ended with code {process.returncode}"
        try:
            httpx.get(url, timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@pytest.fixture(scope="module")
def finished(checkout: Path) -> Iterator[dict[str, str]]:
    """Run them all; yields what each one that ends by itself printed. Servers get a free port in place of the usual one."""
    outputs: dict[str, str] = {}
    servers: list[subprocess.Popen[str]] = []
    port = 0
    try:
        for command in COMMANDS:
            if command.startswith("make test"):
                continue  # it is what runs this test
            if command.startswith(SERVERS):
                port = free_port()
                one = " --workers 1" if command.startswith("mlflow") else ""  # each of its four takes seconds to start
                servers.append(shell(checkout, f"{command} --port {port}{one}"))
                wait_for(f"http://127.0.0.1:{port}/health", servers[-1])
                continue
            process = shell(checkout, command.replace(":8000", f":{port}"))
            out, err = process.communicate(timeout=600)
            assert process.returncode == 0, f"{command}\n{err}"
            outputs[command] = out
        yield outputs
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGKILL)  # MLflow's takes seconds to end by itself
            server.wait(30)


def test_the_readme_has_the_commands_that_it_promises() -> None:
    text = "\n".join(COMMANDS)
    for command in (
        "make run",
        "make test",
        "tabtrail init",
        "tabtrail run --config orders.yaml",
        "tabtrail serve --config orders.yaml",
        "python -m src.data_parquet",
        "python -m src.eda_polars_duckdb",
        "curl",
        "mlflow ui",
        "uvicorn",
    ):
        assert command in text
    assert f"`{SAMPLE}`" in README


def test_every_command_works_in_the_order_it_stands(finished: dict[str, str], checkout: Path) -> None:
    assert "champion:" in finished["make run"]
    assert "no stage was repeated" in finished["tabtrail run"]
    table = README.partition("## What it leaves")[2].partition("##")[0]
    for name in re.findall(r"`((?:data|duckdb|output|models)/[^`]*)`", table):
        for pattern in [
            name.replace("{csv,parquet}", kind).replace("{onnx,joblib}", other)
            for kind, other in (("csv", "onnx"), ("parquet", "joblib"))
        ]:
            assert any(checkout.glob(pattern.replace("…/", "*"))), pattern


def test_the_command_line_and_the_service_give_the_same_number(finished: dict[str, str]) -> None:
    command_line = next(out for command, out in finished.items() if "src.predict_sales --json" in command)
    served = next(out for command, out in finished.items() if command.startswith("curl"))
    amount = json.loads(served)["prediction"]
    assert command_line.startswith(f"{amount:,.2f} USD  (90% interval ")


def test_the_python_of_the_readme_works_as_it_stands(finished: dict[str, str], checkout: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    assert len(code.splitlines()) <= 6
    words = [sys.executable, "-c", code]
    found = subprocess.run(words, cwd=checkout, env={**os.environ, **FAST}, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    assert "LightGBM" in found.stdout
    assert "Prediction(value=" in found.stdout


def test_the_figures_of_the_readme_stand_among_all_figures() -> None:
    """The numbers of the small table; what stands around them may be put otherwise."""
    table = README.partition("## Figures")[2].partition("## More")[0]
    pages = (REPO / "docs" / "figures.md").read_text(encoding="utf-8")
    numbers = {number for number in re.findall(r"\d[\d,.]*\d(?:e-\d+)?", table) if len(number) > 3}
    assert len(numbers) > 10
    assert [number for number in numbers if number not in pages] == []


@pytest.mark.parametrize("page", [REPO / "README.md", *DOCS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).is_file(), target


def test_the_yaml_of_the_docs_is_a_config(project: Project) -> None:
    """The least config of docs/your-own-csv.md is accepted as it stands."""
    from tabtrail.config.load import load_config

    text = (REPO / "docs" / "your-own-csv.md").read_text(encoding="utf-8")
    path = project.root / "least.yaml"
    path.write_text(re.findall(r"```yaml\n(version.*?)```", text, re.S)[0])
    assert load_config(path).model.target == "median_house_value"


def test_the_comparisons_are_what_the_results_say() -> None:
    sys.path.insert(0, str(REPO / "benchmarks"))
    try:
        from table import replaced, table
    finally:
        sys.path.pop(0)
    page = (REPO / "docs" / "figures.md").read_text(encoding="utf-8")
    assert replaced(page, table(REPO / "benchmarks" / "results")) == page
