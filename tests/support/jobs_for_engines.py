"""Jobs that the tests hand to engines; workers import them."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from tabtrail.errors import DataError


def total(rows: NDArray[np.float64], power: int) -> float:
    return float(np.sum(rows**power))


def slow_total(rows: NDArray[np.float64], power: int) -> float:
    time.sleep(0.3)
    return total(rows, power)


def slow(seconds: float, number: int) -> int:
    time.sleep(seconds)
    return number


def leave_a_trace(folder: Path, number: int) -> int:
    (folder / str(number)).touch()
    time.sleep(0.1)
    return number


def die_once(flag: Path, number: int) -> int:
    """The first job that comes by ends its worker as the kernel does when memory runs out."""
    try:
        flag.open("x").close()
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(secret: str) -> None:
    raise DataError(f"too few rows of {len(secret)}")


def threads(_: int) -> list[int]:
    np.linalg.svd(np.eye(3))
    return [int(each["num_threads"]) for each in threadpool_info()]


def process_id(seconds: float, _: int) -> int:
    time.sleep(seconds)
    return os.getpid()


def blocks(refused: int | None, part: int) -> tuple[NDArray[np.float32], NDArray[np.float64], None]:
    """Return 2,000 made-up rows of a part, as a final fit takes them."""
    if part == refused:
        raise DataError("too few rows of 9")
    x = np.random.default_rng(part).normal(size=(2000, 4)).astype(np.float32)
    return x, x[:, 0].astype(np.float64), None


def many(columns: int, part: int) -> tuple[NDArray[np.float32], NDArray[np.float64], None]:
    """Return 125,000 made-up rows of a part, of eight numbers in every column: binned at little cost."""
    x = np.random.default_rng(part).integers(0, 8, (125_000, columns), dtype=np.uint8).astype(np.float32)
    return x, x[:, 0].astype(np.float64), None
