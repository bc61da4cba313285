"""Bundles that somebody made to be loaded: every one is refused by a typed error, and nothing in them runs."""

import json
import os
import pickle
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.support.bundles import NAME, forge, graph, key_pair, make_bundle
from tests.support.projects import Project

from tabtrail.bundle.load import load_bundle, read_metadata, read_whole_bundle
from tabtrail.bundle.metadata import metadata_path
from tabtrail.bundle.predictor import Predictor
from tabtrail.cli import predict as predict_cli
from tabtrail.contract.cells import CellReading
from tabtrail.errors import BundleError, ConfigError
from tabtrail.project.training import BENCHMARK_SECTIONS


class Evil:
    """Unpickled, it leaves a file behind."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.canary, "ran")


def load(folder: Path) -> Predictor:
    """What every reader does: load, verify, open the graph."""
    return Predictor(load_bundle(folder, NAME))


def evil_pickle(folder: Path) -> bytes:
    return pickle.dumps(Evil(folder.parent / "canary"))


def alter(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    return lambda folder: forge(folder, change)


def replace_graph(model: onnx.ModelProto) -> Callable[[Path], None]:
    return lambda folder: forge(folder, onnx=model.SerializeToString())


def write_metadata(data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        metadata_path(folder, NAME).write_bytes(data)

    return write


def edit_text(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = metadata_path(folder, NAME)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return edit


def link(file: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        outside = folder.parent / file
        (folder / file).rename(outside)
        (folder / file).symlink_to(outside)

    return make


def pickle_for_graph(folder: Path) -> None:
    forge(folder, onnx=evil_pickle(folder))


def listed_pickle(folder: Path) -> None:
    data = evil_pickle(folder)
    (folder / f"{NAME}.pkl").write_bytes(data)
    forge(folder, lambda body: body["files"].update(pkl={**body["files"]["joblib"], "name": f"{NAME}.pkl"}))


def unlisted_pickle(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(evil_pickle(folder)) and None


def unlisted_folder(folder: Path) -> None:
    (folder / "more").mkdir()


def pipe(folder: Path) -> None:
    (folder / f"{NAME}.onnx").unlink()
    os.mkfifo(folder / f"{NAME}.onnx")


def folder_for_file(folder: Path) -> None:
    (folder / f"{NAME}.joblib").unlink()
    (folder / f"{NAME}.joblib").mkdir()


def oversized_metadata(folder: Path) -> None:
    with metadata_path(folder, NAME).open("r+b") as file:
        file.truncate(10_000_000_000)


def oversized_joblib(folder: Path) -> None:
    with (folder / f"{NAME}.joblib").open("r+b") as file:
        file.truncate(10_000_000_000_000)


def nested(depth: int) -> bytes:
    """A graph in a node in a graph …, written by hand: protobuf's own writer would not."""
    body = b""
    for _ in range(depth):
        for field in (6, 5, 1):  # graph of an attribute, attribute of a node, node of a graph
            body = bytes([field << 3 | 2]) + varint(len(body)) + body
    return b"\x3a" + varint(len(body)) + body


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def custom(domain: str) -> onnx.ModelProto:
    return graph(helper.make_node("Evil", ["X"], ["prediction"], domain=domain))


def custom_inside() -> onnx.ModelProto:
    out = helper.make_tensor_value_info("p", TensorProto.DOUBLE, None)
    branch = helper.make_graph([helper.make_node("Evil", ["X"], ["p"], domain="evil")], "b", [], [out])
    node = helper.make_node("If", ["c"], ["prediction"], then_branch=branch, else_branch=branch)
    return graph(node, initializer=[numpy_helper.from_array(np.array(True), "c")])


def outside_weights() -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.array([[1.0]]), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")
    return graph(helper.make_node("Add", ["X", "w"], ["prediction"]), initializer=[weights])


