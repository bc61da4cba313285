"""The rules of the house (docs/architecture.md), read off the syntax trees of the sources and of the tests."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from tests.support.projects import REPO

PACKAGE = REPO / "src" / "tabtrail"
TESTS = REPO / "tests"
# Where commands, and the Python API, import what they need when they are called.
LAZY = ("tabtrail", "tabtrail.api.later", "tabtrail.cli.commands", "tabtrail.cli.later", "tabtrail.system.imports")
MOST_CONFIGS = 80
MOST_LOCAL_IMPORTS = 15
# What computes takes a section of the config, or a dataclass of its own. These functions alone take the whole: it is simpler so.
SECTIONS_ONLY = ("modeling", "forecast", "explain", "export", "report", "bundle", "serving", "data")
ENTRIES: set[str] = {"data.ingest:ingest", "modeling.problem:problem_of", "serving.app:create_app"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def tree_of(path: Path) -> ast.Module:
    """The parsed source of a file."""
    text = path.read_text(encoding="utf-8")
    try:
        return ast.parse(text)
    except SystemError:  # CPython 3.11 counts the depth of all threads together, and one that another test left may parse too
        return ast.parse(text)


TREES = {name: tree_of(path) for name, path in SOURCES.items()}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


# --- the whole config -------------------------------------------------------------------------------------------------


def mentions(expression: ast.AST | None, names: set[str]) -> bool:
    """Whether a type has one of the names in it: quoted, in a union, as an attribute of a module."""
    for node in ast.walk(expression) if expression is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and set(re.findall(r"\w+", node.value)) & names:
            return True
        if (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.Attribute) and node.attr in names):
            return True
    return False


def aliases(node: ast.AST, names: set[str], known: dict[str, set[str]]) -> set[str]:
    """What a statement calls the whole config, given what this module and the others call it."""
    if isinstance(node, ast.ImportFrom):
        return {each.asname or each.name for each in node.names if each.name in known.get(node.module or "", set())}
    if isinstance(node, ast.ClassDef) and any(mentions(base, names) for base in node.bases):
        return {node.name}
    if type(node).__name__ == "TypeAlias" and mentions(node.value, names):  # type: ignore[attr-defined]
        return {node.name.id}  # type: ignore[attr-defined]
    if isinstance(node, ast.Assign | ast.AnnAssign) and is_type(node.value) and mentions(node.value, names):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {each.id for each in targets if isinstance(each, ast.Name)}
    return set()


def is_type(value: ast.AST | None) -> bool:
    """Whether what is assigned may be a type: a name, a union, `Optional[…]`, or made by `NewType` and the like."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in ("NewType", "TypeVar")
    return isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp)


