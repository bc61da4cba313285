"""Alerts: one JSON to a webhook or a command, at most once a window, whatever the other side does."""

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.webhook import Receiver, receiving

from tabtrail.system.alert import Channel, Event, send_alert

EVENT = Event("drift", "sales", "SALES moved", 5, {"columns": ["SALES"], "größer": 1.5})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def channel(receiver: Receiver, tmp_path: Path) -> Channel:
    return Channel(receiver.url, (), tmp_path, tmp_path / "output" / "alerts", window=3600, timeout=5)


def test_an_event_is_posted_as_one_json_and_the_next_of_its_kind_is_held_back(receiver: Receiver, channel: Channel) -> None:
    assert send_alert(channel, EVENT) == "alert of drift sent"
    assert "held back: one of drift was sent less than 1 h ago" in send_alert(channel, EVENT)
    assert send_alert(channel, replace(EVENT, kind="gate")) == "alert of gate sent"
    first, second = receiver.bodies
    assert first.pop("at").endswith("+00:00")
    assert first == {
        "schema_version": 1,
        "kind": "drift",
        "model": "sales",
        "message": "SALES moved",
        "exit_code": 5,
        "details": {"columns": ["SALES"], "größer": 1.5},
        "held_back": 0,
    }
    assert (second["kind"], receiver.types[0]) == ("gate", "application/json")


def test_what_is_to_be_sent_once_is_sent_once_and_tried_until_it_is(receiver: Receiver, channel: Channel) -> None:
    receiver.status = 503
    assert "alert not sent: the webhook answered 503" in send_alert(channel, EVENT, once="run 1")
    receiver.status = 200
    said = [send_alert(replace(channel, window=0), EVENT, once=run) for run in ("run 1", "run 1", "run 2")]
    assert said == ["alert of drift sent", "alert of drift was sent before", "alert of drift sent"]
    assert "held back" in send_alert(channel, EVENT, once="run 3")
    assert send_alert(replace(channel, window=0), EVENT, once="run 3") == "alert of drift sent"
    assert [each["held_back"] for each in receiver.bodies] == [0, 0, 0, 0], "what is tried again is not counted each time"


def test_the_next_window_says_how_many_were_held_back(receiver: Receiver, channel: Channel) -> None:
    for _ in range(3):
        send_alert(channel, EVENT)
    assert send_alert(replace(channel, window=0), EVENT) == "alert of drift sent"
    assert [each["held_back"] for each in receiver.bodies] == [0, 2]
    known = channel.state / "drift.json"
    known.write_text(known.read_text().replace('"at": "20', '"at": "29'))
    assert send_alert(channel, EVENT) == "alert of drift sent", "a clock that was set back mutes nothing"
    known.write_text("{}")
    assert send_alert(channel, EVENT) == "alert of drift sent"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_the_webhook_refuses_is_said_without_its_address_and_tried_again(
    receiver: Receiver, channel: Channel, status: int
) -> None:
    receiver.status = status
    said = send_alert(channel, EVENT)
    assert said == f"alert not sent: the webhook answered {status}; the next one is tried again"
    receiver.status = 204
    assert send_alert(channel, EVENT) == "alert of drift sent"
    assert len(receiver.bodies) == 2, "a redirect is not followed"


@pytest.mark.parametrize("slow", ["wait", "drip"])
def test_a_webhook_that_takes_too_long_is_left(receiver: Receiver, channel: Channel, slow: str) -> None:
    setattr(receiver, slow, 1.0 if slow == "wait" else 0.1)
    start = time.monotonic()
    said = send_alert(replace(channel, timeout=0.3), EVENT)
    assert "did not answer within 0.3 s (alerts.timeout_seconds)" in said
    assert time.monotonic() - start < 3


def test_a_webhook_that_is_not_there_is_said_and_ends_nothing(channel: Channel) -> None:
    for address in ("http://127.0.0.1:9/T0K3N", "http://nowhere.invalid/T0K3N", "https://127.0.0.1:9/T0K3N"):
        said = send_alert(replace(channel, webhook=address), EVENT)
        assert said.startswith("alert not sent: the webhook cannot be reached (")
        assert "T0K3N" not in said
        assert "127.0.0.1" not in said


def test_many_at_once_are_one(receiver: Receiver, channel: Channel) -> None:
    receiver.wait = 0.2
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: send_alert(channel, EVENT), range(8)))
    assert len(receiver.bodies) == 1
    assert said.count("alert of drift sent") == 1


def test_what_a_killed_process_was_about_to_send_mutes_nothing_for_long(receiver: Receiver, channel: Channel) -> None:
    channel.state.mkdir(parents=True)
    claim = channel.state / "drift.claim"
    claim.touch()
    assert send_alert(channel, EVENT) == "alert held back: another process is sending one"
    os.utime(claim, (time.time() - 60, time.time() - 60))
    assert send_alert(channel, EVENT) == "alert of drift sent"
    assert len(receiver.bodies) == 1


def test_a_command_gets_the_json_and_no_shell_reads_its_words(tmp_path: Path, channel: Channel) -> None:
    (tmp_path / "tell.py").write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())")
    told = replace(channel, webhook=None, command=(sys.executable, "tell.py", "got $(x).json"))
    assert send_alert(told, EVENT) == "alert of drift sent"
    assert json.loads((tmp_path / "got $(x).json").read_bytes())["details"] == {"columns": ["SALES"], "größer": 1.5}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no such program",), "the command of alerts.command cannot be run (No such file or directory)"),
        ((sys.executable, "-c", "print('S3CRET'); raise SystemExit(7)"), "the command ended with exit code 7"),
        (
            (sys.executable, "-c", "import time; time.sleep(60)"),
            "did not end within 0.5 s (alerts.timeout_seconds) and was killed",
        ),
    ],
)
def test_a_command_that_fails_is_said(channel: Channel, words: tuple[str, ...], said: str) -> None:
    start = time.monotonic()
    found = send_alert(replace(channel, webhook=None, command=words, timeout=0.5 if "sleep" in words[-1] else 20), EVENT)
    assert said in found
    assert "S3CRET" not in found
    assert time.monotonic() - start < 15


def test_a_folder_that_cannot_be_written_is_said(channel: Channel, tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "file").touch()
    said = send_alert(replace(channel, state=tmp_path / "file" / "alerts"), EVENT)
    assert said.startswith("alert not sent: ")
    assert "which remembers when one was" in said
    assert receiver.bodies == []
