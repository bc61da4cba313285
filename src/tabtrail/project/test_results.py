"""What a test run left: JUnit's XML, as pytest's --junitxml writes it, and the JSON of coverage."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tabtrail.errors import DataError
from tabtrail.system.files import read_json

_MOST_BYTES = 100_000_000  # of a file that is read whole; the results of 100,000 tests take a tenth


@dataclass(frozen=True)
class TestResults:
    """How many tests passed, failed (errors included) and were skipped, and how many seconds the run took."""

    __test__ = False  # pytest takes names with Test for tests

    passed: int
    failed: int
    skipped: int
    seconds: float


def read_test_results(path: Path) -> TestResults | None:
    """Return what a JUnit file says; None where there is none. Raises `DataError` for a file that is not one."""
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError
        root = ElementTree.parse(path).getroot()  # noqa: S314 - a file of the project; expat bounds what entities may become
        suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
        if not suites:
            raise ValueError
        tests, failures, errors, skipped = (
            sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
        )
        seconds = sum(float(suite.get("time", "0")) for suite in suites)
    except (ElementTree.ParseError, ValueError, UnicodeDecodeError):
        raise DataError(f"{path} is not a JUnit file; write it with pytest --junitxml={path}") from None
    return TestResults(tests - failures - errors - skipped, failures + errors, skipped, round(seconds, 1))


def read_coverage(path: Path) -> float | None:
    """Return the share of lines (0 to 1) in a JSON file of coverage; None where there is none. Raises `DataError` for another."""
    if not path.is_file():
        return None
    try:
        return round(float((read_json(path) or {})["totals"]["percent_covered"]) / 100, 4)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} is not the JSON of coverage; write it with coverage json -o {path}") from None
