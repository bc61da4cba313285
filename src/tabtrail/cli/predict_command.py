"""`tabtrail predict`: hands its arguments to `cli.predict`, which does without typer to start in less time."""

import typer

from tabtrail.cli.options import new_group
from tabtrail.cli.predict import main

app = new_group()


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def predict(context: typer.Context) -> None:
    """Predict rows given as JSON, or show what the model takes."""
    main(context.args, prog=context.command_path)
