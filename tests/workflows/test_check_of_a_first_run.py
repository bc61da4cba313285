"""`tabtrail check`: config, columns, rows, split, leaks and candidates in one list, without a fit and without a change."""

import json
import random
from pathlib import Path
from typing import Any

from tests.support.commands import Done, run_here

HOMES: dict[str, Any] = {
    "version": 2,
    "paths": {"raw_csv": "homes.csv"},
    "source": {"delimiter": ";"},
    "cleaning": {"date_column": "sold", "date_formats": ["%d/%m/%Y"]},
    "model": {"name": "homes", "target": "price", "numeric_features": ["sqm", "rooms"], "categorical_features": ["city"]},
    "split": {"kind": "group", "group_key": "agent", "folds": 3},
    "candidates": {"LinearRegression": {}},
}


def homes(root: Path, **sections: Any) -> Path:
    """80 homes, and a config in which some sections, or keys of them, are others."""
    lines, chance = ["sold;price;sqm;rooms;city;agent"], random.Random(7)
    for row in range(80):
        sqm = chance.randint(20, 200)
        price = sqm * 30 + chance.randint(0, 900)
        lines.append(f"{1 + row % 28}/{1 + row % 12}/2023;{price};{sqm};{chance.randint(1, 6)};{'xyz'[row % 3]};{row % 16}")
    (root / "homes.csv").write_text("\n".join(lines) + "\n")
    config = {
        name: {**section, **sections.get(name, {})} if isinstance(section, dict) else section for name, section in HOMES.items()
    }
    extra = {name: section for name, section in sections.items() if name not in HOMES}
    (root / "homes.yaml").write_text(json.dumps({**config, **extra}))
    return root / "homes.yaml"


