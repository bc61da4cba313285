"""The section `alerts`, and what is told of a broken contract."""

import json
import sys
from pathlib import Path

import pytest

from tabtrail.config.load import config_from_run, load_config
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, DataError
from tabtrail.progress import Progress
from tabtrail.workflows.ingest import read_files

SECRET = "https://hooks.example/T0K3N?key=K3Y"


def config_of(folder: Path, alerts: str = "", rows: str = "1,1\n2,2\n3,3\n") -> Config:
    (folder / "in.csv").write_text("x,y\n" + rows)
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: in.csv}\nmodel: {name: m, target: y, numeric_features: [x]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + alerts
    )
    return load_config(folder / "config.yaml")


def test_nothing_is_told_unless_the_config_says_to_whom(tmp_path: Path) -> None:
    assert config_of(tmp_path).alert_channel("drift") is None
    config = config_of(tmp_path, "alerts: {command: [tell], events: [gate]}\n")
    assert config.alert_channel("drift") is None
    channel = config.alert_channel("gate")
    assert channel is not None
    assert (channel.command, channel.window, channel.timeout, channel.folder) == (("tell",), 86_400, 10, tmp_path)


def test_the_address_is_a_secret_that_nothing_prints_or_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(tmp_path, f"alerts: {{webhook: '{SECRET}'}}\n")
    channel = config.alert_channel("drift")
    assert channel is not None
    assert channel.webhook == SECRET
    assert "T0K3N" not in config.model_dump_json() + repr(config)
    assert config_from_run(json.loads(config.model_dump_json()), config).alert_channel("drift") == channel
    config = config_of(tmp_path, "alerts: {webhook_variable: TELL_ME}\n")
    monkeypatch.setenv("TELL_ME", SECRET)
    assert config.alert_channel("drift") == channel
    monkeypatch.delenv("TELL_ME")
    lost = config.alert_channel("drift")
    assert lost is not None
    assert lost.missing == "the environment variable TELL_ME of alerts.webhook_variable: it is not set"


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        ("{webhook: 'ftp://hooks.example/T0K3N'}", r"alerts\.webhook: this is no address; write it as https://HOST/PATH"),
        ("{webhook: 'T0K3N'}", r"alerts\.webhook: this is no address"),
        ("{webhook: 'http://a:99999/T0K3N'}", r"alerts\.webhook: this is no address"),
        ("{webhook: 'http://a/T0K3N', command: [b]}", r"alerts\.command: alerts\.webhook says where alerts go as well"),
        ("{window_hours: 1}", r"alerts: nothing says where alerts go"),
        ("{command: ['']}", r"alerts\.command: its first word is empty"),
        ("{webhook_variable: 'https://T0K3N'}", r"alerts\.webhook_variable: name an environment variable"),
        ("{command: [a], events: [drfit]}", r"alerts\.events"),
        ("{command: [a], timeout_seconds: 0}", r"alerts\.timeout_seconds"),
        ("{comand: [a]}", r"alerts\.comand: unknown key; did you mean 'command'\?"),
    ],
)
def test_what_cannot_be_told_is_refused_without_the_address(tmp_path: Path, alerts: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config_of(tmp_path, f"alerts: {alerts}\n")
    assert "T0K3N" not in str(caught.value)


def test_a_broken_contract_is_told_with_its_rules_and_no_value_of_a_row(tmp_path: Path) -> None:
    tell = f"alerts: {{command: [{sys.executable}, -c, \"import sys; open('got.json', 'w').write(sys.stdin.read())\"]}}\n"
    config, said = config_of(tmp_path, tell, "1,1\nV4LUE,2\n3,3\n"), list[str]()
    for _ in range(2):
        with pytest.raises(DataError, match="V4LUE"):
            read_files(config, Progress(said.append), append=False)
    body = json.loads((tmp_path / "got.json").read_text())
    assert (body["kind"], body["model"], body["exit_code"]) == ("contract", "m", 3)
    assert body["message"] == "1 of 3 rows break the contract; nothing was replaced"
    assert body["details"] == {"rows": 3, "rejected": 1, "rules": {"x: not float": 1}}
    assert "V4LUE" not in json.dumps(body)
    assert said[0] == "alert of contract sent"
    assert said[1].startswith("alert held back")
