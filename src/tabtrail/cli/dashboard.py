"""`tabtrail dashboard`: pages for people who would rather look than read."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tabtrail.cli.options import ConfigOption, SetOption, new_group
from tabtrail.config.load import load_config
from tabtrail.config.operation import Serve
from tabtrail.errors import ConfigError
from tabtrail.serving.state import KEY_VARIABLE, read_key
from tabtrail.system.ports import require_free

app = new_group()


@app.command(epilog="example: tabtrail dashboard --port 8501")
def dashboard(
    config: ConfigOption = None,
    set_: SetOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback is your decision.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    allow_train: Annotated[bool, typer.Option("--allow-train", help="Let whoever has the service's API key train.")] = False,
) -> None:
    """Show data, model and forecasts in a browser; nothing is changed, unless --allow-train lets it."""
    loaded = load_config(config, set_ or [])
    if allow_train:
        require_key(loaded.serve)
    require_free(host, port)
    typer.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}", err=True)
    _become(command_line(loaded.words, host=host, port=port, allow_train=allow_train))


def command_line(words: Sequence[str], *, host: str, port: int, allow_train: bool) -> list[str]:
    """Return the command that starts Streamlit on the dashboard of a config named by the words; more settings lie with app.py."""
    streamlit = [sys.executable, "-m", "streamlit", "run", str(_entry()), "--server.address", host, "--server.port", str(port)]
    return [*streamlit, "--", *words, *(["--allow-train"] if allow_train else [])]


def require_key(serve: Serve) -> None:
    """Raise `ConfigError` where no API key is configured: whoever reaches the pages could train."""
    if read_key(serve) is None:
        raise ConfigError(
            "--allow-train: whoever reaches the dashboard could train without an API key; set one in the environment variable"
            f" {KEY_VARIABLE} or in the file that serve.api_key_file names"
        )


def _entry() -> Path:
    """Path of the pages' entry. It is not imported: Streamlit runs it, and this module is on the same layer."""
    spec = find_spec("tabtrail.dashboard")
    return Path(str(spec and spec.origin)).with_name("app.py")


def _become(words: list[str]) -> None:
    """Run a command in the place of this one, so that its memory is free and a signal reaches Streamlit itself."""
    if os.name == "posix":
        os.execv(words[0], words)  # noqa: S606
    else:
        raise SystemExit(subprocess.call(words))  # noqa: S603
