import json
from importlib.metadata import version
from pathlib import Path

import joblib
import pandas as pd
import pytest
from tests.support.projects import Trained

from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import BundleError, NotTrainedError
from tabtrail.system.hashes import sha256_file

NAME = "sales_regressor"


@pytest.fixture
def models(trained: Trained, tmp_path: Path) -> Path:
    return trained.copy(tmp_path).config().paths.models_dir


def test_the_three_files_are_there_and_their_hashes_are_stated(models: Path) -> None:
    metadata = read_metadata(models, NAME)
    for kind in ("onnx", "joblib"):
        assert sha256_file(models / f"{NAME}.{kind}") == metadata["files"][kind]["sha256"]
    assert metadata["target"] == "SALES"
    report = json.loads((models / f"{NAME}_parity.json").read_text())
    assert (report["passed"], report["onnx_sha256"]) == (True, metadata["files"]["onnx"]["sha256"])
    assert metadata["parity"].items() <= report.items()
    assert metadata["versions"]["scikit-learn"] == version("scikit-learn")


def test_the_python_pipeline_of_the_bundle_predicts_what_the_graph_predicts(models: Path) -> None:
    bundle = load_bundle(models, NAME)
    row = bundle.schema.example
    pipeline = joblib.load(models / f"{NAME}.joblib")
    expected = float(pipeline.predict(pd.DataFrame([row]))[0])
    assert Predictor(bundle).predict([row])[0].value == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("kind", ["onnx", "joblib"])
def test_a_missing_file_is_named_with_its_remedy(models: Path, kind: str) -> None:
    (models / f"{NAME}.{kind}").unlink()
    with pytest.raises(BundleError, match=rf"the bundle is incomplete: .*{NAME}\.{kind}: No such file.*`tabtrail train` puts"):
        load_bundle(models, NAME)


def test_without_its_metadata_there_is_no_bundle(models: Path) -> None:
    (models / f"{NAME}_metadata.json").unlink()
    with pytest.raises(NotTrainedError, match=rf"there is no model in .* \({NAME}_metadata\.json is missing\); run"):
        load_bundle(models, NAME)


@pytest.mark.parametrize("name", [f"{NAME}.onnx", f"{NAME}.joblib", f"{NAME}_metadata.json"])
@pytest.mark.parametrize(
    "change", [lambda data: data[: len(data) // 2], lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:]]
)
def test_a_truncated_or_flipped_file_is_refused(models: Path, name: str, change: "object") -> None:
    path = models / name
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(BundleError, match=r"altered|damaged"):
        load_bundle(models, NAME)


def test_altered_metadata_is_refused_even_where_it_is_good_json(models: Path) -> None:
    path = models / f"{NAME}_metadata.json"
    metadata = json.loads(path.read_text())
    metadata["currency"] = "EUR"
    path.write_text(json.dumps(metadata))
    with pytest.raises(BundleError, match="was altered"):
        load_bundle(models, NAME)


def test_a_metadata_file_cannot_point_elsewhere(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.onnx"
    (models / f"{NAME}.onnx").rename(target)
    (models / f"{NAME}.onnx").symlink_to(target)
    with pytest.raises(BundleError, match="not a plain file"):
        load_bundle(models, NAME)


def test_no_bundle_is_not_trained_and_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotTrainedError, match="run `tabtrail run` first"):
        load_bundle(tmp_path, NAME)


def test_another_format_is_refused_by_name(models: Path) -> None:
    (models / f"{NAME}_metadata.json").write_text('{"format": 99}')
    with pytest.raises(BundleError, match="bundle of format 99; this version reads format 3"):
        load_bundle(models, NAME)
