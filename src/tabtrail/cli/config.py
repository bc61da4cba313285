"""`tabtrail config show` and `schema`: the configuration as resolved, and what it may hold."""

import json
from typing import Any

import typer
import yaml

from tabtrail.cli import later
from tabtrail.cli.commands import TRAIN
from tabtrail.cli.options import ConfigOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import print_json
from tabtrail.config.load import config_schema, load_config
from tabtrail.system.addresses import without_passwords, without_path

app = new_group("Show the resolved configuration, or its JSON Schema.")


@app.command("show", epilog="example: tabtrail config show --set split.folds=10")
def config_show(config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text") -> None:
    """Print the resolved configuration: file, environment and flags applied, paths absolute, passwords of addresses left out."""
    loaded = load_config(config, set_ or [])
    if TRAIN.is_installed:
        later.names.check_names(loaded)
    tree = _without_passwords(json.loads(loaded.model_dump_json(exclude_none=True)))
    if loaded.alerts.webhook is not None:
        tree["alerts"]["webhook"] = "…"
    tree["alerts"]["command"] = [without_path(word) for word in tree["alerts"]["command"]]  # a webhook that curl calls, say
    if format_ == "json":
        print_json(tree)
        return
    if loaded.overrides:
        typer.echo("# not from the file:")
    for key, origin in loaded.overrides.items():
        typer.echo(f"# {key}: {origin}")
    typer.echo(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), nl=False)


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_passwords(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_passwords(each) for each in value]
    return without_passwords(value) if isinstance(value, str) else value


@app.command("schema", epilog="example: tabtrail config schema > config.schema.json")
def config_json_schema() -> None:
    """Print the JSON Schema of the YAML file, for editors."""
    schema = config_schema()
    if TRAIN.is_installed:
        later.names.add_names(schema)
    print_json(schema)
