"""Which texts of a column may be other spellings of one: told by case, accents, blanks and marks between letters, or few letters.

Only rapidfuzz's distance is used, the optimal string alignment distance (insertions, deletions, substitutions, swaps of
neighbours; Boytsov 2011, section 2.1).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from tabtrail.contract.texts import fold_case, trim

# Letters of the shorter word from which several may differ: Austria and Australia, Slovakia and Slovenia are two countries.
_SLIPS = ((15, 3), (9, 2))
_ONE_SLIP = 5  # letters of the longer word from which one may differ: Iran and Iraq, Mali and Male are not told from a slip
_SWAP = 3  # and from which two neighbours may have changed places, or one letter differ beside other words that are the same
_MARKS = r"[\s\-_.,'’]+"
# Marks between two digits are those of numbers: 1.5 is not 15.
_BETWEEN = re.compile(rf"(?<=[^\W\d_]){_MARKS}(?=[^\W_])|(?<=\d){_MARKS}(?=[^\W\d_])")
_LAST_DOT = re.compile(r"(?<=[^\W\d_]{2})[.,]+(?=\s|$)")
_DIGITS = re.compile(r"\d+")
_WHOLE_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})  # which no accent parts
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_SHORTENED = re.compile(r"[^\W\d_]\.(?:\s|$)")
_MOST_PAIRS = (
    100_000  # of abbreviations and other texts, some µs each: with more, the dots are those of titles, as in Mr. and Dr.
)
_STEM, _STEM_ALONE = 2, 3  # letters before the dot of an abbreviation; of one beside no other word


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
        pairs = {(i, j): edits for i, j in _close_pairs(folded) if (edits := differing(folded[i], folded[j])) is not None}
        pairs |= dict.fromkeys(_same_pairs(group), 0)
        for (i, j), edits in sorted(pairs.items()):
            near.setdefault(group[i], []).append((group[j], edits))
            near.setdefault(group[j], []).append((group[i], edits))
    return near


def _same_pairs(group: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of texts that are one once letters are spelled out (Süd, Sued), and abbreviations with what they cut."""
    keys: dict[str, list[int]] = {}
    for place, text in enumerate(group):
        for key in {fold(each).rstrip(".").replace(" ", "") for each in (text, _spelled_out(text))}:
            keys.setdefault(key, []).append(place)
    for places in keys.values():
        yield from combinations(places, 2)
    shortened = [place for place, text in enumerate(group) if _SHORTENED.search(text)]
    for place in shortened if len(shortened) * len(group) <= _MOST_PAIRS else ():
        for other, long in enumerate(group):
            if other != place and is_abbreviation(group[place], long):
                yield min(place, other), max(place, other)


def _spelled_out(text: str) -> str:
    return trim(text).casefold().translate(_SPELLED_OUT)


def is_abbreviation(short: str, long: str) -> bool:
    """Whether words of a text end in a dot where those of another go on: Neust. and Neustadt, Gr. Markt and Großer Markt."""
    words, others = short.split(), long.split()
    if len(words) != len(others):
        return False
    cut = [
        (word[:-1], other) for word, other in zip(words, others, strict=True) if word.endswith(".") and not other.endswith(".")
    ]
    least = _STEM if len(words) > 1 else _STEM_ALONE
    return bool(cut) and all(
        fold(word) == fold(other) or ((word[:-1], other) in cut and len(word) > least and fold(other).startswith(fold(word[:-1])))
        for word, other in zip(words, others, strict=True)
    )


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
    return _BETWEEN.sub(" ", _LAST_DOT.sub("", plain)).casefold().translate(_WHOLE_LETTERS)


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
