"""`FAMILIES` is the only list of model families; what else needs to know of them follows from it."""

import ast
import re
from pathlib import Path

import pytest

from tabtrail.modeling.families import FAMILIES, model_libraries
from tabtrail.modeling.libraries import MODEL_LIBRARIES

SOURCES = Path(__file__).parents[2] / "src" / "tabtrail"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_a_family_builds_what_it_says_and_every_library_of_it_is_listed(family) -> None:
    assert type(family.build({}, 7)) is family.regressors[0]
    assert set(family.libraries) <= set(model_libraries())
    assert (family.iterations is None) == (family.best_iterations is None)


def test_the_libraries_whose_versions_are_named_without_importing_them_are_those_of_the_families() -> None:
    assert model_libraries() == MODEL_LIBRARIES


def test_no_other_file_names_the_libraries_of_the_families() -> None:
    """The leakage audits, the test of two samples and the quantiles of demand use LightGBM as a tool; doctor and install hints
    must not import what may be missing; the config says which families learn on a cluster; the candidates of a demand that names
    none, and those of a model that names none, or of a quick fit from Python, are lists as a config has them, of which a
    proposed config speaks; what names versions must not import the libraries.
    """
    own = re.compile(r"lightgbm|xgboost|catboost|RandomForest|GradientBoosting", re.IGNORECASE)
    apart = {
        *("modeling/leakage/audit.py", "modeling/leakage/together.py"),
        "modeling/libraries.py",
        *("project/surroundings.py", "cli/commands.py", "cli/tune.py"),
        *("forecast/panel/candidates.py", "forecast/panel/search.py", "forecast/panel/leakage.py", "forecast/panel/quantiles.py"),
        *("modeling/two_samples.py", "modeling/defaults.py", "config/operation.py"),
        *("__init__.py", "api/regressor.py", "proposal/write.py"),
    }
    named = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if "families" not in path.parts and own.search(code_of(path))
    }
    assert named == apart


def code_of(path: Path) -> str:
    """A module without its comments and docstrings, which may speak of every library."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)
