"""RealMLP: a perceptron with periodic features of its numbers, trained by PyTorch and computed without it."""

from copy import copy
from dataclasses import fields
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from tabtrail.modeling.families.family import Device, Family, Layout, Params, Sample, Trial
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.nets.net import Net, Periodic, Places, Scaling, Table
from tabtrail.modeling.nets.settings import Settings, parse_settings
from tabtrail.system.optional import load_optional

_EMPTY = np.zeros(0)
_SETTINGS = {each.name for each in fields(Settings)}


class RealMLP(RegressorMixin, BaseEstimator):
    """Learns from a float64 matrix, of which `category_columns` hold codes (0, 1, …, or NaN) and the others numbers, NaN where
    they are missing. `net_` is what was learned, `nets_` what it was at the ends of cycles where rows were watched.

    `trained_epochs` of the `epochs` that the schedules are laid out for are run (None: all). PyTorch is needed to fit it, and for
    nothing else.
    """

    def __init__(
        self,
        *,
        epochs: int = Settings.epochs,
        batch_size: int = Settings.batch_size,
        learning_rate: float = Settings.learning_rate,
        dropout: float = Settings.dropout,
        weight_decay: float = Settings.weight_decay,
        layers: int = Settings.layers,
        width: int = Settings.width,
        frequency_scale: float = Settings.frequency_scale,
        one_hot_levels: int = Settings.one_hot_levels,
        embedding_size: int = Settings.embedding_size,
        device: str = Settings.device,
        trained_epochs: int | None = None,
        category_columns: tuple[int, ...] = (),
        random_state: int = 0,
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.layers = layers
        self.width = width
        self.frequency_scale = frequency_scale
        self.one_hot_levels = one_hot_levels
        self.embedding_size = embedding_size
        self.device = device
        self.trained_epochs = trained_epochs
        self.category_columns = category_columns
        self.random_state = random_state

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> Self:
        """Fit on rows [rows, columns]. Raises `ValueError` for a device that PyTorch cannot use."""
        self._train(Sample(x, y, sample_weight), None, patience=0)
        return self

    def fit_watching(self, learned: Sample, watched: Sample, patience: int) -> int:
        """Fit on rows, keep every end of a cycle, and return the epoch of the one that errs least on the watched rows."""
        return self._train(learned, watched, patience)

    def predict(self, x: Array) -> Array:
        """Return predictions [rows]."""
        net: Net = self.net_
        return net.run(np.asarray(x, dtype=np.float64))

    def first_epochs(self, epochs: int) -> Self:
        """Return what was learned at the end of a cycle, the one nearest to so many epochs, alone."""
        at = min(self.nets_, key=lambda end: (abs(end - epochs), end))
        kept: Self = copy(self)
        kept.trained_epochs = at
        kept.net_, kept.nets_ = self.nets_[at], {at: self.nets_[at]}
        return kept

    def _train(self, learned: Sample, watched: Sample | None, patience: int) -> int:
        params = {each.name: getattr(self, each.name) for each in fields(Settings)}
        settings = parse_settings(params)
        blank = _blank(np.asarray(learned.x, dtype=np.float64), np.asarray(learned.y), self.category_columns, settings)
        epochs = settings.epochs if self.trained_epochs is None else min(self.trained_epochs, settings.epochs)
        best: int
        self.nets_, best = _training().train(
            settings, blank, learned, watched, epochs=epochs, patience=patience, seed=self.random_state
        )
        self.net_ = self.nets_[best]
        return best


def _blank(x: Array, y: Array, categories: tuple[int, ...], settings: Settings) -> Net:
    """What of a net is not trained, as the rows that it learns from say.

    Numbers of two values enter as they are: cosines of them would be one more line.
    """
    columns: Places = np.array([column for column in range(x.shape[1]) if column not in categories], dtype=np.int64)
    scaling = _scaling(x, columns)
    varied = [place for place, column in enumerate(columns) if len(np.unique(_known(x[:, column]))) > 2]
    levels = {column: int(np.nanmax(x[:, column], initial=-1)) + 1 for column in categories}
    few = {column: count for column, count in levels.items() if count <= settings.one_hot_levels}
    return Net(
        scaling,
        tuple(Table(column, np.vstack([np.eye(count), np.zeros(count)])) for column, count in few.items()),
        Periodic(np.array(varied, dtype=np.int64), _EMPTY, _EMPTY, _EMPTY, _EMPTY),
        tuple(
            Table(column, np.zeros((count + 1, settings.embedding_size))) for column, count in levels.items() if column not in few
        ),
        (),
        mean=float(np.mean(y)),
        spread=float(np.std(y)) or 1.0,
        low=float(np.min(y)),
        high=float(np.max(y)),
    )


def _scaling(x: Array, columns: Places) -> Scaling:
    center, factor, flags = np.zeros(len(columns)), np.zeros(len(columns)), []
    for place, column in enumerate(columns):
        known = _known(x[:, column])
        if len(known) < len(x):
            flags.append(place)
        if len(known):
            low, center[place], high = np.quantile(known, (0.25, 0.5, 0.75))
            inner, outer = high - low, (known.max() - known.min()) / 2
            factor[place] = 1 / inner if inner > 0 else 1 / outer if outer > 0 else 0.0
    return Scaling(columns, center, factor, np.array(flags, dtype=np.int64))


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]


def _training() -> Any:
    return load_optional("tabtrail.modeling.nets.training", "torch", package="torch")


def _build(params: Params, seed: int) -> RealMLP:
    parse_settings({name: value for name, value in params.items() if name in _SETTINGS})
    return RealMLP(random_state=seed, **params)  # type: ignore[arg-type]


def _with_categories(model: RealMLP, layout: Layout) -> RealMLP:
    return model.set_params(category_columns=layout.categories)  # type: ignore[no-any-return]


def _best_iterations(model: RealMLP, fitted: Sample, watched: Sample, patience: int) -> int:
    return model.fit_watching(fitted, watched, patience)


def _first_rounds(model: RealMLP, rounds: int) -> RealMLP:
    return model.first_epochs(rounds)


def _search(trial: Trial) -> Params:
    """The space of TabArena (Erickson et al., arXiv 2506.16791, appendix), without wider layers, which make a fit dearer."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "weight_decay": trial.suggest_float("weight_decay", 0.001, 0.05, log=True),
        "frequency_scale": trial.suggest_float("frequency_scale", 0.01, 50.0, log=True),
        "layers": trial.suggest_int("layers", 2, 4),
        "one_hot_levels": trial.suggest_int("one_hot_levels", 4, 33, log=True),
    }


REALMLP = Family(
    name="RealMLP",
    regressors=(RealMLP,),
    build=_build,
    libraries=(),
    extra="torch",
    fixed=("random_state", "trained_epochs", "category_columns"),
    with_categories=_with_categories,
    takes_missing=True,
    slow=True,
    iterations="trained_epochs",
    best_iterations=_best_iterations,
    first_rounds=_first_rounds,
    search=_search,
    read_net=lambda model: model.net_,
    device=Device(
        keys=("device",),
        values=("cuda", "cpu"),
        on_cpu=("cpu",),
        needs="it takes an NVIDIA driver and a PyTorch built for CUDA (https://pytorch.org/get-started/locally)",
    ),
)
