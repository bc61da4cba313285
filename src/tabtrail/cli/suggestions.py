"""Suggested tables of `cleaning.aliases` as YAML that a person reviews and takes over."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import yaml

from tabtrail.contract.aliases import MEANS

if TYPE_CHECKING:
    from tabtrail.data.alias_suggestions import Suggestion

_HEAD = "# Texts that may be one. Nothing was applied: take over what is right, and leave out the rest.\n"


def suggested_yaml(suggestions: "Sequence[Suggestion]") -> str:
    """Return the section `cleaning` with a table for each column, each row with its counts as a comment."""
    if not suggestions:
        return "# No texts were found that may be other spellings of others.\n"
    lines = [_HEAD, "cleaning:\n", "  aliases:\n"]
    for column, found in groupby(suggestions, lambda each: each.column):
        lines.append(f"    {_scalar(column)}:\n")
        lines += [f"      {_row(each)}    # {each.evidence}\n" for each in found]
    return "".join(lines)


def _row(suggestion: "Suggestion") -> str:
    if not suggestion.context:
        return f"{_scalar(suggestion.text)}: {_scalar(suggestion.means)}"
    cells = (*suggestion.context, (suggestion.column, suggestion.text), (MEANS, suggestion.means))
    return "- {" + ", ".join(f"{_scalar(name)}: {_scalar(text)}" for name, text in cells) + "}"


def _scalar(text: str | None) -> str:
    """Return a text as YAML reads it back, quoted where it has to be, with signs that cannot be seen written out."""
    seen = text is None or text.isprintable()
    written = yaml.safe_dump(
        [text], default_flow_style=True, allow_unicode=seen, default_style=None if seen else '"', width=2**31
    )
    return str(written).strip()[1:-1]
