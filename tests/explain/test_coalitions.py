"""Shapley values of any function, against their definition over every order of the players."""

import subprocess
import sys
from itertools import permutations

import numpy as np
import pytest

from tabtrail.explain.coalitions import Array, Columns, Game, alone, explain_one, leading, reference_rows, share_out

RANDOM = np.random.default_rng(3)


def columns(count: int, names: str = "abcde") -> Columns:
    texts = RANDOM.choice(np.array(["x", "y", "z"], dtype=object), count)
    return {**{name: RANDOM.normal(size=count) for name in names}, "t": texts}


def curved(rows: Columns) -> Array:
    """Three columns that act together, two that act in pairs with others, and a text."""
    together = rows["a"] * rows["b"] * rows["c"] + np.exp(rows["d"]) * (rows["t"] == "x") + rows["e"]
    return np.asarray(1000 + together, dtype=np.float64)


def by_definition(rows: Columns, reference: Columns, players: tuple[tuple[str, ...], ...]) -> Array:
    """Add what each player adds to those before it, over all orders, and all reference rows."""
    count, references = len(rows["a"]), len(reference["a"])
    found, orders = np.zeros((count, len(players))), list(permutations(range(len(players))))
    for order in orders:
        mixed = {name: np.tile(reference[name], (count, 1)) for name in rows}
        before = curved({name: each.ravel() for name, each in mixed.items()}).reshape(count, references).mean(axis=1)
        for player in order:
            for name in players[player]:
                mixed[name] = np.repeat(rows[name][:, None], references, axis=1)
            after = curved({name: each.ravel() for name, each in mixed.items()}).reshape(count, references).mean(axis=1)
            found[:, player] += after - before
            before = after
    return found / len(orders)


@pytest.mark.parametrize("players", [alone([*"abcdet"]), (("a", "d"), ("b",), ("c", "t", "e"))], ids=["columns", "groups"])
def test_with_all_coalitions_the_values_are_those_of_the_definition(players: tuple[tuple[str, ...], ...]) -> None:
    rows, reference = columns(7), columns(4)
    found = share_out(Game(curved, reference, players), rows, coalitions=64, seed=0)
    assert found.values == pytest.approx(by_definition(rows, reference, players), abs=1e-12)
    assert found.base_value == pytest.approx(curved(reference).mean(), abs=1e-12)
    assert found.predictions.tolist() == curved(rows).tolist()


def test_rows_that_are_the_same_whoever_gives_a_column_are_predicted_once() -> None:
    """Two missing numbers count as the same. With more than 40 players every row is predicted."""
    rows, asked = {**columns(3), "a": np.array([1.0, np.nan, 1.0]), "t": np.array(["x", "y", "x"], dtype=object)}, list[int]()
    reference = {**{name: values[:1] for name, values in rows.items()}, "a": np.array([np.nan])}

    def counted(given: Columns) -> Array:
        asked.append(len(given["a"]))
        return curved(given)

    known = np.array([[[True] * 6, [False] * 6, [False] * 5 + [True], [True] + [False] * 5]])
    game = Game(counted, reference, alone([*rows]))
    found = game.worth(rows, known)
    assert asked == [2 + 3 + 3], "row 1: a alone differs; row 2: all but a; row 3: all but t, of which a is known alone"
    for row in range(3):
        for place, taken in enumerate(known[0]):
            mixed = {
                name: (rows[name][[row]] if own else reference[name]) for name, own in zip(rows, taken.tolist(), strict=True)
            }
            assert found[row, place] == pytest.approx(curved(mixed)[0], nan_ok=True)
    many = {f"c{each}": np.zeros(2) for each in range(41)} | {"a": np.zeros(2)}
    everyone = Game(lambda given: asked.append(len(given["a"])) or given["a"], many, alone([*many]))
    everyone.worth(many, np.array([[[True] * 42, [False] * 42]]))
    assert asked[-1] == 2 * 2 * 2


