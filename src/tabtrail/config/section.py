"""What the sections of the config are built from: the base class, the types of their keys, the form of a check's findings."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tabtrail.config.file import KeyPath
from tabtrail.contract.layout import look_alike
from tabtrail.errors import nearest

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
SAFE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
SafeName = Annotated[str, Field(pattern=SAFE_NAME, max_length=100)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""Names of columns; a single one need not be a list."""
Parameter = bool | int | float | str | None
Problems = Iterator[tuple[KeyPath, str]]
"""What a check yields: the key path and the message of each problem."""


class Section(BaseModel):
    """A part of the YAML file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


def twins(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that SQL, or a person, takes for an earlier one (they differ by case or blanks around), and that one."""
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault(look_alike(name), name)
        if earlier != name:
            yield name, earlier


def undeclared(name: str, known: Iterable[str]) -> str:
    """Message for a column that the config names without declaring it."""
    return f"'{name}' is not a declared column{nearest(name, list(known)) or '; declare it in contract.columns'}"
