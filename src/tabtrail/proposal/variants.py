"""Texts of a column that may be other spellings of one: looked for in the categories of a model, and offered, not applied."""

from collections.abc import Iterable, Mapping, Sequence

from tabtrail.data.alias_suggestions import Suggestion, suggest_plain_aliases
from tabtrail.proposal.columns import Guess
from tabtrail.proposal.yaml_text import YamlText, scalar

_SHOWN = 3

Variants = Mapping[str, Sequence[Suggestion]]
"""By column, the texts that may be other spellings, each with the most frequent one of them and the rows of both."""


def find_variants(guesses: Iterable[Guess]) -> Variants:
    """Look at columns of texts, over all rows that were looked at."""
    found = dict[str, Sequence[Suggestion]]()
    for each in guesses:
        if each.kind == "text":
            known = each.seen.known.filter(~each.seen.known["text"].is_in(list(each.words)))
            if texts := suggest_plain_aliases(each.name, dict(known.select("text", "rows").rows())):
                found[each.name] = texts
    return found


def variant_findings(variants: Variants) -> list[str]:
    """Return what a person should know of them, a line a column."""
    found = list[str]()
    for name, texts in variants.items():
        shown = ", ".join(f"{each.text!r} ({each.rows:,}) of {each.means!r} ({each.rows_of_means:,})" for each in texts[:_SHOWN])
        more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
        found.append(
            f"{name}: texts that may be other spellings, with their rows: {shown}{more}; they become one where you remove the #"
            " before them, under cleaning in the YAML"
        )
    return found


def write_variants(out: YamlText, variants: Variants) -> None:
    """Write the tables of the section `cleaning` that make them one, commented out."""
    rows = sum(each.rows for texts in variants.values() for each in texts)
    out.note(
        f"LOOK AT THIS: texts that may be other spellings of one, {rows:,} rows in all. Remove the # before those that are right,"
        " and before the lines above them, and each becomes the text on its right, the most frequent one:",
        depth=1,
    )
    out.off("aliases:")
    for name, texts in variants.items():
        out.off_inside(f"{scalar(name)}:", 1)
        for each in texts:
            out.off_inside(f"{scalar(each.text)}: {scalar(each.means)}", 2, each.evidence)