@pytest.mark.parametrize("coalitions", [1, 12, 63, 64])
def test_however_few_coalitions_there_are_the_values_add_up_to_the_prediction(coalitions: int) -> None:
    rows = columns(50)
    found = share_out(Game(curved, columns(5), alone([*rows])), rows, coalitions=coalitions, seed=1)
    assert found.base_value + found.values.sum(axis=1) == pytest.approx(found.predictions, abs=1e-11)


def test_one_order_forth_and_back_is_exact_where_no_three_columns_act_together() -> None:
    rows, reference = {**columns(20), "a": np.zeros(20)}, {**columns(6), "a": np.zeros(6)}
    game = Game(curved, reference, alone([*rows]))
    exact, drawn = (share_out(game, rows, coalitions=count, seed=2) for count in (64, 1))
    assert drawn.values == pytest.approx(exact.values, abs=1e-11)


def test_more_orders_come_nearer_and_each_row_has_its_own() -> None:
    rows, reference = columns(300), columns(5)
    rows = {name: np.repeat(each[:1], 300) for name, each in rows.items()}
    game = Game(curved, reference, alone([*rows]))
    exact, one, many = (share_out(game, rows, coalitions=count, seed=4).values for count in (64, 12, 60))
    assert len(np.unique(one[:, 0].round(9))) > 1, "equal rows are shared out by orders of their own"
    assert one.mean(axis=0) == pytest.approx(exact[0], abs=0.1)
    assert np.std(many[:, 0]) < 0.7 * np.std(one[:, 0])


def test_rows_are_predicted_in_parts_that_leave_the_result_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, reference = columns(30), columns(5)
    game, sizes = Game(curved, reference, alone([*rows])), []
    whole = [share_out(game, rows, coalitions=count, seed=5).values for count in (1, 64)]

    def measured(mixed: Columns) -> Array:
        sizes.append(len(mixed["a"]))
        return curved(mixed)

    monkeypatch.setattr("tabtrail.explain.coalitions._CELLS_AT_ONCE", 6 * 700)
    game = Game(measured, reference, game.players)
    parts = [share_out(game, rows, coalitions=count, seed=5).values for count in (1, 64)]
    assert [each.tolist() for each in parts] == [each.tolist() for each in whole]
    assert max(sizes) <= 700


def test_the_leading_columns_are_those_that_move_predictions_most() -> None:
    rows, reference = columns(40), columns(20)
    game = Game(lambda columns: 100 * columns["c"] + 10 * columns["a"] + columns["d"], reference, alone([*rows]))
    assert leading(game, rows, 2) == ("a", "c")
    assert leading(game, rows, 6) == tuple(rows)


def test_leading_columns_are_found_with_as_few_calls_as_their_numbers_allow() -> None:
    rows, calls = columns(40), []

    def counted(columns: Columns) -> Array:
        calls.append(len(columns["a"]))
        return curved(columns)

    leading(Game(counted, columns(20), alone([*rows])), rows, 2)
    assert calls == [8, 8 * len(rows)]


def test_the_reference_is_spread_over_the_predictions_so_that_its_mean_is_near_that_of_all() -> None:
    rows = columns(1000)
    few = reference_rows(curved, rows)
    assert len(few["a"]) == 20
    assert abs(curved(few).mean() - curved(rows).mean()) < np.std(curved(rows)) / 10
    assert reference_rows(curved, few) is few


def test_one_row_of_six_columns_is_explained_exactly_relative_to_the_background() -> None:
    background, row = columns(15), columns(1)
    found = explain_one(curved, background, row)
    assert found.values == pytest.approx(by_definition(row, background, alone([*row])), abs=1e-11)


def test_explaining_needs_numpy_alone() -> None:
    heavy = "{'pandas', 'polars', 'sklearn', 'scipy', 'onnx', 'mlflow', 'lightgbm', 'duckdb', 'pydantic', 'matplotlib'}"
    code = f"import sys, tabtrail.explain.coalitions; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
