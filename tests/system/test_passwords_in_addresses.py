"""No password of an address is shown, wherever it stands in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.system.addresses import raw_password_character, without_passwords

_PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"<>&;"), min_size=4)


@given(_PASSWORDS)
def test_a_password_is_not_shown_whatever_characters_it_has(password: str) -> None:
    text = f"cannot open postgresql+psycopg://ann:{password}@db.example/mlflow (refused)"
    assert without_passwords(text) == "cannot open postgresql+psycopg://…@db.example/mlflow (refused)"
    assert without_passwords(f"postgresql://db/m?user=ann&password={password}&x=1") == "postgresql://db/m?user=ann&password=…&x=1"


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/ann/mlruns/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1",
        "s3://bucket/prefix/part-0.parquet",
        "models:/sales@champion",
        "who: ann@machine",
        "paths.raw_csv: data/raw.csv",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(text: str) -> None:
    assert without_passwords(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://t0ken@host:5000", "http://…@host:5000"),
        ("host=db password = 'a b' dbname=m", "host=db password = … dbname=m"),
        ("https://h/x?Signature=abc&AWS_SECRET_ACCESS_KEY=k", "https://h/x?Signature=…&AWS_SECRET_ACCESS_KEY=…"),
        ("two: http://a:b@x and http://c:d@y", "two: http://…@x and http://…@y"),
    ],
)
def test_every_form_of_a_secret_is_found(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@pytest.mark.parametrize(
    ("address", "character"),
    [
        ("postgresql://u:p@ss@db/m", "@"),
        ("postgresql://u:p/ss@db/m", "/"),
        ("postgresql://u:p%40ss@db/m", ""),
        ("http://127.0.0.1:5000", ""),
        ("http://127.0.0.1:5000/prefix@2", ""),
        ("s3://bucket/prefix@2", ""),
        ("http://u:p?ss@h:5000", "?"),
        ("sqlite:///mlruns/mlflow.db", ""),
    ],
)
def test_a_password_that_is_not_encoded_is_found(address: str, character: str) -> None:
    assert raw_password_character(address) == character
