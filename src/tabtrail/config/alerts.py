"""The section `alerts`: where news of drift, of a broken contract and of a refused gate is sent."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from tabtrail.config.section import Names, Problems, Section
from tabtrail.config.warehouse import VARIABLE, is_variable
from tabtrail.system.alert import Channel

Kind = Literal["drift", "contract", "gate"]
FOLDER = "alerts"
"""Where, below `output_dir`, it is remembered when each kind of alert was sent."""


class Alerts(Section):
    """One JSON for each kind of event, at most once a window. The address is a secret: nothing records or prints it."""

    webhook: SecretStr | None = Field(None, exclude=True, description="An http(s) address that gets the JSON by POST.")
    webhook_variable: str | None = Field(None, description="The environment variable that holds the address, in its place.")
    command: Names = Field((), description="A command in place of the webhook, as words; it gets the JSON on its standard input.")
    events: tuple[Kind, ...] = Field(
        ("drift", "contract", "gate"), min_length=1, description="The kinds of events that are sent."
    )
    window_hours: Annotated[float, Field(ge=0, le=24 * 366)] = Field(
        24, description="Events of one kind are sent at most once in this many hours; 0 sends each."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(10, description="How long the webhook or the command may take.")

    def channel(self, kind: str, *, root: Path, output_dir: Path) -> Channel | None:
        """Return where events of a kind are sent, None where they are not. Commands run in `root`."""
        address, missing = self.webhook.get_secret_value() if self.webhook else None, None
        if self.webhook_variable is not None:
            address = os.environ.get(self.webhook_variable, "").strip() or None
            missing = _address_problem(address) if address else "it is not set"
            missing = missing and f"the environment variable {self.webhook_variable} of alerts.webhook_variable: {missing}"
        if kind not in self.events or not (address or missing or self.command):
            return None
        state, window = output_dir / FOLDER, self.window_hours * 3600
        return Channel(address, self.command, root, state, window, self.timeout_seconds, missing)


def check_alerts(alerts: Alerts) -> Problems:
    """Yield what is wrong with the way in which alerts go; no message holds the address."""
    ways: Mapping[str, object] = {name: getattr(alerts, name) for name in ("webhook", "webhook_variable", "command")}
    given = [name for name, value in ways.items() if value]
    for name in given[1:]:
        yield ("alerts", name), f"alerts.{given[0]} says where alerts go as well; remove one of the two"
    if alerts != Alerts() and not given:
        yield ("alerts",), "nothing says where alerts go; set alerts.webhook, alerts.webhook_variable or alerts.command"
    if alerts.webhook is not None and (problem := _address_problem(alerts.webhook.get_secret_value())):
        yield ("alerts", "webhook"), problem
    if alerts.webhook_variable is not None and not is_variable(alerts.webhook_variable):
        yield ("alerts", "webhook_variable"), VARIABLE
    if alerts.command and not alerts.command[0].strip():
        yield ("alerts", "command"), "its first word is empty; write a list of words, as [python, tell.py]"


def _address_problem(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    return None if sound and address.isascii() and " " not in address else "this is no address; write it as https://HOST/PATH"