def own_function() -> onnx.ModelProto:
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    function = helper.make_function("", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    return graph(helper.make_node("Twice", ["X"], ["prediction"]), functions=[function])


CORPUS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pickle in the place of the graph": (pickle_for_graph, "not a plain ONNX model"),
    "a pickle that is listed": (listed_pickle, "malformed"),
    "a pickle that is not listed": (unlisted_pickle("zzz.pkl"), "not part of the bundle"),
    "a pickle that is not listed, by the bundle's name": (unlisted_pickle(f"{NAME}_extra.pkl"), "not part of the bundle"),
    "a folder that is not listed": (unlisted_folder, "not part of the bundle"),
    "the graph is a symlink": (link(f"{NAME}.onnx"), "not a plain file"),
    "the joblib file is a symlink": (link(f"{NAME}.joblib"), "not a plain file"),
    "the metadata is a symlink": (link(f"{NAME}_metadata.json"), "not a plain file"),
    "a pipe": (pipe, "not a plain file"),
    "a folder in the place of a file": (folder_for_file, "not a plain file"),
    "a path outside": (alter(lambda b: b["files"]["onnx"].update(name="../small.onnx")), "malformed"),
    "an absolute path": (alter(lambda b: b["files"]["joblib"].update(name="/etc/passwd")), "malformed"),
    "a path outside in a kind": (
        alter(lambda b: b["files"].update({"../x": {**b["files"]["onnx"], "name": f"{NAME}_../x.json"}})),
        "malformed",
    ),
    "a custom operator": (replace_graph(custom("evil")), "operators of the domain 'evil'"),
    "an operator of onnxruntime's own": (replace_graph(custom("com.microsoft")), "operators of the domain 'com.microsoft'"),
    "a custom operator in a branch": (replace_graph(custom_inside()), "operators of the domain 'evil'"),
    "a custom domain imported": (
        replace_graph(graph(opset=[helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)])),
        "operators of the domain 'evil'",
    ),
    "a function of its own": (replace_graph(own_function()), "functions of its own"),
    "weights in another file": (replace_graph(outside_weights()), "weights in another file"),
    "an empty graph file": (lambda folder: forge(folder, onnx=b""), "it has no graph"),
    "a length beyond the end": (lambda folder: forge(folder, onnx=b"\x3a\xff\xff\xff\xff\x7f"), "cut short or damaged"),
    "a number without end": (lambda folder: forge(folder, onnx=b"\xff" * 100), "cut short or damaged"),
    "graphs in graphs": (lambda folder: forge(folder, onnx=nested(1000)), "nested too deeply"),
    "metadata of 10 GB": (oversized_metadata, "more than the 16,000,000"),
    "a joblib file of 10 TB": (oversized_joblib, "10,000,000,000,000 bytes instead of"),
    "metadata nested without end": (write_metadata(b"[" * 100_000), "is damaged"),
    "metadata that is a list": (write_metadata(b"[]"), "not a JSON object"),
    "metadata that is no UTF-8": (write_metadata(b"\xff\xfe{}"), "is damaged"),
    "metadata with a number of 5,000 digits": (edit_text('"format": 3', '"format": ' + "3" * 5000), "is damaged"),
    "a repeated key": (edit_text('"format": 3,', '"format": 2,\n  "format": 3,'), "was altered"),
    "infinity": (edit_text("0.9,", "1e400,"), "was altered"),
    "a blank more": (edit_text('"format": 3', '"format":  3'), "was altered"),
    "an older format": (alter(lambda b: b.update(format=2)), "bundle of format 2, made by an older version"),
    "a later format": (alter(lambda b: b.update(format=99)), "bundle of format 99; this version reads format 3"),
    "a format that is true": (alter(lambda b: b.update(format=True)), "no known format|bundle of format True"),
    "another name": (alter(lambda b: b.update(name="other")), "malformed"),
    "no schema": (alter(lambda b: b.pop("schema")), "malformed"),
    "a schema of numbers": (alter(lambda b: b.update(schema=3)), "malformed"),
    "a feature twice": (alter(lambda b: b["schema"]["features"].append(b["schema"]["features"][0])), "malformed"),
    "a bound that is text": (alter(lambda b: b["schema"]["features"][0]["rule"].update(min="0")), "malformed"),
    "a rule that is code": (alter(lambda b: b["schema"]["row_rules"][0].update(check="__import__('os').abort()")), "malformed"),
    "an interval without a band": (alter(lambda b: b["intervals"].update(bands={})), "malformed"),
    "an interval without scales": (alter(lambda b: b["intervals"]["bands"][""].update(scales=[])), "malformed"),
    "a stratum that is code": (alter(lambda b: b["intervals"]["by"].update(strata={"a": "f(X)"})), "malformed"),
    "no graph listed": (alter(lambda b: b["files"].pop("onnx")), "malformed"),
    "other inputs": (
        replace_graph(graph(helper.make_node("Identity", ["X"], ["prediction"]), kind=TensorProto.STRING)),
        "not of the types of the schema",
    ),
    "an operator that does not exist": (
        replace_graph(graph(helper.make_node("NoSuchThing", ["X"], ["prediction"]))),
        "onnxruntime cannot load the graph",
    ),
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "models")


