"""The section `demand` is checked when the config is read, and each message names its key."""

from pathlib import Path

import pytest
from tests.support.demand import CONFIG

from tabtrail.config.load import load_config
from tabtrail.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("demand.horizon=0", r"demand.horizon: is (0|-1), where 1 or more belongs"),
        ("demand.horizon=-1", r"demand.horizon: is (0|-1), where 1 or more belongs"),
        ("demand.horizon=1000", r"demand.horizon: is 1000, where 370 or less belongs"),
        ("demand.frequency=H", r"demand.frequency: is the text 'H', where one of D, W, MS belongs"),
        ("demand.known_ahead=[price, store_id]", r"'store_id' is named twice; a column has one role"),
        ("demand.price=units", r"demand.price: 'units' is not in demand.known_ahead"),
        ("contract.columns.promotion={dtype: string}", r"demand.known_ahead.1: 'promotion' is not a number"),
        ("contract.columns.store_id={dtype: float}", r"demand.series.0: 'store_id' is neither text nor a whole number"),
        (
            "demand.missing_periods=ffill",
            r"demand.missing_periods: is the text 'ffill', where one of zero, missing",
        ),
        ("demand.horizn=3", r"demand.horizn: unknown key; did you mean 'horizon'\?"),
        ("demand.gap=7", r"demand.gap: a gap of 7 leaves nothing of a horizon of 7"),
        (
            "demand.interval_method=quantile",
            r"demand.interval_method: is the text 'quantile', .* did you mean 'quantiles'",
        ),
        ("cleaning.date_column=null", r"demand: a demand is over time: name the column of its days in cleaning.date_column"),
    ],
)
def test_what_is_wrong_with_a_demand_names_the_key(tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(tmp_path / "c.yaml", [override])
    assert "model" not in str(caught.value)


@pytest.mark.parametrize(
    "recursive",
    [
        ["demand.candidates={LightGBM_steps: {strategy: recursive}}"],
        ["demand.candidates={LightGBM_steps: {}}", "demand.search={LightGBM_steps: {strategy: [direct, recursive]}}"],
    ],
)
def test_quantiles_are_refused_beside_a_candidate_that_is_or_may_become_recursive(tmp_path: Path, recursive: list[str]) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    load_config(tmp_path / "c.yaml", recursive)
    with pytest.raises(ConfigError, match=r"demand.interval_method: .*LightGBM_steps is recursive.*interval_method: errors"):
        load_config(tmp_path / "c.yaml", [*recursive, "demand.interval_method=quantiles"])


def test_a_fault_in_the_file_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG.replace("horizon: 7", "horizon: 0"))
    line = next(number for number, text in enumerate(CONFIG.splitlines(), 1) if "horizon" in text)
    with pytest.raises(ConfigError, match=rf"c.yaml:{line}: demand.horizon"):
        load_config(tmp_path / "c.yaml")
