"""What fitting a recorded run again needs: the candidates that are wanted, and what is known to have changed since."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tabtrail.modeling.baselines import BLEND
from tabtrail.modeling.problem import Problem
from tabtrail.system.hashes import code_version
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.provenance import Provenance
from tabtrail.tracking.runs import Run
from tabtrail.version import __version__
from tabtrail.workflows.deploy import Site


@dataclass(frozen=True)
class Again:
    """A benchmark that is fitted again: its run, what that was made from, and the runs of the candidates that are wanted, which
    are all of a `whole` one; `children` are the runs of all candidates.
    """

    site: Site
    parent: Run
    provenance: Provenance
    runs: Mapping[str, Run]
    children: Mapping[str, Run]
    whole: bool


def only(problem: Problem, wanted: list[str]) -> Problem:
    """Return the problem with the wanted candidates alone; a blend needs all of them."""
    if any(name.partition("_")[0] == BLEND for name in wanted):
        return problem
    return replace(problem, candidates={name: params for name, params in problem.candidates.items() if name in wanted})


def known_cause(then: Provenance) -> str:
    """Name what is known to be different between then and now, the likeliest cause of a difference first."""
    for name, now in library_versions().items():
        if (before := then.libraries.get(name)) != now:
            return f"library version: {name} was {before}, is {now}"
    if then.python != platform.python_version():
        return f"Python was {then.python}, is {platform.python_version()}"
    if then.code_sha256 != code_version():
        return f"the code of tabtrail differs; the run was made by {then.version}, this is {__version__}"
    return "nondeterminism: data, config, code and library versions are the same"
