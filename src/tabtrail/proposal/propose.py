"""From a file to a config that runs: look, guess, write, and hold the result to the product's own ingest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tabtrail.data.spellings import is_spelling
from tabtrail.errors import UsageError
from tabtrail.proposal.check import check, require_rows
from tabtrail.proposal.columns import Columns, Guess, guess_columns
from tabtrail.proposal.look import Look, looked_at
from tabtrail.proposal.naming import Names, default_config
from tabtrail.proposal.roles import assign_roles
from tabtrail.proposal.series import find_series
from tabtrail.proposal.target import Likely, likely_targets, require_some, require_target
from tabtrail.proposal.texts import Texts, read_texts
from tabtrail.proposal.totals import total_rules, without_totals
from tabtrail.proposal.variants import find_variants, variant_findings
from tabtrail.proposal.write import Draft, write
from tabtrail.proposal.write_series import SeriesDraft, write_series
from tabtrail.system.files import atomic_file

_MANY = 0.1  # of the rows: so many words among numbers may be values, as EG and DG are among floors
_MANY_DATES = 0.01  # the same of dates, among which no word is met by chance
_DERIVED = ("YEAR", "MONTH")  # what ingest adds beside a column of dates


@dataclass(frozen=True)
class Proposal:
    """A config for a file: the `text` of its YAML, the same as a mapping, what a person should know of it (`findings`), and where
    the paths in it start (`path`, the file that it is meant for).
    """

    text: str
    config: Mapping[str, Any]
    findings: tuple[str, ...]
    path: Path


def propose(
    file: Path, *, target: str, date: str | None = None, group: str | None = None, output: Path | None = None
) -> Proposal:
    """Return a config with which `tabtrail run` trains a model of the target, one row one prediction. Nothing is written.

    `date` names the column of the rows' dates and `group` the one whose rows stay together, where they are known; `output` is
    the file that the config is meant for, to whose folder its paths are relative. Raises `UsageError` for a file or column that
    is not there, `DataError` for one that no model can be made of.
    """
    path = output or default_config(file)
    with looked_at(file) as look:
        texts, columns = _columns(look)
        renamed = texts.source.rename
        rules, rows = total_rules(columns.guesses), without_totals(texts, columns.guesses)
        if rows is not texts:
            texts, columns = rows, guess_columns(rows)
        goal = require_target(columns, target, renamed)
        roles = assign_roles(columns, goal, date=_new(renamed, date), group=_new(renamed, group))
        named = [columns.guesses[name] for name in (*roles.categorical, *([roles.group] if roles.group else []))]
        draft = Draft(texts, columns, roles, Names.of(file, target, path), rules, variants=find_variants(named))
        return _settled(draft, look, path)


def write_proposal(proposal: Proposal) -> None:
    """Write the config to the file that it is meant for. Raises `UsageError` where there is one."""
    require_free(proposal.path)
    with atomic_file(proposal.path) as temporary:
        temporary.write_text(proposal.text, encoding="utf-8")


def find_targets(file: Path) -> list[Likely]:
    """Return the columns of a file that may be a target, the likeliest first. Raises as `propose` does."""
    with looked_at(file) as look:
        _, columns = _columns(look)
        likely = likely_targets(columns)
        require_some(likely, file.name)
        return likely


def require_free(path: Path) -> None:
    """Raise `UsageError` where a file is in the way: a config is never replaced."""
    if path.exists():
        raise UsageError(f"{path} is there already, and is not replaced; name another file with --output")


def _new(renamed: Mapping[str, str], name: str | None) -> str | None:
    return None if name is None else renamed.get(name, name)


def _joined(first: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """Return the names that columns get by one renaming and then another."""
    again = {old: then.get(new, new) for old, new in first.items()}
    return again | {old: new for old, new in then.items() if old not in first.values()}


def _columns(look: Look) -> tuple[Texts, Columns]:
    texts = read_texts(look)
    columns = guess_columns(texts)
    dated = any(each.kind == "date" for each in columns.guesses.values())
    if dated and {name.strip().upper() for name in columns.guesses} & {*_DERIVED}:
        texts = read_texts(look, derived=_DERIVED)
        columns = guess_columns(texts)
    return texts, columns


def _settled(draft: Draft, look: Look, path: Path) -> Proposal:
    """Ingest what was looked at by the draft, and write what came of it into the config."""
    found = check(write(draft), look)
    if broken := found.worst(draft.roles.features):
        draft = replace(draft, roles=draft.roles.without(broken), as_text=frozenset(broken))
        found = check(write(draft), look)
    require_rows(found, look.file.name)
    # The spellings of these columns are found over all rows, with more kinds of them, and ingest repeats some.
    checked = tuple(each for each in found.findings if not is_spelling(each, draft.variants) or "(a missing value)" in each)
    draft = replace(draft, share=found.share, share_reason=found.reason, checked=checked)
    text = write(draft)
    return Proposal(text, yaml.safe_load(text), _findings(draft), path)


def _findings(draft: Draft) -> tuple[str, ...]:
    roles, texts = draft.roles, draft.texts
    found = [f"only a part was looked at: {texts.look.sampled}"] if texts.look.sampled else []
    found += [f"{name} gives the target away ({text}); it is left out" for name, text in roles.suspects.items()]
    found += [f"{name} is kept: {text}" for name, text in roles.spared.items()]
    found += [f"{name}: {text}; it is kept, since nothing is learned without" for name, text in roles.kept_suspects.items()]
    found += [
        f"{name} {text}, and is kept: nothing shows that it is made of {roles.target.name};"
        f" take it out where it is known only once {roles.target.name} is"
        for name, text in roles.strong.items()
    ]
    if not roles.learnable:
        found.append(
            f"a quick look finds nothing that predicts {roles.target.name}; a model no better than the mean is not deployed"
        )
    found += [
        f"{name} holds objects or lists, and is left out; write what is in them as columns of their own (of JSON lines:"
        f" jq -c '. + {{part: .{name}.part}} | del(.{name})')"
        for name in texts.dropped
    ]
    found += _open_dates(draft.columns)
    # Gaps of the target are counted with the rows that are set aside.
    features = (each for name, each in draft.columns.guesses.items() if name != roles.target.name)
    found += [text for each in features if (text := _words_for_gaps(each))]
    found += [f"{name} is kept as text: {each.doubt}" for name, each in draft.columns.guesses.items() if each.doubt]
    return (*found, *variant_findings(draft.variants), *draft.checked)


def _open_dates(columns: Columns) -> list[str]:
    return [
        f"{name}: no row tells {each.dates.formats[0]} from {each.dates.rival}"
        for name, each in columns.guesses.items()
        if each.dates is not None and each.dates.rival
    ]


def _words_for_gaps(guess: Guess) -> str:
    """Return which words of a column of numbers or dates are taken for missing ones, where they stand in many rows."""
    found, kind = guess.numbers or guess.dates, "numbers" if guess.numbers else "dates"
    if found is None:
        return ""
    rows = dict(guess.seen.counts.select("text", "rows").rows())
    taken = {text: rows[text] for text in found.words if text in rows and text not in guess.seen.missing_words}
    stand_in = any(text not in found.odd for text in taken)
    if not stand_in and sum(taken.values()) < (_MANY if guess.numbers else _MANY_DATES) * guess.seen.rows:
        return ""
    shown = ", ".join(f"'{text}' ({rows:,} rows)" for text, rows in [*taken.items()][:3])
    lost = f"{guess.name}: {shown} of {guess.seen.rows:,} rows stand for missing {kind}, and what they say is lost; if they are"
    if stand_in:
        return f"{lost} values, take them out of source.null_values"
    return (
        f"{lost} values of their own, take them out of source.null_values, write dtype: string, and move {guess.name} into"
        " categorical_features"
    )


def propose_demand(file: Path, *, target: str | None = None, date: str | None = None, output: Path | None = None) -> Proposal:
    """Return a config with which `tabtrail run` forecasts the target over time, as `propose` does for single rows.

    Of a file with items side by side the target is the word in front of their names, and may be left out.
    """
    path = output or default_config(file)
    with looked_at(file) as look:
        texts, columns = _columns(look)
        renamed = texts.source.rename
        series = find_series(columns, _new(renamed, target), _new(renamed, date))
        if series.wide is not None and series.wide.renamed:
            texts = replace(texts, source=texts.source.model_copy(update={"rename": _joined(renamed, series.wide.renamed)}))
        draft = SeriesDraft(texts, columns, series, Names.of(file, series.target, path))
        found = check(write_series(draft), look)
        require_rows(found, file.name)
        draft = replace(draft, share=found.share, share_reason=found.reason, checked=found.findings)
        text = write_series(draft)
        sampled = [f"only a part was looked at: {look.sampled}"] if look.sampled else []
        return Proposal(text, yaml.safe_load(text), (*sampled, *_open_dates(columns), *draft.checked), path)
