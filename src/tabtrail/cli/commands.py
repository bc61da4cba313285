"""The commands by name. A command's module is imported when the command is called: the list of commands shows at once, and a
base install runs those that need no more.

A new command is one line in `COMMANDS`, and a function in the `app` of its module.
"""

from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from tabtrail.errors import missing_modules, require_extra
from tabtrail.system.imports import import_module


@dataclass(frozen=True)
class Extra:
    """An extra of the distribution, and the modules of it that a command needs."""

    name: str
    modules: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        return not missing_modules(*self.modules)


TRAIN = Extra(
    "train",
    (
        "polars",
        "duckdb",
        "sklearn",
        "xgboost",
        "lightgbm",
        "catboost",
        "mlflow",
        "skl2onnx",
        "matplotlib",
        "filelock",
    ),
)
LOOK = Extra("train", ("polars", "duckdb", "filelock"))
DEPLOY = Extra("train", ("polars", "duckdb", "sklearn", "mlflow", "filelock"))
TUNE = Extra("tune", ("optuna",))
POSTGRES = Extra("postgres", ("psycopg",))
RISK = Extra("risk", ("statsmodels", "arch"))
DASHBOARD = Extra("dashboard", ("streamlit", "plotly", "polars", "duckdb", "pyarrow", "filelock"))


@dataclass(frozen=True)
class Command:
    """A command's module, its line in the list of commands, and what it needs. A group is the whole `app` of its module."""

    module: str
    line: str
    needs: tuple[Extra, ...] = ()
    is_group: bool = False


COMMANDS = {
    "init": Command("tabtrail.cli.init", "Write the config for a file, from what it holds.", (TRAIN,)),
    "status": Command("tabtrail.cli.state", "Which stages of a run are fresh, and why others are not.", (LOOK,)),
    "doctor": Command("tabtrail.cli.state", "Check the whole project, and say how to mend it.", (LOOK,)),
    "check": Command("tabtrail.cli.check", "Find all that stands in the way of a run, at once.", (TRAIN,)),
    "run": Command("tabtrail.cli.stages", "Run the whole job, from the CSV to the page for people.", (TRAIN,)),
    "ingest": Command("tabtrail.cli.stages", "Turn the CSV files into contract-checked Parquet.", (TRAIN,)),
    "eda": Command("tabtrail.cli.stages", "Rebuild the DuckDB file; write the SQL summaries.", (TRAIN,)),
    "load": Command("tabtrail.cli.stages", "Load the rows into a table of PostgreSQL.", (POSTGRES, TRAIN)),
    "profile": Command("tabtrail.cli.stages", "Describe the data: columns, outliers, groups.", (TRAIN,)),
    "train": Command("tabtrail.cli.stages", "Benchmark the candidates; deploy the champion.", (TRAIN,)),
    "tune": Command("tabtrail.cli.tune", "Search for better parameters.", (TUNE, TRAIN)),
    "report": Command("tabtrail.cli.stages", "Write the page for people and its pictures.", (TRAIN,)),
    "explain": Command("tabtrail.cli.explain", "Show why the deployed model predicts what it does.", (TRAIN,)),
    "reproduce": Command("tabtrail.cli.reproduce", "Fit a recorded run again, and compare.", (TRAIN,)),
    "quality": Command("tabtrail.cli.quality", "Gather the evidence of a project's quality.", (TRAIN,)),
    "sql": Command("tabtrail.cli.sql", "Ask the DuckDB file: the data and the last benchmark.", (TRAIN,)),
    "predict": Command("tabtrail.cli.predict_command", "Predict rows, or show what the model takes."),
    "serve": Command("tabtrail.cli.serve", "Serve the deployed model over HTTP."),
    "dashboard": Command("tabtrail.cli.dashboard", "Show data, model and forecasts in a browser.", (DASHBOARD,)),
    "sample": Command("tabtrail.cli.sample", "Write a synthetic sales CSV, marked as synthetic."),
    "forecast": Command("tabtrail.cli.forecast", "Forecast a segment and its risk.", (RISK, TRAIN)),
    "demand": Command("tabtrail.cli.demand", "Keep a model of many series up to date.", (TRAIN,), is_group=True),
    "drift": Command("tabtrail.cli.drift", "Check whether later rows are like those of the training.", (TRAIN,)),
    "labels": Command("tabtrail.cli.drift", "Join actual values that came late to the prediction log.", (TRAIN,)),
    "promote": Command("tabtrail.cli.deploy", "Deploy a trained model, if the gate lets it.", (DEPLOY,)),
    "rollback": Command("tabtrail.cli.deploy", "Deploy again what was deployed before.", (DEPLOY,)),
    "challenger": Command("tabtrail.cli.challenger", "Compare the challenger in service with the champion.", (DEPLOY,)),
    "history": Command("tabtrail.cli.deploy", "List every change of what is deployed.", (DEPLOY,)),
    "runs": Command("tabtrail.cli.runs", "List the newest trainings in the MLflow store.", (DEPLOY,)),
    "config": Command("tabtrail.cli.config", "Show the resolved configuration, or its JSON Schema.", is_group=True),
    "bundle": Command("tabtrail.cli.bundle", "Verify a bundle, show what is in it, or put it into a bucket.", is_group=True),
}


class LazyGroup(TyperGroup):
    """A group that lists `COMMANDS`, and imports the module of the one that is called or completed."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.line))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and the other arguments, as Click does, with the imported command."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import a command and return it, ready to be run. Raises `MissingExtraError` where it needs what is not installed."""
    command = COMMANDS[name]
    for extra in command.needs:
        require_extra(extra.name, *extra.modules)
    group = get_group(import_module(command.module).app)
    return group if command.is_group else group.commands[name]
