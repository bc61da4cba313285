"""The net families that a config may name, and their parameters: read and checked without PyTorch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, nearest

LOG_LOSSES = ("tweedie", "poisson")
_LOSSES = ("absolute", "squared", *LOG_LOSSES)


@dataclass(frozen=True)
class Budget:
    """How a net is trained: with Adam, on `epochs` passes at most over the rows.

    Where `patience` is above zero, the latest `held_out` share of the periods is not learned from: training stops after so many
    epochs without a smaller loss there, and the weights of the best epoch are kept.
    """

    loss: str = "absolute"
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 0.001
    dropout: float = 0.2
    patience: int = 5
    held_out: float = 0.1


@dataclass(frozen=True)
class TableSettings(Budget):
    """A perceptron with embeddings of the text columns: features → `hidden_1` → `hidden_2` → 1.

    `features` is `all` of the recipe, or `sixteen`: the day of the week, month, week, weekend, start and end of a month, lags 1,
    7 and 14, means of 7 and 14, deviation of 7 days, what is known ahead and the columns of the series, with the horizon.
    """

    hidden_1: int = 64
    hidden_2: int = 32
    features: str = "all"
    tweedie_power: float = 1.3


@dataclass(frozen=True)
class WindowSettings(Budget):
    """A convolution and an LSTM over the latest `window` values of a series: one net for all, or one for each value of `per`."""

    epochs: int = 30
    window: int = 14
    channels: int = 16
    kernel: int = 3
    hidden: int = 32
    per: str | None = None


NetSettings = TableSettings | WindowSettings
NET_FAMILIES: dict[str, type[TableSettings] | type[WindowSettings]] = {"MLP": TableSettings, "CNNLSTM": WindowSettings}
# What a number may be, both ends included.
_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 10_000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-7, 1),
    "dropout": (0, 0.95),
    "patience": (0, 10_000),
    "held_out": (0.01, 0.5),
    "hidden_1": (1, 1024),
    "hidden_2": (1, 1024),
    "tweedie_power": (1.01, 1.99),
    "window": (2, 370),
    "channels": (1, 256),
    "kernel": (1, 31),
    "hidden": (1, 512),
}


def parse_net(name: str, params: Mapping[str, Parameter]) -> NetSettings | None:
    """Return the settings of a candidate of a net family, None for one of another family.

    Raises `ConfigError` for the first of `net_problems`.
    """
    family = name.partition("_")[0]
    if family not in NET_FAMILIES:
        return None
    for key, problem in net_problems(family, params):
        raise ConfigError(f"demand.candidates.{'.'.join([name, *key])}: {problem}")
    return NET_FAMILIES[family](**params)  # type: ignore[arg-type]


def net_problems(family: str, params: Mapping[str, Parameter]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong with the parameters of a net of a family, each with the key below the candidate."""
    kind = NET_FAMILIES[family]
    known = {each.name: each.type for each in fields(kind)}
    for key, value in params.items():
        if key not in known:
            yield (key,), f"a net has no such parameter{nearest(key, list(known))}"
        elif problem := _problem(kind, key, value):
            yield (key,), problem


def _problem(kind: type, key: str, value: Parameter) -> str:
    if key in _RANGES:
        low, high = _RANGES[key]
        whole = isinstance(getattr(kind, key), int)
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not low <= float(value or 0) <= high:
            return f"write a {'whole ' if whole else ''}number from {low:g} to {high:g}"
        return "write an odd number" if key == "kernel" and int(value or 0) % 2 == 0 else ""
    if key == "per":
        return "" if value is None or isinstance(value, str) else "write a column of demand.series or demand.static, or null"
    # A window is learned in standard deviations of its series, below zero too, of which the other losses know nothing.
    losses = _LOSSES if kind is TableSettings else ("absolute", "squared")
    choices = ("all", "sixteen") if key == "features" else losses
    return "" if value in choices else f"write {', '.join(choices[:-1])} or {choices[-1]}{nearest(str(value), list(choices))}"
