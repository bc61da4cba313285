import gzip
from pathlib import Path

import pytest

from tabtrail.proposal import look
from tabtrail.proposal.propose import propose

ROWS = 60_000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be large from 256 KB on."""
    monkeypatch.setattr(look, "WHOLE", 256 << 10)
    monkeypatch.setattr(look, "_HEAD", 64 << 10)
    monkeypatch.setattr(look, "_PIECE", 4 << 10)


def large(path: Path, *, odd: str = "") -> Path:
    """A file whose last third alone has a decimal mark, and an odd text at its end."""
    lines = (f"{i % 997},{'abc'[i % 3]},{i % 997 * 2 + (0.5 if i > 2 * ROWS // 3 else 0):g}" for i in range(ROWS))
    path.write_text("size,kind,price\n" + "\n".join(lines) + f"\n{odd}")
    return path


@pytest.mark.usefixtures("small")
def test_of_a_large_file_places_over_its_whole_length_are_looked_at_and_that_is_said(tmp_path: Path) -> None:
    found = propose(large(tmp_path / "large.csv"), target="price", output=tmp_path / "large.yaml")
    assert found.findings[0].startswith("only a part was looked at")
    assert found.config["contract"]["columns"]["price"] == {"dtype": "float"}
    assert found.config["source"]["encoding"] == "auto"


@pytest.mark.usefixtures("small")
def test_a_piece_within_quotes_of_several_lines_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("size,note,price\n" + "".join(f'{i % 97},"line\nof {i}, and",{i % 97 * 3}\n' for i in range(ROWS)))
    found = propose(file, target="price", output=tmp_path / "notes.yaml")
    assert "size" in found.config["model"]["numeric_features"]


@pytest.mark.usefixtures("small")
def test_of_a_large_compressed_file_the_beginning_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "large.csv.gz"
    file.write_bytes(gzip.compress(large(tmp_path / "plain.csv").read_bytes()))
    found = propose(file, target="price", output=tmp_path / "large.yaml")
    assert "the first" in found.findings[0]
    assert found.config["paths"]["raw_csv"] == "large.csv.gz"
