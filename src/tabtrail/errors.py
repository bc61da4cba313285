"""Every failure that a person can act on: one root, one subclass a phase, each with its exit code.

Exit codes: 0 ok · 1 failure · 2 usage or config · 3 data contract broken · 4 gate refused · 5 drift found · 130 interrupted.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib.util import find_spec
from textwrap import wrap
from typing import ClassVar, NoReturn

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


class TabtrailError(Exception):
    """A failure with a message that says what, where and what to do next."""

    exit_code: ClassVar[int] = 1


class UsageError(TabtrailError):
    """The command line or a payload is wrong."""

    exit_code = 2


class ConfigError(TabtrailError):
    """The YAML file, an override or a path it names is wrong."""

    exit_code = 2


class DataError(TabtrailError):
    """The data does not keep its contract, or is not enough for the work."""

    exit_code = 3


class ParityError(TabtrailError):
    """The exported graph does not predict what the Python model predicts."""

    exit_code = 4


class LeakageError(TabtrailError):
    """A column or the split gives the target away, and the config wants that to stop everything."""

    exit_code = 4


class NothingToDeployError(TabtrailError):
    """No candidate is worth deploying: each fails its proof, or does not beat the baselines."""

    exit_code = 4


class PromotionError(TabtrailError):
    """The gate does not let a model be deployed."""

    exit_code = 4


class ReproductionError(TabtrailError):
    """A run that was fitted again came out differently."""

    exit_code = 4


class QualityError(TabtrailError):
    """Evidence that the config requires is missing."""

    exit_code = 4


class BundleError(TabtrailError):
    """A deployed model is missing, incomplete or altered."""


class NotTrainedError(BundleError):
    """No model is deployed yet."""


class StoreError(TabtrailError):
    """The MLflow store cannot be opened or written."""


class StorageError(TabtrailError):
    """A bucket cannot be reached, read or written."""


class ConflictError(StorageError):
    """Another process wrote first: to the same place of a bucket, or the same entry of a history."""


class DatabaseError(TabtrailError):
    """A PostgreSQL server does not answer, ends a connection, or cannot do the work."""


class EngineError(TabtrailError):
    """The workers that jobs run on cannot be reached, or end."""


class CapacityError(TabtrailError):
    """The work needs more memory than there is."""


class LockedError(TabtrailError):
    """Another process is at work in the project."""


class MissingExtraError(TabtrailError):
    """A command needs packages that are not installed."""


def nearest(name: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` for the known name closest to `name`, or an empty string."""
    found = nearest_name(name, known)
    return "" if found is None else f"; did you mean '{found}'?"


def nearest_name(name: str, known: list[str]) -> str | None:
    """Return the known name closest to `name`, None where none is close."""
    folded = {k.casefold().strip(): k for k in known}
    matches = get_close_matches(name.casefold().strip(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def missing_modules(*modules: str) -> list[str]:
    """Return those of the modules that are not installed; none is imported."""
    return [module for module in modules if find_spec(module) is None]


def require_extra(extra: str, *modules: str, wanted_by: str = "this") -> None:
    """Raise `MissingExtraError` naming the extra to install when one of `modules` is not installed."""
    if missing := missing_modules(*modules):
        names = ", ".join(missing)
        raise MissingExtraError(f"{wanted_by} needs {names}, which the base install leaves out: pip install 'tabtrail[{extra}]'")


def require_keys(rows: int, keys: int, folds: int) -> None:
    """Raise `DataError` when rows with so many distinct split keys cannot give a test part and every fold."""
    if keys < folds + 1:
        raise DataError(
            f"{rows:,} rows with {keys:,} distinct split keys cannot give a test part and {folds} folds;"
            f" lower split.folds, or choose another split.group_key"
        )


@contextmanager
def report_errors() -> Iterator[None]:
    """End the process with one message on stderr and the documented exit code for a `TabtrailError`, for what the system says
    of a file, and for a signal.

    For the edge of a program, in its main thread: while it lasts, SIGINT ends the process with 130 and SIGTERM with 143, both
    through the clean-up of whatever is under way. Afterwards the signal handlers are again those that were there.
    """
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
        sys.stdout.flush()  # within reach of the message below: at the exit of Python it would be two lines of its own
    except TabtrailError as error:
        print(_for_the_terminal(f"error: {error}"), file=sys.stderr)  # noqa: T201
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if error.errno in _NO_ROOM and error.filename is None:  # printing, say: what writes files names the file or its folder
            _leave_stdout()
            print(f"error: the output cannot be written: {error.strerror}; send it where there is room", file=sys.stderr)  # noqa: T201
            raise SystemExit(1) from None
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}; `tabtrail doctor` says more", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _for_the_terminal(message: str) -> str:
    """Return a message with its lines broken between words where stderr is a terminal; paths and commands stay whole."""
    if not sys.stderr.isatty():
        return message
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    lines = (wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""] for line in message.split("\n"))
    return "\n".join(part for parts in lines for part in parts)


def _leave_stdout() -> None:
    """Send what is still to be printed nowhere: at the exit of Python it would fail once more, with a traceback."""
    with suppress(OSError, ValueError):  # a stdout without a descriptor, as in tests
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _interrupt(number: int, _frame: object) -> NoReturn:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    print("interrupted; nothing is half-written", file=sys.stderr)  # noqa: T201
    raise SystemExit(128 + number)