def names_of_the_whole_config(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {name: {"Config"} for name in trees if name == "tabtrail.config.tree"}
    grown = True
    while grown:
        grown = False
        for name, tree in trees.items():
            before = known.setdefault(name, set())
            found = set().union(*(aliases(node, before | {"Config"}, known) for node in ast.walk(tree)))
            grown |= not found <= before
            before |= found
    return known


def parameters(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """The parameters of functions and the fields of classes: whose they are, and their type."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            rules = node.args
            for each in (*rules.posonlyargs, *rules.args, *rules.kwonlyargs, rules.vararg, rules.kwarg):
                if each is not None:
                    yield getattr(node, "name", "lambda"), each.annotation
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, field.annotation) for field in node.body if isinstance(field, ast.AnnAssign))


def taking_the_whole_config(trees: dict[str, ast.Module]) -> list[str]:
    """`package.module:function` once for each parameter."""
    known = names_of_the_whole_config(trees)
    return [
        f"{name.removeprefix('tabtrail.')}:{whose}"
        for name, tree in trees.items()
        for whose, annotation in parameters(tree)
        if mentions(annotation, known[name] | {"Config"})
    ]


def test_at_most_eighty_parameters_take_the_whole_config() -> None:
    found = taking_the_whole_config(TREES)
    assert len(found) <= MOST_CONFIGS, found


def test_what_computes_takes_sections_of_the_config() -> None:
    found = [each for each in taking_the_whole_config(TREES) if each.partition(".")[0] in SECTIONS_ONLY]
    assert set(found) == ENTRIES
    assert len(found) == len(ENTRIES), "once each"


@pytest.mark.parametrize(
    "module",
    [
        "from tabtrail.config.tree import Config\ndef f(config: Config): ...",
        "from tabtrail.config.tree import Config as Settings\ndef f(*, config: Settings | None = None): ...",
        "from tabtrail.config import tree\nasync def f(config: tree.Config): ...",
        "from tabtrail.config.tree import Config\nWhole = Config | None\ndef f(config: 'list[Whole]'): ...",
        "from tabtrail.other import Renamed\ndef f(config: Renamed): ...",
        "from tabtrail.config.tree import Config\nclass Own(Config): ...\ndef f(*configs: Own): ...",
        "from tabtrail.config.tree import Config\nclass Task:\n    config: Config",
        "from typing import NewType\nfrom tabtrail.config.tree import Config\nN = NewType('N', Config)\ndef f(c: N): ...",
    ],
)
def test_another_name_hides_no_whole_config(module: str) -> None:
    other = "from tabtrail.config.tree import Config\nRenamed = Config"
    trees = {"tabtrail.config.tree": "class Config: ...", "tabtrail.other": other, "tabtrail.x": module}
    assert len(taking_the_whole_config({name: ast.parse(text) for name, text in trees.items()})) == 1


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_no_file_of_the_package_has_more_than_400_lines() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_the_package_has_at_most_six_modules_beside_its_packages() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6


# --- imports ----------------------------------------------------------------------------------------------------------


def local_imports(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """What functions import, by statements or by the name of a module."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node for node in own_nodes(function) if imports(node))


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from own_nodes(child)


def imports(node: ast.AST) -> bool:
    called = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__")
    return called or isinstance(node, ast.Import | ast.ImportFrom)


def lines_with_reasons(text: str) -> set[int]:
    """The lines with a comment that says something to a reader; `noqa` and the like do not."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    plain = [(line, re.sub(r"# *(noqa|type: ignore|pragma)[^#]*", "", comment)) for line, comment in comments]
    return {line for line, comment in plain if re.search(r"[a-z]{3}", comment)}


def test_at_most_fifteen_imports_stand_inside_functions_each_with_its_reason() -> None:
    found, without = [], []
    for name, tree in TREES.items():
        reasons = lines_with_reasons(SOURCES[name].read_text(encoding="utf-8"))
        for node in local_imports(tree) if name not in LAZY else ():
            found.append(f"{name}:{node.lineno}")
            if not reasons & set(range(node.lineno - 1, (node.end_lineno or node.lineno) + 1)):
                without.append(found[-1])
    assert without == []
    assert len(found) <= MOST_LOCAL_IMPORTS, found


def test_what_is_imported_late_stands_with_the_imports_each_with_its_reason() -> None:
    for name, tree in TREES.items():
        reasons = lines_with_reasons(SOURCES[name].read_text(encoding="utf-8"))
        late = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Late"}
        assert late <= {node.lineno for node in tree.body} & reasons, name


def imported_modules(name: str, tree: ast.Module) -> set[str]:
    """The modules of the package that a module imports anywhere, for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found |= {full if (full := f"{node.module}.{each.name}") in SOURCES else str(node.module) for each in node.names}
    return found & set(SOURCES)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported_modules(name, tree) - {name} for name, tree in TREES.items()}
    TopologicalSorter(graph).prepare()  # raises `CycleError` with the circle


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_folder_of_tests_mirrors_a_package_and_every_package_has_tests() -> None:
    def folders(root: Path, pattern: str) -> set[str]:
        return {str(path.parent.relative_to(root)) for path in root.rglob(pattern)} - {".", "support"}

    packages = {name for name in folders(PACKAGE, "*.py") if len(list((PACKAGE / name).glob("*.py"))) > 1}
    tested = folders(TESTS, "test_*.py")
    assert tested <= packages
    assert {name for name in packages if "/" not in name} <= tested


def test_what_tests_share_is_in_support() -> None:
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            named = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            named += [f"{node.module}.{each.name}" for each in node.names] if isinstance(node, ast.ImportFrom) else []
            for name in named:
                assert not re.match(r"(tests\.(?!support\b))|test_|conftest", name), f"{path.name} imports {name}"


# --- benchmarks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((REPO / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_the_package_is_there(path: Path) -> None:
    """Benchmarks are not run by the tests, and import within functions, so that a moved name shows nowhere else."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("tabtrail", "tests"):
            module = importlib.import_module(node.module or "")
            for each in node.names:
                if not hasattr(module, each.name):
                    importlib.import_module(f"{node.module}.{each.name}")
