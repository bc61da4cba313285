"""RealMLP: what PyTorch trained is what numpy and the graph compute, with gaps and unseen texts, and where it may stop."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from tests.support.nets import needs_torch

from tabtrail import errors
from tabtrail.bundle.plain_graph import require_plain_graph
from tabtrail.config.operation import Engine
from tabtrail.errors import ConfigError, MissingExtraError
from tabtrail.export.graph import export_onnx
from tabtrail.export.parity import check_parity
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.devices import is_on_device, one_at_a_time, require_devices
from tabtrail.modeling.families.family import Sample
from tabtrail.modeling.families.realmlp import RealMLP
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.nets.settings import Settings
from tabtrail.modeling.preprocess import Recipe

ROWS = 600
NUMBERS, TEXTS = ("area", "gaps", "flag", "always"), ("kind", "city")
RECIPE = Recipe(numbers=NUMBERS, texts=TEXTS, numeric=NUMBERS, formulas={}, one_hot=TEXTS)
SMALL = {"epochs": 15, "width": 32, "layers": 2, "batch_size": 64}
NATIVE = {**SMALL, "categories": "native", "missing": "native"}


def rows(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with gaps, two values or one; a category of three texts and one of twenty. The target has a wave and both texts."""
    random = np.random.default_rng(seed)
    area, flag = random.uniform(0, 10, ROWS), random.integers(0, 2, ROWS).astype(float)
    kind, city = random.integers(0, 3, ROWS), random.integers(0, 20, ROWS)
    y = 100 + 20 * np.sin(area) + 5 * flag + 10 * kind + 2 * city
    gaps = np.where(random.uniform(size=ROWS) < 0.2, np.nan, y + random.normal(0, 20, ROWS))
    texts = {"kind": np.array([f"k{each}" for each in kind], object), "city": np.array([f"c{each:02}" for each in city], object)}
    return pd.DataFrame({"area": area, "gaps": gaps, "flag": flag, "always": np.ones(ROWS), **texts}), y


def candidate(name: str, **params: object) -> Candidate:
    (found,) = [each for each in list_candidates({name: params}) if each.name == name]  # type: ignore[dict-item]
    return found


def matrix() -> tuple[np.ndarray, np.ndarray]:
    x, y = rows()
    codes = x[list(TEXTS)].apply(lambda texts: pd.factorize(texts, sort=True)[0])
    return np.column_stack([x[list(NUMBERS)].to_numpy(), codes.to_numpy(dtype=float)]), y


@needs_torch
@pytest.mark.parametrize("extra", [NATIVE, SMALL, {**NATIVE, "target_transform": "log", "smearing": True}], ids=str)
def test_its_graph_is_plain_and_computes_what_it_predicts_for_gaps_unseen_texts_and_extremes(extra: dict[str, object]) -> None:
    x, y = rows()
    model = build_model(candidate("RealMLP", **extra), RECIPE).fit(x, y)
    assert np.sqrt(np.mean((model.predict(x) - y) ** 2)) < 0.5 * np.std(y)
    graph = export_onnx(model, list(NUMBERS), list(TEXTS), "net")
    require_plain_graph(graph)
    parity = check_parity(graph, model, x, texts=TEXTS, scale=float(np.std(y)), tolerance=1e-9, seed=1)
    assert parity.passed, parity.complaint
    assert np.isfinite(model.predict(x.assign(area=1e30, gaps=np.nan, city="never seen"))).all()


@needs_torch
def test_numpy_computes_what_pytorch_trained() -> None:
    from tabtrail.modeling.families.realmlp import _blank
    from tabtrail.modeling.nets import training  # imports PyTorch, an optional extra

    x, y = matrix()
    settings = Settings(width=16, layers=2)
    blank = _blank(x, y, (4, 5), settings)
    plain, codes, _, _ = training._rows(blank, Sample(x, y), training.torch.device("cpu"))
    with training.seeded(1):
        module = training._Net(settings, blank, plain.shape[1])
        module.begin(plain, codes)
        module.matrices[-1].data.normal_()
    module.eval()
    expected = np.clip(module(plain, codes).detach().numpy() * blank.spread + blank.mean, blank.low, blank.high)
    np.testing.assert_allclose(module.into(blank).run(x), expected, rtol=1e-4)
    assert len(blank.periodic.places) == 2  # a cosine of a number with one or two values tells no more than the number
    assert [len(table.rows) for table in (*blank.one_hot, *blank.embedded)] == [4, 21]


