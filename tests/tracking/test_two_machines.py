"""Two machines that change what is deployed at the same moment, into one store: one is refused, and no entry is lost."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.buckets import Buckets
from tests.support.projects import close_stores, place_store

from tabtrail.config.operation import Mlflow
from tabtrail.errors import ConflictError, StoreError
from tabtrail.tracking import history
from tabtrail.tracking.entries import Deployed
from tabtrail.tracking.history import Change, Place, append_entry, read_history

# It appends an entry; where a folder is given, only when as many processes as `others` have read what is there.
MACHINE = """
import sys, time
from pathlib import Path
from tabtrail.config.operation import Mlflow
from tabtrail.errors import ConflictError
from tabtrail.tracking import history
from tabtrail.tracking.entries import Deployed
from tabtrail.tracking.history import Change, Place, append_entry

uri, location, folder, name = sys.argv[1:]
send = history.log_text
def send_when_both_have_read(*words):
    (Path(folder) / name).touch()
    while len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.01)
    send(*words)
history.log_text = send_when_both_have_read
place = Place(Mlflow(tracking_uri=uri, experiment="x", artifact_location=location), "m")
try:
    append_entry(place, Change("promote", None, Deployed(name, "r", "1", name), name))
except ConflictError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> Iterator[str]:
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    yield f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    close_stores()


def change(name: str) -> Change:
    return Change("promote", None, Deployed(name, "r", "1", name), name)


def test_of_two_promotions_at_once_one_is_refused_and_the_other_stays(
    uri: str, moto_server: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in moto_server.environment.items():
        monkeypatch.setenv(variable, value)
    location = f"s3://{moto_server.new()}/runs"
    place = Place(Mlflow(tracking_uri=uri, experiment="x", artifact_location=location), "m")
    first = append_entry(place, change("before"))
    (tmp_path / "ready").mkdir()
    words = [sys.executable, "-c", MACHINE, uri, location, str(tmp_path / "ready")]
    machines = [subprocess.Popen([*words, name], stderr=subprocess.PIPE, text=True) for name in ("ann", "bob")]
    said = [each.communicate(timeout=120)[1] for each in machines]
    assert sorted(each.returncode for each in machines) == [0, 1], said
    refused = next(text for text, each in zip(said, machines, strict=True) if each.returncode)
    assert "refused: what is deployed of m was changed from another machine meanwhile" in refused
    entries = read_history(place)
    assert entries[0] == first
    assert [each.number for each in entries] == [1, 2]
    winner = ("ann", "bob")[[each.returncode for each in machines].index(0)]
    assert entries[1].reason == winner
    assert append_entry(place, change("again")).number == 3
    assert [each.reason for each in read_history(place)] == ["before", winner, "again"]


def test_a_change_of_what_is_no_longer_deployed_is_refused(uri: str) -> None:
    """Another machine deployed something between the decision, which rests on what it read, and its entry."""
    place = Place(Mlflow(tracking_uri=uri, experiment="x"), "m")
    seen = append_entry(place, change("seen")).after
    faster = append_entry(place, change("faster")).after
    with pytest.raises(ConflictError, match="what is deployed of m was changed from another machine meanwhile"):
        append_entry(place, Change("promote", seen, Deployed("late", "r", "1", "late"), "late"))
    append_entry(place, Change("promote", faster, Deployed("next", "r", "1", "next"), "next"))
    assert [each.reason for each in read_history(place)] == ["seen", "faster", "next"]


def test_an_entry_that_was_sent_and_not_claimed_does_not_count(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a process that is killed between both."""
    place = Place(Mlflow(tracking_uri=uri, experiment="x"), "m")
    append_entry(place, change("first"))

    def killed(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(history, "_claim", killed)
        append_entry(place, change("cut short"))
    assert [each.reason for each in read_history(place)] == ["first"]
    append_entry(place, change("second"))
    assert [each.reason for each in read_history(place)] == ["first", "second"]


def test_the_last_entry_cannot_be_taken_out_unseen(uri: str, tmp_path: Path) -> None:
    place = Place(Mlflow(tracking_uri=uri, experiment="x"), "m")
    for name in ("first", "second"):
        append_entry(place, change(name))
    (last,) = (tmp_path / "mlruns").rglob("000002-*.json")
    last.unlink()
    with pytest.raises(StoreError, match="entry 000002 of the history of promotions in the MLflow store was altered"):
        read_history(place)


def test_entries_of_before_which_nothing_names_are_read_and_continued(uri: str, tmp_path: Path) -> None:
    place = Place(Mlflow(tracking_uri=uri, experiment="x"), "m")
    written = [append_entry(place, change(name)) for name in ("first", "second")]
    close_stores()
    for path in (tmp_path / "mlruns").rglob("0000*-*.json"):
        path.rename(path.with_name(f"{path.stem.partition('-')[0]}.json"))
    forget_claims(tmp_path / "mlruns" / "mlflow.db")
    assert read_history(place) == written
    append_entry(place, change("third"))
    assert [each.reason for each in read_history(place)] == ["first", "second", "third"]


def forget_claims(database: Path) -> None:
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM params'); c.commit()"
    subprocess.run([sys.executable, "-c", code, str(database)], check=True)


def test_two_histories_of_one_model_are_told(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of two machines that begin one at the same moment, with clocks that differ."""
    place = Place(Mlflow(tracking_uri=uri, experiment="x"), "m")
    append_entry(place, change("first"))
    with monkeypatch.context() as patch:
        patch.setattr(history, "read_history", lambda place: [])
        patch.setattr(history, "_run_of", lambda store, name: history.start_run(store, "other", {"tabtrail.model": name}))
        append_entry(place, change("other"))
    with pytest.raises(StoreError, match=r"was begun by two machines at once, in the runs \w+ and \w+; delete the one"):
        read_history(place)
