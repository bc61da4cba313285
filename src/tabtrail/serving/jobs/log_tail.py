"""What of a job's log may be shown: how far it has come, never a value of the data or a secret."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_BYTES = 65_536
_MOST_LINES = 30
_MOST_CHARACTERS = 500
# Lines about models, runs and counts. What ingest and errors say may quote values of the data, and names of files and stores.
_SHOWN = re.compile(r"(demand|train): |ingest: (unchanged|[\d,]+ rows )|waiting, |[\d,]+ of [\d,]+ [a-z]+$")
_REFUSED = 4  # its reasons are about models
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")
_COUNT = re.compile(r"\b([\d,]+) of ([\d,]+)\b")
_RUN = re.compile(r"\brun ([0-9a-f]{32})\b")


@dataclass(frozen=True)
class Tail:
    """The last lines of a log that may be shown, oldest first."""

    lines: tuple[str, ...]

    @property
    def progress(self) -> dict[str, Any] | None:
        """The last line, and where it counts something, how many of how many."""
        if not self.lines:
            return None
        count = _COUNT.search(self.lines[-1])
        done, of = (None, None) if count is None else (int(each.replace(",", "")) for each in count.groups())
        return {"message": self.lines[-1], "done": done, "of": of}

    @property
    def run_id(self) -> str | None:
        """The run in MLflow that was named last."""
        found = [run for line in self.lines for run in _RUN.findall(line)]
        return found[-1] if found else None


def read_tail(log: Path, exit_code: int | None) -> Tail:
    """Return the end of a log; nothing where there is none yet."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return Tail(())
    lines = text.splitlines()[1 if size > _MOST_BYTES else 0 :]  # the first is cut
    return Tail(tuple(_shown(lines, exit_code))[-_MOST_LINES:])


def _shown(lines: list[str], exit_code: int | None) -> Iterator[str]:
    refusal = False
    for line in lines:
        refusal = exit_code == _REFUSED and (line.startswith("error: ") or (refusal and line.startswith("  ")))
        if refusal or _SHOWN.match(line):
            yield _PASSWORD.sub("***@", "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line))[
                :_MOST_CHARACTERS
            ]
