"""Which files a page is made from, and what the config says about it: for the report and the dashboard, importing no library."""

from tabtrail.config.tree import Config
from tabtrail.data.result_files import demand_table_files, profile_files
from tabtrail.project.paths import Artifacts
from tabtrail.report.data_evidence import PageSettings
from tabtrail.report.demand_evidence import DemandFiles


def demand_files(artifacts: Artifacts) -> DemandFiles:
    """Return the files that the last training on many series left."""
    output_dir = artifacts.paths.output_dir
    return DemandFiles(
        leaderboard=artifacts.demand_leaderboard,
        importance=artifacts.demand_importance,
        uplift=artifacts.demand_uplift,
        verdict=artifacts.verdict,
        manifest=artifacts.paths.manifest,
        profile=profile_files(output_dir)[0],
        tables=demand_table_files(output_dir),
    )


def page_settings(config: Config) -> PageSettings:
    """Return what the config says about a page."""
    labels = {name: f"{name}, {rule.description}" for name, rule in config.contract.columns.items() if rule.description}
    if config.model.currency:
        labels[config.model.target] = f"{config.model.target}, {config.model.currency}"
    store = config.mlflow.sqlite_file
    shown = store.relative_to(config.root) if store is not None and store.is_relative_to(config.root) else store
    return PageSettings(
        inputs=config.model.inputs,
        labels=labels,
        points=config.profile.points,
        top=config.report.top_features,
        ewma_decay=config.risk.ewma_decay,
        store="" if shown is None else f"sqlite:///{shown}",
    )
