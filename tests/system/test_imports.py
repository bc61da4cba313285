import gc
from pathlib import Path

import pytest

from tabtrail.system.imports import import_module


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
