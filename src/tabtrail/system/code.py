"""The code that a result depends on: a module, and all that it imports inside tabtrail, file by file."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tabtrail.system.hashes import sha256_file

_OWN = "tabtrail"
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # where a statement holds others


def code_files(module: str) -> dict[str, str]:
    """Return the sha256 of every file that `module` runs in its own top-level package and in tabtrail, by package and path.

    Imports are followed from file to file without running any. One inside a function counts, because the function may run; one
    under `if TYPE_CHECKING:` does not, because it never does. Files in folders that are not packages (templates) belong to the
    package that they lie in.
    """
    return {file: file_sha256(file) for file in _reached(module)}


@cache
def file_sha256(file: str) -> str:
    """Return the sha256 of a file named as `code_files` names it; empty where there is none."""
    package, _, rest = file.partition("/")
    path = _folder(package) / rest
    return sha256_file(path) if path.is_file() else ""


@cache
def _reached(module: str) -> tuple[str, ...]:
    """Return the files that a module and its imports lie in, sorted."""
    packages = {module.partition(".")[0], _OWN}
    found: set[str] = set()
    waiting, seen = {module}, {module}
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None:
            continue
        package = name.partition(".")[0]
        found |= {f"{package}/{each.relative_to(_folder(package)).as_posix()}" for each in (path, *_data_beside(path))}
        reached = {each for each in (*_parents(name), *_imports(path)) if each.partition(".")[0] in packages}
        waiting |= reached - seen
        seen |= reached
    return tuple(sorted(found))


@cache
def _folder(package: str) -> Path:
    """Return the folder of a top-level package, or the one that a top-level module lies in."""
    spec = find_spec(package)
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        raise ModuleNotFoundError(f"{package} is not a package with files of its own")
    return Path(next(iter(spec.submodule_search_locations or ()), Path(spec.origin or "").parent))


def _file(name: str) -> Path | None:
    """Return the file of a module by its dotted name, None where the name is of something inside a module."""
    package, _, rest = name.partition(".")
    base = _folder(package).joinpath(*rest.split("."))
    alone = base / f"{package}.py" if not rest else base.with_suffix(".py")
    return next((path for path in (base / "__init__.py", alone) if path.is_file()), None)


def _parents(name: str) -> Iterator[str]:
    """Importing a.b.c runs a and a.b first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Return the dotted names that a file imports: modules, and names that may be modules."""
    found: list[str] = []
    for node in _executed(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return tuple(found)


def _executed(block: ast.AST) -> Iterator[ast.stmt]:
    """Walk the statements of a block, and of those in it, without those that only a type checker reads. Expressions, which are
    most of a file, import nothing.
    """
    for name in _BLOCKS:
        for each in getattr(block, name, ()):
            if isinstance(each, ast.stmt):
                yield each
            if isinstance(each, ast.If) and ast.unparse(each.test).endswith("TYPE_CHECKING"):
                yield from _executed(ast.Module(each.orelse, []))
            else:
                yield from _executed(each)


def _data_beside(path: Path) -> Iterator[Path]:
    """Yield the files in those folders of a package that hold no modules."""
    if path.name != "__init__.py":
        return
    for folder in path.parent.iterdir():
        if folder.is_dir() and folder.name != "__pycache__" and not any(folder.glob("*.py")):
            yield from (file for file in folder.rglob("*") if file.is_file())
