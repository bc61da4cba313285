"""Candidates begun one after the other as long as a budget lasts, the dearest last."""

import time
from collections.abc import Iterator, Sequence

from tabtrail.config.budget import Budget
from tabtrail.modeling.baselines import BASELINES
from tabtrail.modeling.candidates import Candidate


class Budgeted:
    """What of a list of candidates is begun; `left_out` says of each other one why it was not.

    The clock starts when this is made. What was begun is finished, and the first candidate is begun in any case: without one
    there is nothing to choose. Baselines cost nothing and do not count.
    """

    def __init__(self, budget: Budget | None) -> None:
        self.left_out: dict[str, str] = {}
        self._budget, self._start = budget, time.monotonic()

    def groups(self, candidates: Sequence[Candidate], *, done: int = 0) -> Iterator[list[Candidate]]:
        """Yield what is to be fitted together: everything where there is no budget, else one candidate after the other.

        `done` of the candidates were finished before and count. They are taken in the order of the list, slow libraries last.
        """
        if self._budget is None:
            yield list(candidates)
            return
        yield [each for each in candidates if each.family in BASELINES]
        others = sorted((each for each in candidates if each.family not in BASELINES), key=lambda each: each.slow)
        for count, each in enumerate(others, done):
            if count and (why := self._used_up(self._budget, count)):
                self.left_out[each.name] = why
            else:
                yield [each]

    def _used_up(self, budget: Budget, begun: int) -> str | None:
        spent = time.monotonic() - self._start
        over = begun >= budget.trials if budget.trials is not None else spent >= (budget.seconds or 0.0)
        return f"left out: the budget of {budget.text} was used up after {begun} candidates and {spent:.0f} s" if over else None