def checked(config: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = run_here("check", "--config", str(config), "-q", "--format=json", *words)
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    return done.returncode, found


def faults(found: dict[str, Any], name: str) -> list[str]:
    return [
        f"{each['found']} → {each['remedy']}" for each in found["checks"] if each["state"] == "broken" and each["name"] == name
    ]


def test_a_project_that_can_run_has_no_faults_and_says_what_a_run_would_do(tmp_path: Path) -> None:
    done: Done = run_here("check", "--config", str(homes(tmp_path)))
    assert done.returncode == 0
    assert "ok      rows       80 rows in, 80 kept, 0 rejected" in done.stdout
    assert "ok      split      group: " in done.stdout
    assert "ok      candidates MeanBaseline, LinearRegression" in done.stdout
    assert done.stdout.endswith("nothing stands in the way of a run\n")


def test_faults_of_config_columns_rows_and_candidates_are_in_one_list(tmp_path: Path) -> None:
    model = {
        "numeric_features": ["sqmm", "rooms", "garages"],
        "categorical_features": ["city"],
        "targt": "price",
        "target": "price",
    }
    config = homes(tmp_path, model=model, cleaning={"date_formats": ["%Y-%m-%d"]}, candidates={"LinearRegresion": {}})
    text = config.read_text().replace('"target": "price", ', "", 1).replace(', "target": "price"', "", 1)
    config.write_text(text)
    csv = tmp_path / "homes.csv"
    csv.write_text(csv.read_text().replace(";1;", ";one;"))
    code, found = checked(config)
    assert code == 2
    assert any("model.targt: unknown key; did you mean 'target'?" in each for each in faults(found, "config"))
    assert any(
        "unknown model family 'LinearRegresion'; did you mean 'LinearRegression'?" in each for each in faults(found, "config")
    )
    assert ["'sqmm'; did you mean 'sqm'?" in each and "'garages'" in each for each in faults(found, "columns")] == [True]
    rows = "\n".join(faults(found, "rows"))
    assert "sold: not a date of the formats: 80 of 80 rows, '1/1/2023' on line 2" in rows
    assert 'set cleaning.dates: {sold: ["%d/%m/%Y"]}' in rows
    assert "rooms: not float" in rows
    assert "'one' on line" in rows


def test_the_faults_of_every_column_are_listed_not_those_of_the_first(tmp_path: Path) -> None:
    config = homes(tmp_path)
    csv = tmp_path / "homes.csv"
    lines = [line.split(";") for line in csv.read_text().splitlines()]
    dirty = [[day, f"{price},5", f"{sqm} qm", f"~{rooms}", *rest] for day, price, sqm, rooms, *rest in lines[1:]]
    csv.write_text("\n".join(map(";".join, [lines[0], *dirty])) + "\n")
    code, found = checked(config)
    assert code == 3
    rows = faults(found, "rows")
    assert len(rows) == 3
    assert any(each.startswith("price: not float: 80 of 80 rows") and "set source.decimal: ','" in each for each in rows)
    assert any(each.startswith("sqm: not float: 80 of 80 rows") and "strip: ['qm']" in each for each in rows)
    assert any(each.startswith("rooms: not float: 80 of 80 rows") and "mend the rows or the rule" in each for each in rows)


def test_a_split_that_cannot_be_cut_does_not_hide_what_gives_the_target_away(tmp_path: Path) -> None:
    config = homes(tmp_path, split={"kind": "group", "group_key": "agent", "folds": 30}, leakage={"policy": "error"})
    csv = tmp_path / "homes.csv"
    lines = [line.split(";") for line in csv.read_text().splitlines()]
    csv.write_text(
        "\n".join(";".join([*each[:3], each[1] if row else each[3], *each[4:]]) for row, each in enumerate(lines)) + "\n"
    )
    code, found = checked(config)
    assert code == 3
    assert any("lower split.folds" in each for each in faults(found, "split"))
    assert any(each.startswith("rooms: copy") for each in faults(found, "leakage"))
    code, found = checked(config, "--set", "split.folds=3")
    assert (code, faults(found, "split")) == (4, [])


def test_rows_below_the_allowed_share_are_notes_with_their_lines(tmp_path: Path) -> None:
    config = homes(tmp_path, contract={"max_reject_share": 0.1})
    csv = tmp_path / "homes.csv"
    csv.write_text(csv.read_text() + "1/1/2023;n/a;50;2;x;3\n")
    code, found = checked(config)
    assert code == 0
    notes = [each["found"] for each in found["checks"] if each["state"] == "note"]
    assert "price: not float: 1 of 81 rows, 'n/a' on line 82" in notes


def test_a_target_of_words_is_said_to_be_none_beside_the_faults_of_others(tmp_path: Path) -> None:
    config = homes(tmp_path, model={"target": "city", "categorical_features": []}, cleaning={"date_formats": ["%Y-%m-%d"]})
    code, found = checked(config)
    assert code == 3
    assert any("tabtrail does regression only" in each for each in faults(found, "target"))
    assert any("sold: not a date" in each for each in faults(found, "rows"))


def test_a_check_changes_nothing_that_is_there(tmp_path: Path) -> None:
    config = homes(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    checked(config)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_file_that_is_not_there_and_a_config_that_cannot_be_read_are_faults_of_the_list(tmp_path: Path) -> None:
    config = homes(tmp_path, candidates={"LinearRegresion": {}})
    (tmp_path / "homes.csv").unlink()
    code, found = checked(config)
    assert code == 2
    assert any("there is no file" in each for each in faults(found, "data"))
    assert any("LinearRegresion" in each for each in faults(found, "config"))
    config.write_text("model: [")
    code, found = checked(config)
    assert (code, len(found["checks"])) == (2, 1)


def test_series_are_checked_as_rows_are(tmp_path: Path) -> None:
    rows = [f"2024-{month:02}-{day:02};{shop};{day % 7 + 3}" for shop in "ab" for month in (1, 2, 3) for day in range(1, 29)]
    (tmp_path / "days.csv").write_text("day;shop;sold\n" + "\n".join(rows) + "\n")
    demand = {"name": "d", "target": "sold", "series": ["shop"], "frequency": "D", "horizon": 7}
    config = {
        "version": 2,
        "paths": {"raw_csv": "days.csv"},
        "source": {"delimiter": ";"},
        "cleaning": {"date_column": "day"},
        "demand": demand,
    }
    (tmp_path / "days.yaml").write_text(json.dumps(config))
    code, found = checked(tmp_path / "days.yaml")
    assert code == 0
    assert any(each["name"] == "demand" and each["found"].startswith("2 series of ") for each in found["checks"])
    (tmp_path / "days.yaml").write_text(json.dumps({**config, "demand": {**demand, "horizon": 300}}))
    code, found = checked(tmp_path / "days.yaml")
    assert code == 3
    assert faults(found, "demand")
