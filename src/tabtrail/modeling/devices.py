"""Candidates that learn on a GPU: tried before anything is fitted, and fitted one at a time, as they share one device."""

import re
import shutil
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from tabtrail.config.operation import Engine
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError
from tabtrail.jobs.run import run_one
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.families.family import Params
from tabtrail.system.optional import load_optional

_ROWS = 64  # enough for a first split; a library takes a second to open the device, whatever they are


def is_on_device(candidate: Candidate) -> bool:
    """Tell whether a candidate asks for a GPU."""
    family = FAMILIES.get(candidate.family)
    return family is not None and family.device is not None and family.device.asked_by(candidate.params)


def finds_gpu() -> bool:
    """Tell whether PyTorch can learn on a GPU of this machine. It is asked only where a driver is: importing it takes seconds."""
    if shutil.which("nvidia-smi") is None:
        return False
    return bool(load_optional("tabtrail.modeling.nets.torch_runs", "torch", package="torch").finds_gpu())


def one_at_a_time(engine: Engine, candidates: Sequence[Candidate]) -> Engine:
    """Return the engine for the fits of candidates: with one worker where any of them learns on a device.

    On a cluster every worker has a device of its own, and the fits of one are in turn where it has one thread.
    """
    return engine.model_copy(update={"workers": 1}) if any(map(is_on_device, candidates)) else engine


def require_devices(candidates: Sequence[Candidate], engine: Engine, libraries: Sequence[str]) -> None:
    """Raise `ConfigError`, before anything is fitted, for the first candidate that asks for a device that its library cannot use
    here: some libraries would go on without a word, on the CPU.
    """
    tried: dict[str, str | None] = {}
    for candidate in candidates:
        family = FAMILIES.get(candidate.family)
        if family is None or family.device is None or not is_on_device(candidate):
            continue
        asked = family.device.of(candidate.params)
        key = f"{candidate.family} {sorted(asked.items())}"
        if key not in tried:
            tried[key] = run_one(_try_device, (candidate.family, asked), engine, libraries=libraries)
        if (problem := tried[key]) is not None:
            name, value = next(iter(asked.items()))
            raise ConfigError(
                f"candidates.{candidate.name}.{name}: {value} cannot be used here: {problem}. {family.device.needs}; or take"
                f" {name} out, to learn on the CPU"
            )


def _try_device(name: str, asked: Mapping[str, Parameter]) -> str | None:
    """Fit a few rows on a device; return what the library says against it, None for nothing."""
    family, random = FAMILIES[name], np.random.default_rng(0)
    refusals: tuple[type[Exception], ...] = (ValueError, *family.errors)
    params: Params = {**asked, str(family.iterations): 1}
    x = random.uniform(size=(_ROWS, 2))
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            family.build(params, 0).fit(x, x[:, 0])
    except refusals as error:
        return _first_line(error)
    return next((_first_line(each.message) for each in said if "changed from GPU to CPU" in str(each.message)), None)


def _first_line(said: object) -> str:
    """Return the first line of what a library says, without the place in its sources."""
    line = next((line for line in str(said).strip().splitlines() if line.strip()), "")
    return re.sub(r"^.*?\S+\.(?:h|cc|cpp):\d+: ", "", line).strip().rstrip(".")
