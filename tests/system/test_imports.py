import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tabtrail.system import imports
from tabtrail.system.imports import import_module, keep_imports


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / f"{tmp_path.name}.py"  # a name of its own: what was imported once is not imported again


def test_nothing_is_searched_for_garbage_while_a_module_is_imported_and_again_after(module: Path) -> None:
    module.write_text("import gc\n\ncollecting = gc.isenabled()\n")
    assert not import_module(module.stem).collecting
    assert gc.isenabled()


def test_a_module_that_cannot_be_imported_leaves_garbage_searched_for(module: Path) -> None:
    module.write_text("raise ValueError('no')\n")
    with pytest.raises(ValueError, match="no"):
        import_module(module.stem)
    assert gc.isenabled()


def test_a_program_that_searches_for_no_garbage_is_left_so(module: Path) -> None:
    module.write_text("")
    gc.disable()
    try:
        import_module(module.stem)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(imports, "_KEEPING", threading.Event())
    gc.unfreeze()
    keep_imports()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("keeping")
def test_what_a_program_of_its_own_imports_is_not_searched_for_garbage_later(module: Path) -> None:
    module.write_text("made = [[] for _ in range(10_000)]\n")
    imported = import_module(module.stem)
    assert gc.get_freeze_count() > 10_000
    assert not any(each is imported.made for each in gc.get_objects())


@pytest.mark.usefixtures("keeping")
def test_what_was_imported_before_leaves_later_objects_to_the_search(module: Path) -> None:
    module.write_text("")
    import_module(module.stem)
    kept = gc.get_freeze_count()
    later: list[list[int]] = [[]]
    import_module(module.stem)
    assert gc.get_freeze_count() <= kept
    assert any(each is later for each in gc.get_objects())


def test_elsewhere_nothing_is_kept_out_of_the_search(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_KEEPING", threading.Event())
    kept = gc.get_freeze_count()
    module.write_text("made = [[] for _ in range(10_000)]\n")
    import_module(module.stem)
    assert gc.get_freeze_count() <= kept
