"""Files of many styles, some of them spoiled, against another reading of them; `benchmarks/differential.py` tries thousands."""

import pytest
from tests.support.other_reading import try_file


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_ingest_keeps_what_another_reading_finds_and_sets_aside_the_rest(first: int) -> None:
    found = {seed: try_file(seed) for seed in range(10_000 + first, 10_000 + first + 20)}
    assert {seed: problems for seed, (_, problems) in found.items() if problems} == {}
    assert sum(outcome == "accepted" for outcome, _ in found.values()) >= 10
