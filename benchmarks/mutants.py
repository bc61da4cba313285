"""Small faults in the modules that compute numbers, one at a time, and whether their tests see them.

A seeded sample of all mutants (a comparison turned, an operator exchanged, a constant off by one, a condition negated, a result
left out …), from each module in proportion to what it has. Each is compiled in a process forked from one that has the libraries
loaded, where its module's tests run until the first fails. A mutant that takes more processor time than any load explains hangs:
that counts as seen, too. Mutants of messages, annotations and docstrings are left out.

    python benchmarks/mutants.py [--mutants 320] [--seed 1] [--only MODULE] [--show] [--output benchmarks/results/mutants.json]

What was found lies in `.mutants.jsonl`: a run that was stopped goes on, and a second one tries what survived again, as tests are
added. The mutants of a module that changed are tried again, and all of them with `--fresh`. Survivors that no test can see stand
with their reasons in `benchmarks/mutants_equivalent.json`. Takes half an hour; `make mutants` calls it. Exit code 1 where fewer
than 90 % are killed; survivors with a reason count as survivors.
"""

import argparse
import ast
import gc
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
JOURNAL, REASONS = ROOT / ".mutants.jsonl", Path(__file__).with_name("mutants_equivalent.json")
TIMES, SECONDS, WALL_SECONDS = 4, 20, 900  # a test hangs after so many times its usual processor time and so many seconds more
# Plug-ins that the tests do not need, and the rewriting of assertions, take longer than the tests.
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:schemathesis", "-p", "no:xdist", "--assert=plain")
OPTIONS += ("--hypothesis-profile=mutants",)
_EXPRESSIONS = ("tests/contract/test_expressions.py", "tests/contract/test_expressions_everywhere.py")
_INTERVALS = ("tests/modeling/test_intervals.py", "--deselect=tests/modeling/test_intervals.py::test_a_lookup_takes_microseconds")
_CELLS = ("tests/contract/test_cells.py", "-k", "not config and not cannot_be and not dataset")  # those run an ingest
_QUICK = "shapley or linear or large_beside or nearly or collapsed or absolute_values or without_repeats or LightGBM_gamma"
_TREES = ("tests/modeling/test_trees.py", "tests/explain/test_explain.py", "-k")
TESTS: dict[str, tuple[str, ...]] = {
    "modeling.metrics": ("tests/modeling/test_metrics.py", "-k", "not any_metric and not without_the_metric"),
    "modeling.choice": ("tests/modeling/test_choice.py",),
    "modeling.calibration": _INTERVALS,
    "modeling.intervals": _INTERVALS,
    "bundle.intervals": _INTERVALS,
    "modeling.trees": ("tests/modeling/test_trees.py",),
    "modeling.preprocess": ("tests/modeling/test_preprocess.py", *_EXPRESSIONS),
    "modeling.families.lightgbm": (*_TREES, "LightGBM or threads or under"),
    "modeling.families.xgboost": (*_TREES, "XGBoost or threads or under or xgboost"),
    "modeling.families.hist_gradient_boosting": (*_TREES, "HistGradientBoosting"),
    "explain.shapley": ("tests/explain/test_shapley.py", "tests/explain/test_explain.py", "-k", _QUICK),
    "explain.coalitions": ("tests/explain/test_coalitions.py",),
    "modeling.tree_shap": ("tests/modeling/test_tree_shap.py",),
    "explain.effects": ("tests/explain/test_effects.py",),
    "export.symbols": _EXPRESSIONS,
    "contract.expressions": _EXPRESSIONS,
    "contract.numbers": ("tests/contract/test_numbers.py",),
    "contract.dates": ("tests/contract/test_dates.py",),
    "contract.cells": _CELLS,
    "contract.texts": _CELLS,
    "contract.schema": ("tests/contract/test_schema.py", *_CELLS),
    "data.polars_expressions": _EXPRESSIONS,
    "data.statistics": ("tests/data/test_statistics.py",),
    "bundle.columnar": ("tests/bundle/test_columnar.py", *_EXPRESSIONS),
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
PRELOADED += ["xgboost", "catboost", "onnxruntime", "onnx", "skl2onnx", "pydantic", "yaml", "duckdb", "httpx", "threadpoolctl"]
COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
BINARY: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
BINARY |= {ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "sum": "mean", "mean": "sum"}
NAMES |= {"minimum": "maximum", "maximum": "minimum", "sorted": "list", "left": "right", "argmin": "argmax", "nanmin": "nanmax"}


@dataclass(frozen=True)
class Mutant:
    """One change: the module, the number of the change among its own, the line and what was changed into what.

    A `guard` (`strict` of a zip, `frozen` of a dataclass) is there for what no run reaches, as assertions are: it is left out.
    """

    module: str
    number: int
    line: int
    before: str
    after: str
    guard: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before}  →  {self.after}"


class Mutator(ast.NodeTransformer):
    """Walks a module and makes the change of one number; with none, counts and describes all of them."""

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted, self.found, self.guard = wanted, list[tuple[int, str, str, bool]](), False

    def offer(self, node: ast.AST, make: Callable[[], ast.AST]) -> ast.AST:
        number = len(self.found)
        after = make()
        before, shown = (ast.unparse(each).partition("\n")[0] for each in (node, after))
        self.found.append((getattr(node, "lineno", 0), before, shown, self.guard))
        return ast.copy_location(after, node) if number == self.wanted else node

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return node  # messages, and what no run reaches
        if isinstance(node, ast.keyword) and node.arg in ("strict", "frozen"):
            self.guard = True
            node, self.guard = self.generic_visit(node), False
            return node
        if isinstance(node, ast.AnnAssign):
            node.value = self.visit(node.value) if node.value else None
            return node
        if isinstance(node, ast.FunctionDef) and node.name == "_search":
            return node  # the ranges of a tuning are choices
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