@needs_torch
def test_an_unseen_text_of_many_is_the_mean_of_the_known_ones_and_of_few_none_of_them() -> None:
    x, y = matrix()
    net = RealMLP(epochs=1, width=16, layers=1, category_columns=(4, 5)).fit(x, y).net_
    np.testing.assert_array_equal(net.one_hot[0].rows[-1], 0)
    np.testing.assert_allclose(net.embedded[0].rows[-1], net.embedded[0].rows[:-1].mean(axis=0))
    unseen = x.copy()
    unseen[:, 5] = np.nan
    assert set(net.embedded[0].places(unseen)) == {20}


@needs_torch
def test_equal_fits_pickle_to_equal_bytes_whatever_ran_before_and_another_seed_gives_another() -> None:
    import torch  # an optional extra

    x, y = matrix()
    first, again, other = (RealMLP(epochs=2, width=16, random_state=seed) for seed in (1, 1, 2))
    one = pickle.dumps(first.fit(x, y))
    threads, _ = torch.get_num_threads(), torch.rand(3)
    assert pickle.dumps(again.fit(x, y)) == one
    assert torch.get_num_threads() == threads
    assert not np.array_equal(pickle.loads(one).predict(x), other.fit(x, y).predict(x))


@needs_torch
def test_fits_in_threads_of_one_process_do_not_take_each_others_random_numbers() -> None:
    x, y = matrix()
    alone = [RealMLP(epochs=3, width=16, random_state=seed).fit(x, y).predict(x) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seed: RealMLP(epochs=3, width=16, random_state=seed).fit(x, y).predict(x), (1, 2)))
    np.testing.assert_array_equal(together, alone)


@needs_torch
def test_it_stops_where_a_cycle_of_the_rate_ends_and_the_refit_goes_as_far_on_the_same_schedule() -> None:
    assert Settings(epochs=60).cycle_ends == (4, 12, 28, 60)
    assert Settings(epochs=2).cycle_ends == (1, 2)
    x, y = matrix()
    learned, random = Sample(x, y), np.random.default_rng(0)
    noise = Sample(x, random.permutation(y))
    model = RealMLP(epochs=15, width=16, category_columns=(4, 5))
    assert model.fit_watching(learned, learned, patience=100) == 15
    assert set(model.nets_) == {1, 3, 7, 15}
    cut = model.first_epochs(6)
    assert (cut.trained_epochs, set(cut.nets_)) == (7, {7})
    straight = RealMLP(epochs=15, trained_epochs=7, width=16, category_columns=(4, 5)).fit(x, y)
    np.testing.assert_array_equal(straight.predict(x), cut.predict(x))
    assert RealMLP(epochs=60, width=16).fit_watching(learned, noise, patience=1) < 60


@needs_torch
def test_weights_of_rows_count() -> None:
    x, y = matrix()
    half = np.where(np.arange(ROWS) % 2 == 0, y, y + 1000)
    weights = np.where(np.arange(ROWS) % 2 == 0, 1.0, 1e-6)
    found = RealMLP(epochs=15, width=32, category_columns=(4, 5)).fit(x, half, sample_weight=weights).predict(x)
    assert np.mean(np.abs(found - y)) < 60


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epochs": 0}, "epochs: write a whole number from 1 to 10000"),
        ({"dropout": 1}, "dropout: write a number from 0 to 0.9"),
        ({"width": 1.5}, "width: write a whole number"),
        ({"trained_epochs": 3}, "trained_epochs: tabtrail sets this parameter itself"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"device": "gpu"}, "device: 'gpu' is no device; write cuda or cpu"),
    ],
)
def test_what_it_cannot_be_built_with_is_refused_before_a_fit(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        candidate("RealMLP", **params)


def test_without_pytorch_it_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"candidates\.RealMLP_wide needs torch.*pip install 'tabtrail\[torch\]'"):
        candidate("RealMLP_wide", width=512)


@needs_torch
def test_a_device_that_is_not_there_is_named_before_anything_is_fitted_and_fits_on_one_take_turns() -> None:
    import torch  # an optional extra

    asked = candidate("RealMLP", device="cuda")
    assert is_on_device(asked)
    assert one_at_a_time(Engine(workers=4), [asked]).workers == 1
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match=r"RealMLP\.device: cuda cannot be used here: .*CUDA.*PyTorch built for CUDA"):
        require_devices([asked], Engine(kind="serial"), ())
