"""New data for the deployed model of series, without a training: its history is built again and replaced as a whole."""

from dataclasses import dataclass, replace

import numpy as np

from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.history import ANSWERED, History, read_history, write_history
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.config.demand import Demand, series_columns
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import BundleError, DataError, UsageError
from tabtrail.forecast.panel.build import build_panel, needed_columns
from tabtrail.forecast.panel.history import history_of
from tabtrail.progress import SILENT, Progress
from tabtrail.project.copies import publishing
from tabtrail.project.lock import project_lock
from tabtrail.system.files import atomic_file
from tabtrail.workflows.demand_learning import learned_state


@dataclass(frozen=True)
class Updated:
    """The last known day before (None: there was no history that could be read) and after an update, and the series."""

    before: str | None
    after: str
    series: int


def update_history(config: Config, progress: Progress = SILENT) -> Updated:
    """Bring the history of the deployed model up to the dataset.

    Raises `UsageError` for a config without `demand`, `BundleError` where no such model is deployed, `DataError` for a dataset
    that ends before the history does, or lacks the past that the history has.
    """
    config = config.for_demand()
    demand, date = config.demand, config.cleaning.date_column
    if demand is None or date is None:
        raise UsageError("the config has no demand: there is no history of series to bring up to date")
    with project_lock(config, "demand update", progress):
        folder, name = config.paths.models_dir, demand.name
        metadata = read_metadata(folder, name, config.bundle.public_key)
        if metadata.get("panel") is None:
            raise BundleError(f"the model in {folder} is not one of series; run `tabtrail train`")
        inputs = PanelInputs.from_dict(metadata["panel"])
        _require_unchanged(inputs, demand)
        panel = build_panel(scan_dataset(config.dataset).select(needed_columns(demand, date)), demand, date)
        path = folder / history_name(name)
        try:
            before = read_history(path.read_bytes(), name)
        except (OSError, BundleError):
            before = None
        calendar = panel.calendar
        if before is not None and before.as_of > panel.last:
            raise DataError(
                f"the dataset ends on {calendar.last_day(panel.last)}, before the history does,"
                f" {calendar.last_day(before.as_of)}; nothing was replaced"
            )
        state = {} if before is None else before.state
        made = history_of(panel, inputs.recipe, name, read_manifest(config.dataset).data_sha256, {})
        _require_past(before, made, inputs)
        bundle = load_bundle(folder, name, config.bundle.public_key, history=made)
        made = replace(made, state=learned_state(bundle, made, state))
        with publishing(config.paths.models_copy), atomic_file(path) as temporary:
            temporary.write_bytes(write_history(made))
        changed, gone = _differences(before, made)
        if changed or gone:
            progress.say(
                f"demand: warning: {changed:,} values are others than the history had, and {gone:,} of its series are no longer"
                " in the dataset"
            )
        return Updated(
            None if before is None else calendar.last_day(before.as_of).isoformat(),
            calendar.last_day(panel.last).isoformat(),
            panel.count,
        )


def _require_past(before: History | None, made: History, inputs: PanelInputs) -> None:
    """Raise `DataError` for a dataset of new rows alone: what forecasts read of the past would be gone."""
    whole = made.as_of - (inputs.recipe.past + ANSWERED) + 1
    if before is not None and made.first > max(before.first, whole):
        calendar = inputs.recipe.calendar
        raise DataError(
            f"the dataset begins on {calendar.first_day(made.first)}, after the history does, {calendar.first_day(before.first)},"
            " so that forecasts would lose the past that they read; ingest the earlier files too. Nothing was replaced"
        )


def _differences(before: History | None, made: History) -> tuple[int, int]:
    """Return how many values of both histories differ, and how many series of the first the second lacks."""
    if before is None:
        return 0, 0
    places = {tuple(map(str, key)): place for place, key in enumerate(made.keys)}
    found = [(place, places[key]) for place, key in enumerate(tuple(map(str, key)) for key in before.keys) if key in places]
    first, last = max(before.first, made.first), min(before.as_of, made.as_of)
    old, new = (
        each.target[np.array([pair[side] for pair in found], dtype=np.int64), first - each.first : last + 1 - each.first]
        for side, each in enumerate((before, made))
    )
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    return int((~same).sum()), len(before.keys) - len(found)


def _require_unchanged(inputs: PanelInputs, demand: Demand) -> None:
    """Raise `UsageError` where the model reads what the config no longer names."""
    recipe = inputs.recipe
    now: dict[str, tuple[object, object]] = {
        "series": (inputs.series, series_columns(demand)),
        "frequency": (recipe.frequency, demand.frequency),
        "known_ahead": (set(recipe.columns) - set(demand.known_ahead), set()),
        "static": (set(inputs.texts) - {*series_columns(demand), *demand.static}, set()),
    }
    if changed := [f"demand.{key}" for key, (trained, named) in now.items() if trained != named]:
        raise UsageError(
            f"{', '.join(changed)} changed since the deployed model was trained; put the config back, or run `tabtrail train`;"
            " nothing was replaced"
        )
