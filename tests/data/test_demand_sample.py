"""The made-up demand has all that makes such data hard, is marked as made up, and is the same bytes each time."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import run_here
from tests.support.projects import REPO

from tabtrail.data.demand_sample import HEADER, DemandSize, product_name, write_demand_sample
from tabtrail.data.sample import is_synthetic, mark_path
from tabtrail.errors import UsageError
from tabtrail.system.hashes import sha256_file

SIZE = DemandSize(stores=4, products=6, days=400)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    path = tmp_path_factory.mktemp("sample") / "d.csv"
    written = write_demand_sample(path, SIZE)
    data = pl.read_csv(path, try_parse_dates=True)
    assert data.height == written
    return data


def test_the_same_size_and_seed_give_the_same_bytes_and_the_mark(tmp_path: Path) -> None:
    size = DemandSize(stores=2, products=2, days=30)
    for name, seed in (("a.csv", 1), ("b.csv", 1), ("c.csv", 2)):
        write_demand_sample(tmp_path / name, size, seed=seed)
    a, b, c = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert a == b != c
    assert is_synthetic(tmp_path / "a.csv", sha256_file(tmp_path / "a.csv"))
    assert json.loads(mark_path(tmp_path / "a.csv").read_text())["kind"] == "demand"


def test_it_has_what_makes_demand_hard(rows: pl.DataFrame) -> None:
    assert tuple(rows.columns) == HEADER
    past, plan = rows.filter(pl.col("units").is_not_null()), rows.filter(pl.col("units").is_null())
    assert plan.height == SIZE.series * SIZE.plan
    assert plan["date"].min() > past["date"].max()
    begun = past.group_by("store_id", "product_id").agg(pl.col("date").min().alias("first"), pl.len())
    assert begun["first"].n_unique() > 1  # new products
    assert (
        past.height < begun.select(((past["date"].max() - pl.col("first")).dt.total_days() + 1).sum()).item()
    )  # days without a row
    assert past.filter(pl.col("open") == 0)["units"].unique().to_list() == [0]
    assert past.filter((pl.col("stock") == 0) & (pl.col("units") > 0)).height > 50
    assert 0 < past.filter(pl.col("units") < 0).height < 60
    assert rows["price"].min() > 0


def test_promotions_cut_the_price_and_sell_more(rows: pl.DataFrame) -> None:
    open_days = rows.filter(pl.col("open") == 1)
    means = open_days.group_by("promotion").agg(pl.col("units").mean(), pl.col("price").mean()).sort("promotion")
    assert means["units"][1] > 1.2 * means["units"][0]
    assert means["price"][1] < means["price"][0]


def test_products_are_named_past_z() -> None:
    assert [product_name(number) for number in (0, 25, 26, 27, 702)] == ["PROD_A", "PROD_Z", "PROD_AA", "PROD_AB", "PROD_AAA"]


def test_a_size_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one of each"):
        write_demand_sample(tmp_path / "x.csv", DemandSize(stores=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "demand", "--rows", "5"], "--rows goes for --kind sales"),
        (["--stores", "5"], "--stores goes for --kind demand"),
    ],
)
def test_a_size_of_the_other_kind_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_here("sample", "--output", str(tmp_path / "x.csv"), *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_without_a_kind_a_config_gets_rows_of_its_own_kind_and_none_where_no_kind_has_its_target(tmp_path: Path) -> None:
    stores = REPO / "examples" / "store_demand" / "config.yaml"
    (tmp_path / "stores.yaml").write_text(stores.read_text())
    done = run_here("sample", "--config", str(tmp_path / "stores.yaml"), "--stores", "1", "--days", "30")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "store_demand.csv").read_text().startswith(",".join(HEADER))
    words = "version: 2\npaths: {raw_csv: cars.csv}\nmodel: {target: price, numeric_features: [km]}\nsplit: {kind: random}\n"
    (tmp_path / "cars.yaml").write_text(words)
    done = run_here("sample", "--config", str(tmp_path / "cars.yaml"))
    assert done.returncode == 2
    assert "'price', which made-up sales does not have" in done.stderr
    assert not (tmp_path / "cars.csv").exists()
