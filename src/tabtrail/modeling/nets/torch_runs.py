"""What every training with PyTorch does: one thread, numbers from a seed, and arrays that become tensors and back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]


_LOCK = threading.Lock()  # random numbers are those of the process: two trainings in it would take them from each other


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The same numbers each time, whatever ran before, and what ran before goes on as if nothing had been."""
    with _LOCK, torch.random.fork_rng(devices=[]):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            torch.manual_seed(seed)
            yield
        finally:
            torch.set_num_threads(threads)


def finds_gpu() -> bool:
    """Tell whether there is a GPU, and this PyTorch is built for it."""
    return bool(torch.cuda.is_available())


def floats(values: Array) -> torch.Tensor:
    """Return an array as a tensor of float32."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def array(values: Any) -> Array:
    """Return a tensor as an array of doubles."""
    return values.detach().cpu().numpy().astype(np.float64)  # type: ignore[no-any-return]
