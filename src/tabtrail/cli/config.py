"""`tabtrail config show` and `schema`: the configuration as resolved, and what it may hold."""

import json

import typer
import yaml

from tabtrail.cli import later
from tabtrail.cli.commands import TRAIN
from tabtrail.cli.options import ConfigOption, JsonOption, SetOption, new_group
from tabtrail.cli.output import print_json
from tabtrail.config.load import config_schema, load_config

app = new_group("Show the resolved configuration, or its JSON Schema.")


@app.command("show", epilog="example: tabtrail config show --set split.folds=10")
def config_show(config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Print the resolved configuration: file, environment and flags applied, paths absolute."""
    loaded = load_config(config, set_ or [])
    if TRAIN.is_installed:
        later.names.check_names(loaded)
    tree = json.loads(loaded.model_dump_json(exclude_none=True))
    if as_json:
        print_json(tree)
        return
    typer.echo(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), nl=False)


@app.command("schema", epilog="example: tabtrail config schema > config.schema.json")
def config_json_schema() -> None:
    """Print the JSON Schema of the YAML file, for editors."""
    schema = config_schema()
    if TRAIN.is_installed:
        later.names.add_names(schema)
    print_json(schema)
