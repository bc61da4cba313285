"""Commands as the user would type them: with the program, the config and the overrides that were typed before."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabtrail.config.file import CONFIG_VARIABLE, config_path

_OF_TRAINING = ("candidates", "split", "explain", "slices", "intervals", "leakage", "export", "engine")


@dataclass(frozen=True)
class Typed:
    """The config and the overrides of a command line, as they were typed."""

    config: Path | None
    overrides: Sequence[str] | None

    def words(self, command: str, *, named: bool = False) -> list[str]:
        """Return the parts of a `tabtrail` command as it works from this folder, quoted for a shell, each option with its value.

        The config is named by its path as it was given; where none was given, only if it has to be `named`. Overrides that a
        training alone reads are left out: what comes after it takes its results.
        """
        words = command.split(" ")
        words = [*program("tabtrail"), *words[1:]] if words[0] == "tabtrail" else words
        if named or self.config is not None or os.environ.get(CONFIG_VARIABLE):
            words.append(f"--config {shlex.quote(str(config_path(self.config)))}")
        kept = [each for each in self.overrides or () if each.partition(".")[0].partition("=")[0] not in _OF_TRAINING]
        return words + [f"--set {shlex.quote(each)}" for each in kept]


def program(name: str) -> list[str]:
    """Return what starts a program of this environment here: its name where the shell finds it, else what starts it all the same:
    the script that this process is, or Python with its module.
    """
    if shutil.which(name):
        return [name]
    script = Path(sys.argv[0])
    if script.name == name and script.is_file():
        return [shlex.quote(sys.argv[0])]
    python = sys.orig_argv[0] if shutil.which(sys.orig_argv[0]) else sys.executable
    return [shlex.quote(python), "-m", name]
