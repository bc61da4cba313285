"""What a net for rows is built and trained by: read and checked without PyTorch."""

from dataclasses import dataclass, fields
from typing import Any

# What a parameter may be, both ends included. A whole number where both are.
_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 10_000),
    "batch_size": (8, 65_536),
    "learning_rate": (1e-6, 10.0),
    "dropout": (0.0, 0.9),
    "weight_decay": (0.0, 1.0),
    "layers": (1, 16),
    "width": (1, 4_096),
    "frequency_scale": (1e-6, 100.0),
    "one_hot_levels": (0, 255),
    "embedding_size": (1, 256),
}


@dataclass(frozen=True)
class Settings:
    """Values of Holzmüller, Grinsztajn & Steinwart, "Better by Default" (NeurIPS 2024), for regression, with fewer epochs and
    faster waves (docs/neural.md).

    `epochs` passes over the rows in batches; `layers` hidden ones of `width`; categories of up to `one_hot_levels` codes enter as
    0/1, those of more as `embedding_size` learned numbers. Frequencies begin at random with deviation `frequency_scale`.
    """

    epochs: int = 64
    batch_size: int = 256
    learning_rate: float = 0.2
    dropout: float = 0.15
    weight_decay: float = 0.02
    layers: int = 3
    width: int = 256
    frequency_scale: float = 2.0
    one_hot_levels: int = 9
    embedding_size: int = 8
    device: str = "cpu"

    @property
    def cycle_ends(self) -> tuple[int, ...]:
        """The epochs after which the learning rate is zero: a fifteenth, a fifth, 7/15 and all of them."""
        return tuple(sorted({round(self.epochs * (2**cycle - 1) / 15) for cycle in range(1, 5)} - {0}))


def parse_settings(params: dict[str, Any]) -> Settings:
    """Return the settings that parameters make. Raises `ValueError` for a value out of its range."""
    whole = {each.name for each in fields(Settings) if each.type is int}
    for name, value in params.items():
        if name in _RANGES:
            low, high = _RANGES[name]
            kinds = int if name in whole else int | float
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                raise ValueError(f"{name}: write a {'whole ' if name in whole else ''}number from {low:g} to {high:g}")
    return Settings(**params)