def test_the_bundle_that_the_corpus_is_made_of_is_good(models: Path) -> None:
    assert load(models).predict([{"X": 2.0}])[0].value == 4.0


@pytest.mark.parametrize("case", CORPUS)
def test_a_hostile_bundle_is_refused_by_a_typed_error(models: Path, case: str) -> None:
    attack, message = CORPUS[case]
    attack(models)
    with pytest.raises(BundleError, match=message):
        load(models)
    assert not (models.parent / "canary").exists()


READING = asdict(CellReading())


@pytest.mark.parametrize(
    "change",
    [
        {"fill": 1},
        {"nulls": [None]},
        {"nulls": "N/A"},
        {"aliases": {"a": 1}},
        {"trim": 1},
        {"unheard_of": ""},
        {"number": {**READING["number"], "strip": [1]}},
        {"date": {**READING["date"], "plausible_years": [1900]}},
    ],
)
def test_a_way_to_read_cells_that_is_none_is_refused(models: Path, change: dict[str, Any]) -> None:
    forge(models, lambda body: body["schema"]["features"][0].update(reading=READING))
    load(models)
    forge(models, lambda body: body["schema"]["features"][0].update(reading=READING | change))
    with pytest.raises(BundleError, match="malformed"):
        load(models)


TABLE: dict[str, Any] = {"column": "T", "within": ["S"], "rows": [["s", "a", "b"], [None, "a", "c"]]}


@pytest.mark.parametrize(
    "change",
    [
        {"column": "X"},
        {"column": "nowhere"},
        {"within": []},
        {"within": ["nowhere"]},
        {"rows": [["s", "a"]]},
        {"rows": [["s", "a", None]]},
        {"rows": [["s", None, "b"]]},
        {"rows": [[1, "a", "b"]]},
        {"rows": "sab"},
        {"rows": None},
    ],
)
def test_a_table_of_spellings_that_is_none_is_refused(models: Path, change: dict[str, Any]) -> None:
    def with_table(body: dict[str, Any], table: dict[str, Any]) -> None:
        number = body["schema"]["features"][0]
        rule = {**number["rule"], "dtype": "string", "min": None, "max": None}
        texts = [{**number, "name": name, "kind": "categorical", "rule": rule, "optional": True} for name in "ST"]
        body["schema"].update(features=[number, *texts], aliases=[table])

    forge(models, lambda body: with_table(body, TABLE))
    with pytest.raises(BundleError, match="inputs are not the columns"):
        load(models)
    forge(models, lambda body: with_table(body, TABLE | change))
    with pytest.raises(BundleError, match="malformed"):
        load(models)


def test_a_pickle_that_is_the_joblib_file_is_never_opened(models: Path) -> None:
    forge(models, joblib=evil_pickle(models))
    assert load(models).predict([{"X": 2.0}])[0].value == 4.0
    assert len(read_whole_bundle(models, NAME)[1]) == 3
    assert not (models.parent / "canary").exists()