def run_tests(module: str, mutant: Mutant | None, seconds: float) -> int:
    """Start a process that runs a module's tests; return its id. Its exit code is pytest's."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        if mutant is not None:
            sys.meta_path.insert(0, Mutated(mutant))
        code = int(pytest.main([*OPTIONS, *TESTS[module]]))
    finally:  # whatever happened: a fork must never go on with its parent's work
        os._exit(code)


def ended(running: Collection[int]) -> Iterator[tuple[int, int, float]]:
    """Yield the id of each process that ended, its exit code (negative for a signal) and its processor seconds."""
    began = time.monotonic()
    for pid in running:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            yield pid, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
    time.sleep(max(0.0, 0.05 - (time.monotonic() - began)))


def usual_seconds(module: str) -> float:
    """Return the processor time of a module's tests, which pass as things are."""
    pid = run_tests(module, None, WALL_SECONDS)
    _, status, used = os.wait4(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the tests of {module} end with {code} as they are: pytest {' '.join(TESTS[module])}")
    return used.ru_utime + used.ru_stime


def sample(modules: list[str], size: int, seed: int) -> list[Mutant]:
    """Return so many mutants, from each module in proportion to what it has; a change of one leaves those of the others."""
    every = {module: mutants_of(module) for module in TESTS}
    share = size / sum(map(len, every.values()))
    chosen = list[Mutant]()
    for module in modules:
        count = max(1, math.ceil(len(every[module]) * share))
        drawn = random.Random(f"{seed} {module}").sample(every[module], count)
        chosen += sorted((each for each in drawn if not each.guard), key=lambda each: each.number)
    return chosen


def key_of(mutant: Mutant) -> str:
    """Return what a mutant is in the journal: its module as it is, and its number."""
    return f"{mutant.module} {hashlib.sha256(source_of(mutant.module).read_bytes()).hexdigest()[:16]} {mutant.number}"


def known_outcomes(fresh: bool) -> dict[str, str]:
    """Return the mutants that earlier runs found killed; those that survived are tried again."""
    if fresh:
        JOURNAL.unlink(missing_ok=True)
    lines = JOURNAL.read_text(encoding="utf-8").splitlines() if JOURNAL.exists() else []
    return {each["key"]: each["outcome"] for each in map(json.loads, lines) if each["outcome"] != "survived"}


def outcome_of(code: int) -> str:
    """A signal of the kernel's for its time is a mutant that hangs; any other end than a success is a test that failed."""
    return "survived" if code == 0 else "hung" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "killed"


def try_all(mutants: list[Mutant], jobs: int, *, fresh: bool) -> dict[Mutant, str]:
    """Return what became of each mutant: `killed`, `hung` or `survived`."""
    known = known_outcomes(fresh)
    found = {mutant: known[key_of(mutant)] for mutant in mutants if key_of(mutant) in known}
    waiting = [mutant for mutant in mutants if mutant not in found]
    limits = {module: TIMES * usual_seconds(module) + SECONDS for module in dict.fromkeys(each.module for each in waiting)}
    running = dict[int, tuple[Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[run_tests(mutant.module, mutant, limits[mutant.module])] = (mutant, time.monotonic())
        for pid, code, used in ended(tuple(running)):
            mutant, _ = running.pop(pid)
            found[mutant] = outcome_of(code)
            with JOURNAL.open("a", encoding="utf-8") as journal:
                line = {"key": key_of(mutant), "outcome": found[mutant], "seconds": round(used, 1), "what": str(mutant)}
                journal.write(json.dumps(line, ensure_ascii=False) + "\n")
            if found[mutant] != "killed":
                print(f"{found[mutant]}: {mutant}", flush=True)
        for pid, (_, since) in running.items():
            if time.monotonic() - since > WALL_SECONDS:
                os.killpg(pid, signal.SIGKILL)
        print(f"{len(found)} of {len(mutants)}", end="\r", file=sys.stderr, flush=True)
    return found


def reason_key(mutant: Mutant) -> str:
    """Return the text of the line and the change: what a reason stands under, wherever the line moves."""
    line = source_of(mutant.module).read_text(encoding="utf-8").splitlines()[mutant.line - 1].strip()
    return f"{mutant.module}: {line}: {mutant.before}  →  {mutant.after}"


def summary(found: dict[Mutant, str]) -> dict[str, Any]:
    """Return the figures: in all and by module, the survivors with the reason why no test sees them."""
    reasons = json.loads(REASONS.read_text(encoding="utf-8"))
    modules = dict.fromkeys(each.module for each in found)
    by_module = {module: Counter(outcome for each, outcome in found.items() if each.module == module) for module in modules}
    survivors = [each for each, outcome in found.items() if outcome == "survived"]
    listed = [
        {
            "module": each.module,
            "line": each.line,
            "before": each.before,
            "after": each.after,
            "reason": reasons.get(reason_key(each)),
        }
        for each in survivors
    ]
    return {
        "mutants": len(found),
        "killed": len(found) - len(survivors),
        "by_module": {module: {"mutants": counts.total(), **counts} for module, counts in by_module.items()},
        "survivors": listed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--show", action="store_true", help="list the mutants, try none")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    mutants = sample(options.only or list(TESTS), options.mutants, options.seed)
    if options.show:
        print(*mutants, sep="\n")
        return
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    # The same examples for each mutant, and a failure is enough: nobody reads the smallest example.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
    found = summary(try_all(mutants, options.jobs, fresh=options.fresh))
    text = json.dumps({"seed": options.seed, **found}, indent=2, ensure_ascii=False)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(found["killed"] < 0.9 * found["mutants"])


if __name__ == "__main__":
    main()
