"""The words by which a text names a total, in the languages in which spreadsheets are met most."""

import re

_WORD = (
    r"(?:(?:grand|overall|sub|running|report)[ -]?)?(?:totals?|sums?)|(?:zwischen|teil|gesamt|end)?summen?|gesamt|insgesamt"
    r"|(?:sous|sub)?[ -]?(?:total(?:e|es|i|en)?|totaa?l|totaux)(?: g[ée]n[ée]ra[le]+)?|sub-?totale?s?|subtotaal|totaal|suma|somme"
    r"|итого|всего|合計|小計|总计|小计|合计"
)
_ALONE = re.compile(rf"\W*(?:{_WORD})\W*", re.IGNORECASE)
_PART = re.compile(rf"\W*(?:{_WORD})[\s:–-]+\S.*|.*\S[\s:–-]+(?:{_WORD})\W*", re.IGNORECASE | re.DOTALL)


def is_total_word(text: str) -> bool:
    """Whether a text says total, and nothing else."""
    return _ALONE.fullmatch(text) is not None


def names_total(text: str) -> bool:
    """Whether a text may name a total: the word alone, before or after a name (`Total France`, `France Total`)."""
    return is_total_word(text) or _PART.fullmatch(text) is not None
