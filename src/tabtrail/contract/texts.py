"""Spellings of one text: blanks, invisible characters, composed letters and case. Polars does the same in bulk."""

import re
import unicodedata

BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters of Unicode's property White_Space, which Polars strips too; Python's own `strip` takes four more."""
INVISIBLE = r"[\xad\u200b\u200e\u200f\u2060\ufeff]+"
"""Characters that take no room and mean nothing within a name: soft hyphen, zero-width blank, direction and byte order marks.
Joiners (U+200C, U+200D) stay: they belong to the spelling of some languages."""
_BLANKS, _INVISIBLE = re.compile(f"[{BLANKS}]+"), re.compile(INVISIBLE)


def trim(text: str) -> str:
    """Return a text without invisible characters and blanks around it, one blank for each run of them, composed (NFC)."""
    if text.isascii() and "  " not in text and text.isprintable():
        return text.strip(" ")
    return unicodedata.normalize("NFC", _BLANKS.sub(" ", _INVISIBLE.sub("", text)).strip(" "))


def fold_case(text: str) -> str:
    """Return a text in capitals (of Unicode, composed), so that all its spellings by case are one."""
    return unicodedata.normalize("NFC", text.upper())


def unit_of(target: str, currency: str | None) -> str:
    """Return what a target is counted in: the currency or unit of the config, else units of the column."""
    return currency or ("units" if target.lower() == "units" else f"units of {target}")
