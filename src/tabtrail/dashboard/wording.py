"""Words and figures of the pages: a name of the data is shown as it is, whatever it looks like, a figure as in the report."""

import html
import re
from collections.abc import Sequence

from tabtrail.report.figures import shown as shown
from tabtrail.report.verdict import Number, Sentence

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&@^=\"'])")
_LONGEST = 40
"""Characters of a name in a chart or a label: about what fits a phone of 390 px."""


def literal(text: object) -> str:
    """Return a text for Streamlit's Markdown, in which nothing of it is taken for markup."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def clipped(text: object, longest: int = _LONGEST) -> str:
    """Return a text cut to a length, with an ellipsis in its middle: names often differ at their ends."""
    whole = " ".join(str(text).split())
    if len(whole) <= longest:
        return whole
    head = (longest - 1) * 2 // 3
    return f"{whole[:head]}…{whole[len(whole) - (longest - 1 - head) :]}"


def plain(text: object, longest: int = _LONGEST) -> str:
    """Return a text for plotly, which would read tags in it."""
    return html.escape(clipped(text, longest), quote=False)


def sentence_text(sentence: Sentence) -> str:
    """Return a sentence of a verdict as plain text."""
    return "".join(
        shown(each.value, each.digits, percent=each.percent) if isinstance(each, Number) else each for each in sentence
    )


def listed(names: Sequence[str]) -> str:
    """Return names as people list them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def counted(count: int, what: str) -> str:
    """Return a number of things as people say it."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
