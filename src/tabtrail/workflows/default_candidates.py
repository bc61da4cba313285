"""The candidates that a config without any stands for, as its dataset has them."""

from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.modeling.defaults import default_candidates, shape_of
from tabtrail.progress import SILENT, Progress


def with_default_candidates(config: Config, progress: Progress = SILENT) -> Config:
    """Return the config with the default list where it names no candidates, and say which and why. Raises `DataError` where there
    is no dataset.
    """
    if config.candidates or config.is_demand_only:
        return config
    shape = shape_of(config.model, scan_dataset(config.dataset), by_time=config.split.by_time)
    found = default_candidates(shape, distributed=config.engine.final is not None)
    progress.say(f"train: the config names no candidates; for {shape} these are tried:")
    for name, each in found.items():
        progress.say(f"train:   {name}: {each.reason}")
    choice = config.choice
    if choice.racing is None:  # a list that nobody wrote: who cannot win is not worth a proof and a line
        choice = choice.model_copy(update={"racing": choice.budget is None})
    return config.changed(candidates={name: each.params for name, each in found.items()}, choice=choice)