def test_every_flipped_bit_of_every_file_is_refused(models: Path, keys: tuple[Path, Path]) -> None:
    make_bundle(models, signing_key=keys[0])
    good = {path: path.read_bytes() for path in models.iterdir()}
    assert len(good) == 4
    tried = 0
    for path, data in good.items():
        for bit in random.Random(7).sample(range(8 * len(data)), min(8 * len(data), 150)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with pytest.raises(BundleError):
                load_bundle(models, NAME)
            tried += 1
        path.write_bytes(data)
    assert tried >= 550
    assert load_bundle(models, NAME, keys[1])


def test_every_truncation_is_refused(models: Path) -> None:
    for path in sorted(models.iterdir()):
        data = path.read_bytes()
        for size in (0, 1, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:size])
            with pytest.raises(BundleError):
                load_bundle(models, NAME)
        path.write_bytes(data)


def test_another_bundle_and_hidden_files_may_lie_beside_it(models: Path) -> None:
    (models / ".gitkeep").touch()
    for file in ("small_house.onnx", "small_house_metadata.json", "tiny.joblib", "tiny_metadata.json"):
        (models / file).write_bytes(b"not looked at")
    assert load_bundle(models, NAME)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return key_pair(tmp_path_factory.mktemp("keys"))


def test_a_signed_bundle_is_loaded_with_its_public_key_and_without_one(models: Path, keys: tuple[Path, Path]) -> None:
    make_bundle(models, signing_key=keys[0])
    for key in (keys[1], None):
        assert load_bundle(models, NAME, key)
        assert read_metadata(models, NAME, key)["name"] == NAME


def test_an_unsigned_bundle_is_refused_where_there_is_a_public_key(models: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match=r"is not signed, and bundle.public_key is set"):
        load_bundle(models, NAME, keys[1])


def test_a_signature_of_another_key_or_another_bundle_is_refused(models: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    other = key_pair(tmp_path)
    make_bundle(models, signing_key=other[0])
    with pytest.raises(BundleError, match=r"the signature of the bundle is not of the key public.pem"):
        load_bundle(models, NAME, keys[1])
    make_bundle(models, signing_key=keys[0])
    forge(models, lambda body: body.update(currency="EUR"))
    assert load_bundle(models, NAME), "the hashes are right, only the key can tell"
    with pytest.raises(BundleError, match=r"the signature of the bundle is not of the key public.pem"):
        load_bundle(models, NAME, keys[1])


def test_a_key_file_that_is_none_is_a_config_error(models: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n")
    make_bundle(models, signing_key=keys[0])
    for path, message in (
        (tmp_path / "no.pem", "not an Ed25519 public key"),
        (keys[0], "not an Ed25519"),
        (tmp_path / "x", "cannot read"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_bundle(models, NAME, path)
    with pytest.raises(ConfigError, match="not an unencrypted Ed25519 private key"):
        make_bundle(models, signing_key=keys[1])


def test_the_metadata_that_is_written_is_what_json_says_it_is(models: Path) -> None:
    metadata = json.loads(metadata_path(models, NAME).read_bytes())
    assert metadata["format"] == 3
    assert set(metadata["files"]) == {"onnx", "joblib"}


def test_the_command_line_asks_for_the_signature_that_the_config_names(
    models: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = models.parent / "config_v2.yaml"
    config.write_text(f"paths: {{models_dir: models}}\nmodel: {{name: {NAME}}}\nbundle: {{public_key: '{keys[1]}'}}\n")
    words = ["--config", str(config), "--json", '{"X": 2}']
    with pytest.raises(SystemExit) as stop:
        predict_cli.main(words)
    assert stop.value.code == 1
    assert "is not signed, and bundle.public_key is set" in capsys.readouterr().err
    make_bundle(models, signing_key=keys[0])
    predict_cli.main(words)
    assert capsys.readouterr().out.startswith("4.00 USD")


def test_keys_are_paths_that_start_at_the_config_file_and_change_no_benchmark(project: Project) -> None:
    plain, signed = project.config(), project.config("bundle={signing_key: a.pem, public_key: b.pem}")
    assert signed.bundle.signing_key == project.root / "a.pem"
    assert signed.bundle.public_key == project.root / "b.pem"
    configs = (signed, plain, project.config("promotion.automatic=never"))
    assert len({config.digest(*BENCHMARK_SECTIONS) for config in configs}) == 1
