"""The candidates that a config without any stands for, as its dataset has them."""

from tabtrail.config.budget import Budget
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import missing_modules
from tabtrail.modeling.defaults import default_candidates, shape_of
from tabtrail.modeling.devices import finds_gpu
from tabtrail.progress import SILENT, Progress

_TIME_FOR_NETS = 1800  # seconds, below which the fits of a net on the CPU would be most of what the time is spent on


def with_default_candidates(config: Config, progress: Progress = SILENT) -> Config:
    """Return the config with the default list where it names no candidates, and say which and why. Raises `DataError` where there
    is no dataset.
    """
    if config.candidates or config.is_demand_only:
        return config
    shape = shape_of(config.model, scan_dataset(config.dataset), by_time=config.split.by_time)
    found = default_candidates(shape, distributed=config.engine.final is not None, net_on=_device_of_nets(config.choice.limit))
    progress.say(f"train: the config names no candidates; for {shape} these are tried:")
    for name, each in found.items():
        progress.say(f"train:   {name}: {each.reason}")
    choice = config.choice
    if choice.racing is None:  # a list that nobody wrote: who cannot win is not worth a proof and a line
        choice = choice.model_copy(update={"racing": choice.budget is None})
    return config.changed(candidates={name: each.params for name, each in found.items()}, choice=choice)


def _device_of_nets(budget: Budget | None) -> str | None:
    """Where a net may learn: on a GPU, or on the CPU where much time is given; None where it may not, or PyTorch is missing."""
    if missing_modules("torch"):
        return None
    if finds_gpu():
        return "cuda"
    return "cpu" if budget is not None and (budget.seconds or 0) >= _TIME_FOR_NETS else None
