"""Small faults in the modules that compute numbers, one at a time, and whether their tests see them.

A seeded sample of all mutants (a comparison turned, an operator exchanged, a constant off by one, a condition negated, a result
left out …); each is compiled in a process forked from one that has the libraries loaded, where its module's tests run until the
first fails. A test that runs longer than a minute has seen it, too. Mutants of messages, annotations and docstrings are left out.

    python benchmarks/mutants.py [--mutants 300] [--seed 1] [--only MODULE] [--show] [--output benchmarks/results/mutants.json]

Survivors are printed with line and change. Takes minutes; `make mutants` calls it. Exit code 1 where fewer than 90 % are killed.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60  # a test that takes longer hangs on the mutant
TESTS = {
    "modeling.metrics": ("tests/modeling/test_metrics.py",),
    "modeling.choice": ("tests/modeling/test_choice.py",),
    "modeling.calibration": ("tests/modeling/test_intervals.py",),
    "modeling.intervals": ("tests/modeling/test_intervals.py",),
    "bundle.intervals": ("tests/modeling/test_intervals.py", "tests/bundle/test_intervals.py"),
    "modeling.trees": ("tests/modeling/test_trees.py", "tests/explain/test_explain.py"),
    "modeling.preprocess": (
        "tests/modeling/test_preprocess.py",
        "tests/modeling/test_families.py",
        "tests/modeling/test_target.py",
    ),
    "modeling.families.lightgbm": ("tests/explain/test_explain.py", "tests/modeling/test_families.py"),
    "modeling.families.xgboost": ("tests/explain/test_explain.py", "tests/modeling/test_families.py"),
    "modeling.families.hist_gradient_boosting": ("tests/explain/test_explain.py", "tests/modeling/test_families.py"),
    "explain.shapley": ("tests/explain/test_explain.py",),
    "explain.effects": ("tests/explain/test_explain.py", "tests/explain/test_effects.py"),
    "contract.expressions": ("tests/contract/test_expressions.py",),
    "contract.numbers": ("tests/contract/test_numbers.py",),
    "contract.dates": ("tests/contract/test_dates.py",),
    "contract.cells": ("tests/contract/test_cells.py",),
    "contract.schema": ("tests/contract/test_schema.py", "tests/contract/test_expressions.py"),
    "data.polars_expressions": ("tests/contract/test_expressions.py",),
    "forecast.accuracy": ("tests/forecast/test_accuracy.py",),
}
PRELOADED = [
    "numpy",
    "scipy.stats",
    "polars",
    "pyarrow.parquet",
    "pandas",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "lightgbm",
]
PRELOADED += ["xgboost", "catboost", "onnxruntime", "onnx", "skl2onnx", "pydantic", "yaml", "duckdb"]
COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
BINARY: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
BINARY |= {ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "sum": "mean", "mean": "sum"}
NAMES |= {"minimum": "maximum", "maximum": "minimum", "sorted": "list", "left": "right", "argmin": "argmax", "nanmin": "nanmax"}


@dataclass(frozen=True)
class Mutant:
    """One change: the module, the number of the change among its own, the line and what was changed into what."""

    module: str
    number: int
    line: int
    before: str
    after: str


class Mutator(ast.NodeTransformer):
    """Walks a module and makes the change of one number; with none, counts and describes all of them."""

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted, self.found = wanted, list[tuple[int, str, str]]()

    def offer(self, node: ast.AST, make: Callable[[], ast.AST]) -> ast.AST:
        number = len(self.found)
        before, after = ast.unparse(node), make()
        self.found.append((getattr(node, "lineno", 0), before, ast.unparse(after)))
        return ast.copy_location(after, node) if number == self.wanted else node

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return node  # messages, and what no run reaches
        if isinstance(node, ast.AnnAssign):
            node.value = self.visit(node.value) if node.value else None
            return node
        if isinstance(node, ast.FunctionDef):
            node.body = [self.visit(each) for each in node.body]
            node.args.defaults = [self.visit(each) for each in node.args.defaults]
            return node
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return node  # a docstring
        node = self.generic_visit(node)
        return self.changed(node)

    def changed(self, node: ast.AST) -> ast.AST:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in COMPARE:
                return self.offer(node, lambda: ast.Compare(left, [COMPARE[type(op)]()], right))
            case ast.BinOp(left=left, op=op, right=other) if type(op) in BINARY:
                return self.offer(node, lambda: ast.BinOp(left, BINARY[type(op)](), other))
            case ast.BoolOp(op=op, values=values):
                return self.offer(node, lambda: ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values))
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
                return self.offer(node, lambda: operand)
            case ast.Constant(value=bool() as value):
                return self.offer(node, lambda: ast.Constant(not value))
            case ast.Constant(value=int() | float() as value):
                return self.offer(node, lambda: ast.Constant(value + 1))
            case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
                negated = ast.UnaryOp(ast.Not(), test)
                if isinstance(node, ast.IfExp):
                    return self.offer(node, lambda: ast.IfExp(negated, node.body, node.orelse))
                return self.offer(node, lambda: ast.If(negated, node.body, node.orelse))
            case ast.Return(value=value) if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
                return self.offer(node, lambda: ast.Return(ast.Constant(None)))
            case ast.Name(id=name) if name in NAMES:
                return self.offer(node, lambda: ast.Name(NAMES[name], node.ctx))
            case ast.Attribute(attr=name) if name in NAMES:
                return self.offer(node, lambda: ast.Attribute(node.value, NAMES[name], node.ctx))
        return node


def source_of(module: str) -> Path:
    path = ROOT / "src" / "tabtrail" / Path(*module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"


def mutants_of(module: str) -> list[Mutant]:
    mutator = Mutator()
    mutator.visit(ast.parse(source_of(module).read_text(encoding="utf-8")))
    return [Mutant(module, number, *each) for number, each in enumerate(mutator.found)]


def compiled(mutant: Mutant) -> CodeType:
    path = source_of(mutant.module)
    tree = Mutator(mutant.number).visit(ast.parse(path.read_text(encoding="utf-8")))
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutated module in the place of the one on the disk."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._mutant = f"tabtrail.{mutant.module}", mutant

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        place = source_of(self._mutant.module)
        folder = [str(place.parent)] if place.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(fullname, place, loader=self, submodule_search_locations=folder)

    def create_module(self, _: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compiled(self._mutant), module.__dict__)


def run_tests(module: str, mutant: Mutant | None) -> int:
    """Start a process that runs a module's tests; return its id. Its exit code is pytest's."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        if mutant is not None:
            sys.meta_path.insert(0, Mutated(mutant))
        tests = [name for name in TESTS[module] if (ROOT / name).is_file()]
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:  # whatever happened: a fork must never go on with its parent's work
        os._exit(code)


