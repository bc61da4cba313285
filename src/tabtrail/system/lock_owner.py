"""Who holds the lock of a project, as the file beside it says; `system.held` asks the lock itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tabtrail.system.files import read_json
from tabtrail.system.process import is_alive


@dataclass(frozen=True)
class Owner:
    """Who holds or held the lock: `process` as `process.this_process` has it, `since` in UTC (ISO 8601)."""

    process: str
    command: str
    since: str

    @property
    def alive(self) -> bool:
        return is_alive(self.process)

    @property
    def age_seconds(self) -> float:
        return (datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds()

    def __str__(self) -> str:
        host, pid, _ = self.process.rsplit(":", 2)
        return f"`tabtrail {self.command}` (process {pid} on {host}, for {duration(self.age_seconds)})"


def lock_path(output_dir: Path) -> Path:
    """Lock file of a project, in the folder of its results."""
    return output_dir / ".lock"


def owner_path(output_dir: Path) -> Path:
    """File beside the lock that says who holds it."""
    return lock_path(output_dir).with_name(".lock.owner.json")


def read_owner(output_dir: Path) -> Owner | None:
    """Return who holds the lock, or held it and was killed; None where nobody does."""
    value = read_json(owner_path(output_dir))
    try:
        owner = Owner(**value) if value else None
        return owner if owner and owner.age_seconds > float("-inf") and owner.process.count(":") >= 2 else None
    except (TypeError, ValueError, AttributeError):
        return None


def duration(seconds: float) -> str:
    """Show a time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
