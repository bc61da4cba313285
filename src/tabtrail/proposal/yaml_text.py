"""YAML with comments, a line at a time."""

import re
from textwrap import wrap
from typing import Any

import yaml

_WIDTH = 130
_PLAIN_COMMENT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class YamlText:
    """Collects lines. A comment that fits stands behind its value, a longer one above it."""

    def __init__(self) -> None:
        self._lines = list[str]()

    def section(self, name: str, comment: str = "") -> None:
        """Begin a section of the config."""
        self._lines.append("")
        self._behind(f"{name}:", comment, "")

    def value(self, key: str, value: Any, comment: str = "", *, depth: int = 1) -> None:
        """Add a key with its value in flow style."""
        indent = "  " * depth
        self._behind(f"{indent}{scalar(key)}: {scalar(value)}", comment, indent)

    def opening(self, key: str, comment: str = "", *, depth: int = 1) -> None:
        """Add a key whose values follow below it."""
        indent = "  " * depth
        self._behind(f"{indent}{scalar(key)}:", comment, indent)

    def item(self, value: Any, comment: str = "", *, depth: int = 2) -> None:
        """Add an item of a list."""
        indent = "  " * depth
        self._behind(f"{indent}- {scalar(value)}", comment, indent)

    def off(self, line: str, comment: str = "", *, depth: int = 1) -> None:
        """Add a line that is commented out, to be taken in by removing the sign."""
        indent = "  " * depth
        self._behind(f"{indent}# {_one_line(line)}", comment, indent)

    def off_inside(self, line: str, level: int, comment: str = "") -> None:
        """Add a line that is commented out, `level` steps below another such one in a section."""
        said = f"  # {_one_line(comment)}" if comment else ""
        self._lines.append(f"  # {'  ' * level}{_one_line(line)}{said}")

    def note(self, text: str, *, depth: int = 0) -> None:
        """Add a comment of its own, on as many lines as it needs."""
        indent = "  " * depth
        self._lines += [f"{indent}# {line}" for line in wrap(_one_line(text), _WIDTH - len(indent) - 2, break_long_words=False)]

    def whole_note(self, text: str) -> None:
        """Add a comment on one line, however long."""
        self._lines.append(f"# {text}")

    def text(self) -> str:
        return "\n".join(self._lines).lstrip("\n") + "\n"

    def _behind(self, line: str, comment: str, indent: str) -> None:
        comment = _one_line(comment)
        if not comment:
            self._lines.append(line)
        elif len(line) + len(comment) + 4 <= _WIDTH:
            self._lines.append(f"{line}  # {comment}")
        else:
            self.note(comment, depth=len(indent) // 2)
            self._lines.append(line)


def scalar(value: Any) -> str:
    """Return a value on one line, quoted where YAML needs it."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False).strip()
    return dumped.removesuffix("\n...").strip()


def _one_line(text: str) -> str:
    return _PLAIN_COMMENT.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
