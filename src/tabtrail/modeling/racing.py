"""A race of candidates, one repeat of the folds after the other: who cannot win any more is fitted no further.

After Maron & Moore, "The Racing Algorithm: Model Selection for Lazy Learners" (Artificial Intelligence Review 11, 1997), with the
corrected interval of `choice` in the place of Hoeffding's bound.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabtrail.modeling.baselines import BASELINES, BLEND
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.choice import corrected_difference
from tabtrail.modeling.fit import stops_by_its_fold
from tabtrail.modeling.metrics import Metric
from tabtrail.modeling.results import Fit, Result
from tabtrail.modeling.split import Split

_LOGS = ("log", "log1p")
Tasks = list[tuple[Candidate, int]]
Fitted = tuple[Candidate, tuple[Fit, ...], Fit]
"""A candidate with its fits on the folds and on the whole training part."""


@dataclass(frozen=True)
class Race:
    """The fits of those who reached the end, by candidate and fold, and for each other one by name why it was dropped."""

    fits: Mapping[str, dict[int, Fit]]
    dropped: Mapping[str, str]


@dataclass(frozen=True)
class Ended:
    """What decides when all fits are there: the metric, n_valid / n_train of the folds, and whether a candidate that was proven
    can be deployed.
    """

    metric: Metric
    valid_share: float
    of_use: Callable[[str], bool]


def race(
    candidates: Sequence[Candidate],
    split: Split,
    metric: Metric,
    fit: Callable[[Tasks], Iterable[Fit]],
    finished: Mapping[str, Result],
) -> Race:
    """Fit candidates on the folds of one repeat after the other, and drop those whose difference to the best so far has a 95 %
    interval above zero. Who is `finished` runs along, and is not fitted.

    Baselines are not dropped, and drop nobody. A bag that stops by the rows of its folds has no score of its own before all of
    them are there: it is not dropped either, and drops nobody.
    """
    alive, dropped = list(candidates), {}
    fits: dict[str, dict[int, Fit]] = {each.name: {} for each in candidates}
    repeats = sorted({fold.repeat for fold in split.folds})
    for repeat in repeats:
        done = [index for index, fold in enumerate(split.folds) if fold.repeat <= repeat]
        for found in fit([(each, index) for each in alive for index in done if split.folds[index].repeat == repeat]):
            fits[found.candidate][found.fold] = found
        losses = {
            each.name: [metric.loss(fits[each.name][index].scores[metric.name]) for index in done]
            for each in filter(_runs, alive)
        }
        losses |= {
            name: [each.losses(metric)[index] for index in done] for name, each in finished.items() if _runs(each.candidate)
        }
        reasons = _beaten(losses, metric, split.valid_share)
        for each in [each for each in alive if each.name in reasons]:
            dropped[each.name] = f"dropped after repeat {repeat + 1} of {len(repeats)}: {reasons[each.name]}"
            alive.remove(each)
    return Race({each.name: fits[each.name] for each in alive}, dropped)


def heats(
    candidates: Sequence[Candidate], dropped: dict[str, str], errs: Callable[[str], float] | None = None
) -> Iterator[list[Candidate]]:
    """Yield candidates up to the first that learns a logarithm of what another one learns as it is, alike in all else, then the
    others, but those of the scale that lost: it was dropped, or `errs` more over the folds (None: only what was dropped lost).
    Why is added to `dropped`.

    Which of two such errs less is a matter of the target, hardly of the library: CatBoost agreed with LightGBM on 13 of 14 tables
    whose folds do not follow in time, and blends without the other scale erred 0.1 % more (0.4 at most), at three quarters of the
    fits. Where they do, rows are of another level, and what holds for a model that stops early need not for one that does not.
    """
    pairs = ((each, _twin(each, candidates)) for each in candidates if each.transform in _LOGS)
    last, twin = next(((each, other) for each, other in pairs if other is not None), (None, None))
    if last is None or twin is None:
        yield list(candidates)
        return
    first = [each for place, each in enumerate(candidates) if place <= candidates.index(last) or each == twin]
    yield first
    others, both = [each for each in candidates if each not in first], (last, twin)
    reasons = [(each, "was dropped, and its like on the other one was not") for each in both if each.name in dropped]
    if not reasons and errs is not None:
        worse = max(both, key=lambda each: errs(each.name))
        reasons = [(worse, "errs more over the folds than its like on the other one")]
    for lost, why in reasons:
        told = [each for each in others if each.transform == lost.transform and _twin(each, others) is not None]
        dropped |= {each.name: f"not fitted: {lost.name}, on the same scale of the target, {why}" for each in told}
    yield [each for each in others if each.name not in dropped]


def _twin(candidate: Candidate, among: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate that differs in the scale of the target alone: as it is, or its logarithm."""
    other = ("none",) if candidate.transform in _LOGS else _LOGS if candidate.transform == "none" else ()
    own = _without_scale(candidate)
    return next((each for each in among if each.transform in other and _without_scale(each) == own), None)


def _without_scale(candidate: Candidate) -> Candidate:
    return replace(candidate, name="", transform="none", smearing=False)


def finalists(
    fitted: Iterable[Fitted], finished: Mapping[str, Result], race: Ended, dropped: dict[str, str], beaten: list[Fitted]
) -> Iterator[Fitted]:
    """Yield the candidates that the folds do not tell from the best, now that bags have a score too: only they are proven. The
    others are added to `dropped`, with the reason, and to `beaten`: a blend may want them. They are yielded after all where none
    of the first turns out to be of use. Baselines stay, and drop nobody.
    """
    made, metric = list(fitted), race.metric
    losses = {
        each.name: [metric.loss(fit.scores[metric.name]) for fit in folds]
        for each, folds, _ in made
        if each.family not in BASELINES
    }
    losses |= {name: each.losses(metric) for name, each in finished.items() if each.candidate.family not in (BLEND, *BASELINES)}
    reasons = {name: why for name, why in _beaten(losses, metric, race.valid_share).items() if name not in finished}
    yield from (each for each in made if each[0].name not in reasons)
    if any(race.of_use(name) for name in losses if name not in reasons):
        dropped |= {name: f"dropped before its proof: {why}" for name, why in reasons.items()}
        beaten += [each for each in made if each[0].name in reasons]
    else:
        yield from (each for each in made if each[0].name in reasons)


def _runs(candidate: Candidate) -> bool:
    return candidate.family not in (BLEND, *BASELINES) and not stops_by_its_fold(candidate)


def _beaten(losses: Mapping[str, Sequence[float]], metric: Metric, valid_share: float) -> dict[str, str]:
    """Return by whom, and by how much, each candidate is beaten that the folds tell from the best."""
    known = {name: each for name, each in losses.items() if np.isfinite(each).all()}
    if not known or len(next(iter(known.values()))) < 2:
        return {}
    best = min(known, key=lambda name: (float(np.mean(known[name])), name))
    beaten = {}
    for name, each in known.items():
        found = corrected_difference(each, known[best], valid_share=valid_share)
        if found.low > 0:
            beaten[name] = f"{metric.label} {found.mean:.4g} worse than {best} (95 %: {found.low:.4g} to {found.high:.4g})"
    return beaten
