"""What the watch over the prediction log takes of the config; apart from the watch itself, which needs pyarrow."""

from dataclasses import dataclass

from tabtrail.config.drift import Drift
from tabtrail.system.alert import Channel


@dataclass(frozen=True)
class WatchSettings:
    """How the log is watched; `seed` decides how ties are broken, the same as at the command line. `alerts` is where an alarm is
    sent, None where it is not.
    """

    drift: Drift
    seed: int
    alerts: Channel | None = None
