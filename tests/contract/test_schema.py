"""What a schema says of its columns, and which row rules it can check."""

import json
from dataclasses import replace

from tabtrail.contract.described import describe
from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema, RowRule, rules_over

PRICE = Feature("PRICE", "numeric", ColumnRule("float", allowed=(1.0, 2.5)), example=2.5, seen_min=1.0, seen_max=2.5)
DAY = Feature("DAY", "date", ColumnRule("date"), example="1970-01-02", seen_min=0, seen_max=31)
KIND = Feature("KIND", "categorical", ColumnRule("string"), example="a", categories=("a", "b"))
POSITIVE, SMALL = RowRule("positive", "PRICE > 0"), RowRule("small", "PRICE < COST")
SCHEMA = ModelSchema("Y", (PRICE, DAY, KIND), (POSITIVE,))


def test_the_range_that_was_seen_is_told_as_people_read_it() -> None:
    assert [feature.seen_range for feature in SCHEMA.features] == ["1 to 2.5", "1970-01-01 to 1970-02-01", None]
    assert replace(PRICE, seen_max=None).seen_range is None
    assert replace(PRICE, seen_min=None).seen_range is None


def test_a_schema_comes_back_from_json_with_its_rules_and_example() -> None:
    again = ModelSchema.from_dict(json.loads(json.dumps(SCHEMA.to_dict())))
    assert again == SCHEMA
    assert again.names == ["PRICE", "DAY", "KIND"]
    assert again.example == {"PRICE": 2.5, "DAY": "1970-01-02", "KIND": "a"}
    assert again.row_rules[0].tree == POSITIVE.tree


def test_rules_are_checked_from_the_columns_that_are_there_and_only_those_that_reject() -> None:
    warned = replace(POSITIVE, action="warn")
    assert rules_over((POSITIVE, SMALL, warned), {"PRICE"}) == (POSITIVE,)
    assert rules_over((POSITIVE, SMALL, warned), {"PRICE", "COST", "KIND"}) == (POSITIVE, SMALL)


def test_what_was_seen_of_a_text_names_no_text_that_is_not_there() -> None:
    assert describe(replace(KIND, categories=("", "a", "b")))["seen in training"] == "a, b"
    assert describe(replace(KIND, categories=("",)))["seen in training"] == "nothing"
