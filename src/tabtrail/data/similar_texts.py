"""Which texts of a column may be other spellings of one: told by case, accents, blanks and marks between letters, or few letters.

Only rapidfuzz's distance is used, the optimal string alignment distance (insertions, deletions, substitutions, swaps of
neighbours; Boytsov 2011, section 2.1).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from tabtrail.contract.texts import fold_case, trim

# Letters of the shorter word from which several may differ: Austria and Australia, Slovakia and Slovenia are two countries.
_SLIPS = ((15, 3), (9, 2))
_ONE_SLIP = 5  # letters of the longer word from which one may differ: Iran and Iraq, Mali and Male are not told from a slip
_SWAP = 3  # and from which two neighbours may have changed places, or one letter differ beside other words that are the same
_BETWEEN = re.compile(r"(?<=[^\W\d_])[\s\-_.,'’]+(?=[^\W\d_])")
_LAST_DOT = re.compile(r"(?<=[^\W\d_]{2})[.,]+(?=\s|$)")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Match:
    """A text that may be another spelling of `means`; `edits` letters differ, 0 where only case, accents or marks do."""

    text: str
    means: str
    edits: int


Near = Mapping[str, Sequence[tuple[str, int]]]
"""For a text, others that it may be a spelling of, each with the letters that differ."""


def match_texts(rows: Mapping[str, int], near: Near, fits: Callable[[str, str, int], bool]) -> list[Match]:
    """Return for texts, by the rows that have them, of which more frequent one each may be another spelling: of those `near`
    that it `fits` (text, other, letters that differ) the nearest.

    A text that is as near to two of them is left out, and none is matched with one that is another spelling itself.
    """
    found: dict[str, Match] = {}
    for text in sorted(near, key=lambda text: (-rows[text], text)):
        before = [each for each in near[text] if _is_before(each[0], text, rows) and each[0] not in found]
        nearest = sorted((edits, -rows[other], other) for other, edits in before if fits(text, other, edits))
        if nearest and (len(nearest) == 1 or nearest[0][0] < nearest[1][0]):
            found[text] = Match(text, nearest[0][2], nearest[0][0])
    return list(found.values())


def _is_before(other: str, text: str, rows: Mapping[str, int]) -> bool:
    return (-rows[other], other) < (-rows[text], text)


def near_texts(texts: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Return the texts that may be spellings of others, by their letters alone."""
    near: dict[str, list[tuple[str, int]]] = {}
    for group in _by_first_letter(texts):
        folded = list(map(fold, group))
        for i, j in _close_pairs(folded):
            edits = differing(folded[i], folded[j])
            if edits is not None:
                near.setdefault(group[i], []).append((group[j], edits))
                near.setdefault(group[j], []).append((group[i], edits))
    return near


def _by_first_letter(texts: Sequence[str]) -> list[list[str]]:
    """Return the texts in groups by their first letter, which a slip rarely hits, and in which most names differ."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(fold(text)[:1], []).append(text)
    return [group for first, group in groups.items() if first and len(group) > 1]


def _close_pairs(folded: Sequence[str]) -> Iterator[tuple[int, int]]:
    most = _SLIPS[0][1]
    distances = cdist(folded, folded, scorer=OSA.distance, score_cutoff=most, dtype="uint8")
    for i, j in zip(*(distances <= most).nonzero(), strict=True):
        if i < j:
            yield int(i), int(j)


@lru_cache(20_000)
def fold(text: str) -> str:
    """Return a text without case, accents, and blanks and marks between letters: `São-Paulo` and `SAO PAULO` are one."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", trim(text)) if not unicodedata.combining(each))
    return _BETWEEN.sub(" ", _LAST_DOT.sub("", plain)).casefold()


def is_case_alone(one: str, other: str) -> bool:
    """Whether two texts differ by case, blanks around, invisible signs and composition alone, as `cleaning.trim` has it."""
    return fold_case(trim(one)) == fold_case(trim(other))


def differing(one: str, other: str) -> int | None:
    """Return how many letters of two folded texts differ, by slips; None where they may well be different things.

    Numbers are never alike: S10_1678 is not S10_1679.
    """
    if one == other or one.replace(" ", "") == other.replace(" ", ""):
        return 0
    if _DIGITS.findall(one) != _DIGITS.findall(other):
        return None
    words, others = one.split(), other.split()
    if len(words) != len(others):
        words, others = [one.replace(" ", "")], [other.replace(" ", "")]
    same = sum(map(str.__eq__, words, others))
    edits = [_slips(*pair, among_words=0 < same == len(words) - 1) for pair in zip(words, others, strict=True)]
    return None if None in edits else sum(each for each in edits if each is not None)


def _slips(one: str, other: str, *, among_words: bool) -> int | None:
    """Return how many letters of two words differ; `among_words` where the other words of the text, all of them, are the same."""
    if one == other:
        return 0
    edits = OSA.distance(one, other)
    shorter, longer = sorted(sum(map(str.isalpha, word)) for word in (one, other))
    if edits == 1 and (longer >= _ONE_SLIP or (longer >= _SWAP and (among_words or sorted(one) == sorted(other)))):
        return 1
    return edits if edits <= next((most for length, most in _SLIPS if shorter >= length), 0) else None
