"""`tabtrail serve`: the deployed model over HTTP."""

from functools import partial
from typing import Annotated

import typer

from tabtrail.cli.options import ConfigOption, SetOption, new_group
from tabtrail.config.load import load_config
from tabtrail.serving.app import create_app
from tabtrail.serving.run import run as run_service

app = new_group()


@app.command(epilog="example: tabtrail serve --port 8080 --workers 2")
def serve(
    config: ConfigOption = None,
    set_: SetOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; anything but loopback is your decision.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the port.")] = None,
) -> None:
    """Serve the deployed model over HTTP; one that is promoted later is served from then on."""
    loaded = load_config(config, set_ or [])
    options = {"host": host, "port": port, "workers": workers}
    settings = loaded.serve.model_copy(update={name: value for name, value in options.items() if value is not None})
    run_service(partial(create_app, loaded), settings)
