"""Words that mean a missing value wherever they are met, and what a number looks like before its marks are known."""

import re

from tabtrail.contract.texts import BLANKS

_WORDS = (
    "na|n/a|#n/a|nan|null|none|nil|<na>|n.a.|n.a|na.|k.a.|k. a.|k.a|n.d.|nd|-|--|---|–|—|?|??|.|..|missing|not available"
    "|not applicable|not known|unknown|unbekannt|keine angabe|inconnu|(null)|(blank)|(leer)|[null]|\n|#null!|#div/0!|#value!"
    "|#ref!|#name?|#num!|#wert!|#nv|#zahl!|n/v|tbd|t.b.d.|pending|x|*|inf|-inf|+inf|infinity|nat|empty|void"
)
_MISSING = frozenset(_WORDS.split("|"))
_NUMBER = re.compile(
    r"^[^\w\s]{0,2}\s?[-+(\u2212]?\s?\d[\d.,'\u2019\u00a0\u202f _]*(?:[eE][-+]?\d+)?\s?(?:\)|%|[^\W\d]{1,3}|[€$£¥])?$"
)
KEY_NAME = re.compile(
    r"(?i)(?:^|[_\W])(?:id|ids|uuid|guid|key|index|idx|row|no|nr|num|number|code|ref)(?:$|[_\W])|(?i:number|code|nummer)$|[a-z](?:Id|ID|No|Nr)$"
)
"""Names of columns that name rows or groups."""
# None, unknown, missing and NA are categories of many tables: no garage is not a garage that nobody looked at.
_ONLY_MISSING = r"n/a|#n/a|<na>|null|(null)|[null]|(blank)|(leer)|nan|-|--|---|–|—|?|??|.|..|\n|#nv|n/v|not available"
_NEVER_A_CATEGORY = frozenset(_ONLY_MISSING.split("|"))


def is_never_a_category(text: str) -> bool:
    """Whether a text means a missing value even where texts stand."""
    return text.strip(BLANKS).casefold() in _NEVER_A_CATEGORY


def is_missing_word(text: str) -> bool:
    """Whether a text means a missing value in a column of numbers or dates. Among texts it may be one: NA is a region too."""
    return text.strip(BLANKS).casefold() in _MISSING


def looks_like_number(text: str) -> bool:
    """Whether a text may be a number in some way of writing one, with a unit or without."""
    return _NUMBER.match(text.strip(BLANKS)) is not None
