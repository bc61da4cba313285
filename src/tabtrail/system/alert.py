"""Telling a person's system of what needs a person: one JSON to a webhook or a command, at most once a window.

Whatever goes wrong is said in words and raises nothing: an alert never ends the work that it is about. No word holds the address,
which may be a secret, nor what the webhook or the command answered.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError
from tabtrail.progress import Progress
from tabtrail.system.files import make_folder, read_json, write_json
from tabtrail.system.imports import Late

webhook = Late("tabtrail.system.webhook")  # an HTTP client, of which few commands have need

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Event:
    """What happened: its `kind` (drift, contract, gate), of which model, in words, and in figures; never values of rows."""

    kind: str
    model: str
    message: str
    exit_code: int
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Channel:
    """Where events go: an address that gets them by POST, or a command (its words) on its standard input, in `folder`.

    `missing` says why there is no address after all. An event of a kind is told at most once in `window` seconds, which
    `state` remembers, a folder; `timeout` is in seconds.
    """

    webhook: str | None
    command: tuple[str, ...]
    folder: Path
    state: Path
    window: float
    timeout: float
    missing: str | None = None


def send_alert(channel: Channel, event: Event, *, once: str | None = None) -> str:
    """Send an event unless one of its kind was sent within the window, and return what became of it, in words.

    One that cannot be sent does not count for the window: the next one of its kind is tried again. What is sent under a word of
    `once` is not sent under it again, however often it is offered, and does not count as held back.
    """
    if channel.missing is not None:
        return f"alert not sent: {channel.missing}"
    known, claim = channel.state / f"{event.kind}.json", channel.state / f"{event.kind}.claim"
    try:
        make_folder(channel.state)
        if not _claim(claim, channel.timeout):
            return "alert held back: another process is sending one"
        try:
            if once is not None and (read_json(known) or {}).get("once") == once:
                return f"alert of {event.kind} was sent before"
            return _send_in_window(channel, event, known, once)
        finally:
            claim.unlink(missing_ok=True)
    except (OSError, TabtrailError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"alert not sent: {channel.state} cannot be written ({reason}), which remembers when one was"


def tell(channel: Channel | None, event: Event, progress: Progress) -> None:
    """Send an event where there is a channel, and say what became of it."""
    if channel is not None:
        progress.say(send_alert(channel, event))


def _send_in_window(channel: Channel, event: Event, known: Path, once: str | None) -> str:
    before = read_json(known) or {}
    held_back, left = _count(before), channel.window - _age(before)
    if left > 0:
        write_json(known, {**before, "held_back": held_back + (once is None)})
        return f"alert held back: one of {event.kind} was sent less than {_hours(channel.window)} ago (alerts.window_hours)"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = {"schema_version": SCHEMA_VERSION, "at": now, **vars(event), "held_back": held_back}
    data = json.dumps({**body, "details": dict(event.details)}, ensure_ascii=False).encode()
    failure = _post(channel, data) if channel.webhook is not None else _run(channel, data)
    if failure is not None:
        return f"alert not sent: {failure}; the next one is tried again"
    write_json(known, {"at": now, "held_back": 0, "once": once or before.get("once")})
    return f"alert of {event.kind} sent"


def _claim(path: Path, timeout: float) -> bool:
    """Take the right to send; one that a killed process left behind counts as long as its sending could have lasted."""
    for _ in range(2):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return True
        except FileExistsError:
            try:
                if time.time() - path.stat().st_mtime <= 2 * timeout:
                    return False
                path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
    return False


def _age(known: Mapping[str, Any]) -> float:
    """Seconds since the last alert; endless where there was none, or one that lies in the future by a clock set back."""
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(str(known["at"]))).total_seconds()
    except (KeyError, ValueError, TypeError):
        return float("inf")
    return age if age >= 0 else float("inf")


def _count(known: Mapping[str, Any]) -> int:
    count = known.get("held_back")
    return count if isinstance(count, int) else 0


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g} h"


def _post(channel: Channel, data: bytes) -> str | None:
    """Post, and return what went wrong. A thread does it, since a server that answers byte by byte outlasts any timeout."""
    found: list[str | None] = []
    send = partial(webhook.post, str(channel.webhook), data, channel.timeout)
    thread = threading.Thread(target=lambda: found.append(send()), name="alert", daemon=True)
    thread.start()
    thread.join(channel.timeout)
    return found[0] if found else f"the webhook did not answer within {channel.timeout:g} s (alerts.timeout_seconds)"


def _run(channel: Channel, data: bytes) -> str | None:
    """Run the command with the event on its standard input, and return what went wrong."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the words are the config's, and no shell reads them
            channel.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=channel.folder,
            start_new_session=True,
        )
    except OSError as error:
        return f"the command of alerts.command cannot be run ({error.strerror})"
    try:
        process.communicate(data, channel.timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"the command did not end within {channel.timeout:g} s (alerts.timeout_seconds) and was killed"
    except BrokenPipeError:
        process.wait(channel.timeout)
    return None if process.returncode == 0 else f"the command ended with exit code {process.returncode}"


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command with what it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
