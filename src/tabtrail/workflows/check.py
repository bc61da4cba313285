"""Everything that stands in the way of a run, found at once and without a fit: config, columns, rows, split, leaks, candidates.

What is there stays as it is: the rows are read into a folder of the system's temporary files, which is removed at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from tabtrail.config.load import read_config
from tabtrail.config.model import Split as SplitConfig
from tabtrail.contract.expressions import columns_of, parse_expression
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.header import HeaderError
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.data.offenders import Offenders
from tabtrail.data.rejects import TextTargetError, TooManyRejectsError
from tabtrail.errors import ConfigError, DataError, LeakageError, TabtrailError, nearest_name
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.learnable import require_learnable
from tabtrail.modeling.benchmark import benchmark_candidates, candidates_of, require_metric
from tabtrail.modeling.leakage.findings import UNIT_CHANGE, Finding
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.table import Table, load_table, needed_columns, require_sound_split, split_table
from tabtrail.progress import Progress
from tabtrail.project.check import Check
from tabtrail.project.project import Project
from tabtrail.system.temporary import scratch_folder
from tabtrail.workflows import demand
from tabtrail.workflows.default_candidates import with_default_candidates
from tabtrail.workflows.prepare import look_for_leaks

_MOST_RULES = 20  # rules that rows broke; a file read with a wrong delimiter or decimal mark breaks one for each column
# Any rows can be cut so: what else is wrong is looked for where the split of the config is among the faults.
_ANY_SPLIT = SplitConfig(kind="random", folds=2, repeats=1, allow_leaky=True)


@dataclass
class Checked:
    """What was found, in the order in which a run would meet it, and the exit code that a run would end with."""

    checks: list[Check] = field(default_factory=list)
    exit_code: int = 0

    @property
    def faults(self) -> int:
        return sum(each.state == "broken" for each in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"faults": self.faults, "exit_code": self.exit_code, "checks": [each.to_dict() for each in self.checks]}

    def note(self, name: str, found: str, remedy: str = "") -> None:
        self.checks.append(Check(name, "note", found, remedy))

    def fault(self, name: str, found: str, remedy: str = "", *, kind: type[TabtrailError] = DataError) -> None:
        self.checks.append(Check(name, "broken", found, remedy))
        self.exit_code = self.exit_code or kind.exit_code

    @contextmanager
    def gathering(self, name: str) -> Iterator[None]:
        """Take an error into the list, a line of it as one fault, where a run would end with it."""
        try:
            yield
        except TabtrailError as error:
            for line in str(error).partition(" Nothing was replaced.")[0].splitlines():
                self.fault(name, line, kind=type(error))


def check(path: Path | None, overrides: Sequence[str], progress: Progress) -> Checked:
    """Return all that is wrong with a config and its data, as far as one fault does not hide another; nothing is changed."""
    found = Checked()
    with found.gathering("config"):
        config, problems = read_config(path, overrides)
        for problem in problems:
            found.fault("config", problem, kind=ConfigError)
        if config is None:
            found.note("data", "the rows are looked at once the config can be read")
            return found
        project = Project(config)
        with found.gathering("config"):
            project.check_names()
        with scratch_folder() as folder:
            _check_rows(project, Path(folder), found, progress)
    return found


def _check_rows(project: Project, folder: Path, found: Checked, progress: Progress) -> None:
    config = project.config
    paths, engine = config.paths.within(folder), config.engine.model_copy(update={"kind": "serial"})
    config = config.changed(paths=paths, engine=engine)
    with found.gathering("data"):
        project.require_sources()
        read = _read(Project(config), found, progress)
        if read is None:
            return
        place, manifest = read
        if place.has_model():
            _check_model(place, manifest, found)
        if place.has_demand():
            _check_demand(place, found)


def _read(project: Project, found: Checked, progress: Progress) -> tuple[Project, Manifest] | None:
    """Read the rows, all that break a rule set aside, and take what is wrong with them into the list.

    Columns that are missing are taken for those of a similar name, or left out, so that the rest is looked at all the same.
    """
    loose = {"contract": project.config.contract.model_copy(update={"max_reject_share": 1.0}), "split": _ANY_SPLIT}
    try:
        manifest = ingest(project.config.changed(**loose), progress=progress)
    except HeaderError as error:
        with found.gathering("columns"):
            raise
        rest = _without_missing(project, error) if error.missing else None
        if rest is None:
            found.note("data", "the rows are looked at once the columns are there")
            return None
        return _read(rest, found, progress)
    except TooManyRejectsError as error:
        _add_refused(project, error, found)
        return None
    _add_account(project, manifest, found)
    return project, manifest


def _without_missing(project: Project, error: HeaderError) -> Project | None:
    """Return the project as if missing columns were called as in the file, where one is alike, and those that are not there were
    not in the config. None where nothing is left that could be read so.
    """
    config, rename = project.config, dict[str, str]()
    for name in error.missing:
        free = [each for each in error.found if each not in config.columns.required and each not in rename]
        if (alike := nearest_name(name, free)) is not None:
            rename[alike] = name
    gone = frozenset(error.missing) - frozenset(rename.values())
    if gone & {config.model.target} or (config.demand is not None and gone):
        return None
    sections = {name: _pruned(getattr(config, name).model_dump(), gone) for name in ("source", "cleaning", "contract")}
    sections["source"]["rename"] = {**config.source.rename, **rename}
    key, model = config.split.group_key, config.model.without_columns(gone)
    strata = {name: text for name, text in model.strata.items() if not columns_of(parse_expression(text)) & gone}
    split = _ANY_SPLIT if key in gone or config.cleaning.date_column in gone else config.split
    try:
        changed = {name: type(getattr(config, name)).model_validate(value) for name, value in sections.items()}
    except ValidationError:
        return None
    rest = config.changed(**changed, model=model.model_copy(update={"strata": strata}), split=split)
    return Project(rest) if model.inputs else None


def _pruned(value: Any, gone: frozenset[str]) -> Any:
    """Return a section without what is about columns that are not there, and without rules over whole rows, which may be."""
    if isinstance(value, Mapping):
        kept = {name: each for name, each in value.items() if name not in gone and not (isinstance(each, str) and each in gone)}
        return {name: () if name == "rows" else _pruned(each, gone) for name, each in kept.items()} if gone else value
    if isinstance(value, list | tuple):
        return [_pruned(each, gone) for each in value if not (isinstance(each, str) and each in gone)]
    return value


def _add_refused(project: Project, error: TooManyRejectsError, found: Checked) -> None:
    """Take the rules that kept every row out into the list."""
    config, counts = project.config, error.counts
    if counts is None or isinstance(error, TextTargetError):
        with found.gathering("target" if counts else "rows"):
            raise error
    if counts is not None:
        rules = {rule: count for rule, count in counts.by_rule.items() if rule != f"{config.model.target}: not float"}
        by_rule = rules if isinstance(error, TextTargetError) else counts.by_rule
        _add_rules(project, config.paths.refused, by_rule, (counts.rejected, counts.rows), found)


def _add_account(project: Project, manifest: Manifest, found: Checked) -> None:
    """Take the rules that rows broke into the list, as faults where those are too many, and what a person should look at."""
    config = project.config
    deduplicate = config.cleaning.deduplicate
    own = frozenset([deduplicate.rule] if deduplicate else [])
    rules = {rule: count for rule, count in manifest.rejects.items() if rule not in own and not rule.endswith("outlier")}
    rejected = manifest.rows_rejected - (manifest.rejects.get(deduplicate.rule, 0) if deduplicate else 0)
    shown = _add_rules(project, config.paths.rejects, rules, (rejected, manifest.rows_in), found)
    text = f"{manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,} rejected"
    found.checks.append(Check("rows", "ok", text))
    for each in manifest.findings:
        found.note("rows", each)
    for shift in manifest.shifts:
        found.note("rows", f"the unit may change: {shift}")
    for note in manifest.notes:
        if not note.startswith(tuple(f"{rule}: rejected" for rule in shown)):  # which says the same
            found.note("rows", note)


def _add_rules(project: Project, rejects: Path, by_rule: Mapping[str, int], counts: tuple[int, int], found: Checked) -> list[str]:
    """Add every rule that rows broke, with values, lines and the edit that reads them; return the rules."""
    rules, allowed = project.config.table_rules, project.config.contract.max_reject_share
    rejected, rows = counts
    broken = sorted(((rule, count) for rule, count in by_rule.items() if count), key=lambda each: -each[1])
    offenders, frame = Offenders(), pl.read_parquet(rejects)
    offenders.add(frame, [rule for rule, _ in broken])
    is_fault = rejected > allowed * rows or rejected == rows
    for rule, count in broken[:_MOST_RULES]:
        text = f"{rule}: {count:,} of {rows:,} rows, {offenders.examples(rule)}"
        advice = offenders.advice(rule, rules)
        if is_fault:
            other = f"mend the rows or the rule, or raise contract.max_reject_share ({allowed:g})"
            found.fault("rows", text, f"set {advice}" if advice else other)
        else:
            found.note("rows", text, f"set {advice}" if advice else "")
    if more := len(broken) - _MOST_RULES:
        found.note("rows", f"{more:,} more rules are broken by fewer rows") if more > 0 else None
    return [rule for rule, _ in broken]


def _check_model(project: Project, manifest: Manifest, found: Checked) -> None:
    """Look at the target, the split, what gives the target away, and the candidates."""
    config = with_default_candidates(project.config)
    problem = problem_of(config)
    data = scan_dataset(config.dataset).select(needed_columns(problem)).collect()
    before = found.faults
    with found.gathering("target"):
        table = load_table(problem, data)
        with found.gathering("split"):
            require_sound_split(problem, data)
        with found.gathering("split"):
            _check_split(problem, table, found)
        _check_leaks(project, problem, table, manifest, found)
    with found.gathering("candidates"):
        shown = (
            benchmark_candidates(problem, table, split_table(problem, table))
            if found.faults == before
            else candidates_of(problem)
        )
        names = [each.name for each in shown]
        found.checks.append(Check("candidates", "ok", ", ".join(names)))


def _check_split(problem: Problem, table: Table, found: Checked) -> None:
    split = split_table(problem, table)
    require_metric(problem.metric, table.y, split)
    sizes = f"{int(split.train.sum()):,} rows to learn from, {int(split.test.sum()):,} to test on, {len(split.folds)} folds"
    found.checks.append(Check("split", "ok", f"{problem.split.kind}: {sizes}"))


def _check_leaks(project: Project, problem: Problem, table: Table, manifest: Manifest, found: Checked) -> None:
    """Audit columns and split; where the split of the config cannot be cut, by another that shows the columns alike."""
    split = None
    with suppress(TabtrailError):
        split = split_table(problem, table)
    with suppress(TabtrailError):
        split = split or split_table(problem_of(project.config.changed(split=_ANY_SPLIT)), table)
    if split is None:
        return
    policy = project.config.leakage.policy
    for finding in look_for_leaks(problem, table, split, manifest):
        remedy = _remedy(finding, policy)
        if policy == "error":
            found.fault("leakage", str(finding), remedy, kind=LeakageError)
        else:
            found.note("leakage", str(finding), remedy)


def _remedy(finding: Finding, policy: str) -> str:
    if finding.column is None:
        return "change split, so that rows which belong together stay together"
    if finding.kind == UNIT_CHANGE:
        return "mend the units, or leave out the rows of one of them"
    if policy == "drop":
        return "leakage.policy: drop leaves it out"
    return f"take {finding.column} out of the model's features if it is not known when you predict, or set leakage.policy: drop"


def _check_demand(project: Project, found: Checked) -> None:
    """Make the panel of series, and look whether it can be learned from and what gives the demand away."""
    config = project.config.for_demand()
    with found.gathering("demand"):
        task = demand.prepare(config)
        panel = task.panel
        if config.demand is not None:
            require_learnable(parse_candidates(config.demand.candidates), panel, task.demand.target)
        found.checks.append(Check("demand", "ok", f"{panel.target.shape[0]:,} series of {panel.periods:,} periods"))
        for finding in task.findings:
            if config.leakage.policy == "error":
                found.fault("leakage", str(finding), "take it out of demand.known_ahead", kind=LeakageError)
            else:
                found.note("leakage", str(finding), "take it out of demand.known_ahead, or set leakage.policy: drop")