def wait_for(pids: dict[int, tuple[Any, float]]) -> Iterator[tuple[Any, int]]:
    """Yield what ended, with its exit code; one that runs too long is ended and has the code -1."""
    while True:
        for pid, (what, began) in list(pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            late = not ended and time.monotonic() - began > SECONDS
            if late:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if ended or late:
                del pids[pid]
                yield what, -1 if late else os.waitstatus_to_exitcode(status)
                return
        time.sleep(0.05)


def sample(modules: list[str], size: int, seed: int) -> list[Mutant]:
    """Return so many mutants, spread over the modules by the number that each has."""
    every = [mutant for module in modules for mutant in mutants_of(module)]
    return sorted(random.Random(seed).sample(every, min(size, len(every))), key=lambda each: (each.module, each.number))


def try_all(mutants: list[Mutant], jobs: int) -> list[Mutant]:
    """Return the mutants that no test saw."""
    waiting, running, survivors, done = list(mutants), dict[int, tuple[Any, float]](), list[Mutant](), 0
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[run_tests(mutant.module, mutant)] = (mutant, time.monotonic())
        mutant, code = next(wait_for(running))
        done += 1
        if code == 0:
            survivors.append(mutant)
            print(f"{mutant.module}:{mutant.line}: {mutant.before}  →  {mutant.after}", flush=True)
        if done % 20 == 0:
            print(f"{done} of {len(mutants)}, {len(survivors)} survived", file=sys.stderr, flush=True)
    return survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--show", action="store_true", help="list the mutants, try none")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    modules = options.only or list(TESTS)
    mutants = sample(modules, options.mutants, options.seed)
    if options.show:
        print(*(f"{each.module}:{each.line}: {each.before}  →  {each.after}" for each in mutants), sep="\n")
        return
    for name in PRELOADED:
        importlib.import_module(name)
    for module in modules:
        code = next(wait_for({run_tests(module, None): (module, time.monotonic() + 10 * SECONDS)}))[1]
        if code != 0:
            raise SystemExit(f"the tests of {module} end with {code} as they are")
    survivors = try_all(mutants, options.jobs)
    counts, lost = Counter(each.module for each in mutants), Counter(each.module for each in survivors)
    found = {
        "mutants": len(mutants),
        "killed": len(mutants) - len(survivors),
        "by module": {module: [counts[module] - lost[module], counts[module]] for module in modules},
        "survivors": [f"{each.module}:{each.line}: {each.before}  →  {each.after}" for each in survivors],
    }
    print(json.dumps(found, indent=2, ensure_ascii=False))
    if options.output:
        options.output.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    raise SystemExit(found["killed"] < 0.9 * found["mutants"])


if __name__ == "__main__":
    main()
