"""The model that is served, and the watch over its folder: a new bundle is loaded aside and swapped in as one reference."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import BundleError, ConfigError, MissingExtraError, NotTrainedError, TabtrailError
from tabtrail.serving.row_schema import row_schema
from tabtrail.storage.copies import Copy

logger = logging.getLogger("tabtrail.serve")
# The next look is soon: what a store does not answer within this time is asked again then.
_PATIENCE_SECONDS = 2.0
Identity = tuple[tuple[str, int, int, int], ...]


class Served:
    """A verified, warmed model. A request takes one and uses no other until its answer is sent."""

    def __init__(self, bundle: Bundle) -> None:
        self.predictor = Predictor(bundle)
        self.metadata, self.history, self.reference = bundle.metadata, bundle.history, bundle.reference
        self.schema = self.predictor.schema
        self.row_schema = row_schema(self.schema)
        self.run_id = str(self.metadata["run_id"])
        self.model = str(self.metadata["model"])
        self.predictor.predict([self.schema.example] * 2)

    def history_age(self) -> int | None:
        """Return the number of periods from the last one of the history to today's; None for a model of rows."""
        demand = self.predictor.demand
        if demand is None or self.history is None:
            return None
        return demand.panel.recipe.calendar.number(datetime.now(UTC).date()) - self.history.as_of


@dataclass(frozen=True)
class Fault:
    """Why there is no model: `status` as in `/health`, and a message that names no folder of this machine."""

    status: str
    detail: str


class Watched:
    """The bundle of one folder as it was last loaded. `served` is read once a request.

    A bundle that cannot be used leaves the previous one in place; `fault` then says why.
    """

    def __init__(
        self,
        folder: Path | Copy,
        name: str,
        public_key: Path | None,
        reloaded: Callable[[bool], None] = lambda good: None,
    ) -> None:
        self.copy = folder if isinstance(folder, Copy) else None
        self.folder, self.name, self.public_key = folder.folder if isinstance(folder, Copy) else folder, name, public_key
        self.served: Served | None = None
        self.fault: Fault | None = Fault("not_trained", "the service has not loaded a model yet")
        self._reloaded = reloaded
        self._seen: Identity | None = None
        self._away = False

    def changed(self) -> bool:
        """Whether the files differ from those of the last attempt: a few `stat` calls, after a request to the bucket where they
        are a copy of one. Blocking then: for a thread.
        """
        self._fetch()
        return identity(self.folder) != self._seen

    def refresh(self) -> None:
        """Load, verify and warm what the folder holds now, and serve it. Blocking: for a thread."""
        if self._seen is None:
            self._fetch()
        self._seen = identity(self.folder)
        try:
            served = Served(load_bundle(self.folder, self.name, self.public_key))
        except NotTrainedError as error:
            away = "the models cannot be fetched from their bucket; the service's log says why"
            self._refuse("not_trained", away if self._away else self._without_folder(error))
        except (BundleError, ConfigError, MissingExtraError) as error:
            self._refuse("damaged", self._without_folder(error))
        except Exception as error:  # noqa: BLE001 - whatever a bundle holds, the service stays up
            self._refuse(
                "damaged", f"the bundle cannot be used ({type(error).__name__}); rebuild it with `tabtrail train --force`"
            )
        else:
            self.served, self.fault = served, None
            self._reloaded(True)
            logger.info("model loaded", extra={"fields": {"model": served.model, "run_id": served.run_id}})

    async def watch(self, seconds: float) -> None:
        """Look at the folder every so many seconds until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            if await asyncio.to_thread(self.changed) if self.copy else self.changed():
                await asyncio.to_thread(self.refresh)

    def _fetch(self) -> None:
        """Bring a copy of a bucket up to date. While the bucket is away, what was fetched last is served."""
        if self.copy is None:
            return
        try:
            self.copy.refresh(_PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever becomes of the bucket or the disk, the service stays up
            if not self._away:
                reason = error if isinstance(error, TabtrailError) else type(error).__name__
                logger.warning("the models cannot be fetched, what was fetched last stays in use: %s", reason)
            self._away = True
        else:
            if self._away:
                logger.info("the models can be fetched again")
            self._away = False

    def _refuse(self, status: str, detail: str) -> None:
        self.fault = Fault(status, detail)
        self._reloaded(False)
        kept = "the previous model stays in use" if self.served else "there is no model to serve"
        logger.warning("bundle refused, %s: %s", kept, detail)

    def _without_folder(self, error: TabtrailError) -> str:
        return str(error).replace(str(self.folder) + os.sep, "").replace(str(self.folder), self.folder.name)


def identity(folder: Path) -> Identity:
    """Return name, inode, time and size of each file of a folder, empty where there is none."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.name, entry.stat(follow_symlinks=False)) for entry in entries if not entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return ()
    return tuple(sorted((name, status.st_ino, status.st_mtime_ns, status.st_size) for name, status in found))
