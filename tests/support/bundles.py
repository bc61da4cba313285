"""A small bundle that needs no training, and a way to alter one as an attacker would: with all hashes made right again."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from tabtrail.bundle.build import build_bundle, deploy_bundle
from tabtrail.bundle.load import load_bundle, read_whole_bundle
from tabtrail.bundle.metadata import metadata_path
from tabtrail.errors import BundleError
from tabtrail.system.hashes import sha256_json

NAME = "small"
Change = Callable[[dict[str, Any]], None]


def metadata(run_id: str = "a" * 32, **changes: Any) -> dict[str, Any]:
    rule = {"dtype": "float", "nullable": False, "min": 0.0, "max": None, "allowed": None, "description": ""}
    seen = {"example": 2.0, "seen_min": 0.0, "seen_max": 9.0, "categories": []}
    band = {"rows": 100, "quantile": 1.5, "predictions": [1.0, 2.0], "scales": [0.5, 0.7]}
    return {
        "model": "LinearRegression",
        "family": "LinearRegression",
        "target": "Y",
        "currency": "USD",
        "run_id": run_id,
        "created": "2026-01-01T00:00:00+00:00",
        "synthetic": False,
        "schema": {
            "target": "Y",
            "features": [{"name": "X", "kind": "numeric", "rule": rule, **seen}],
            "row_rules": [{"name": "small", "check": "X < 1000", "action": "reject"}],
        },
        "metrics": {"test_rmse": 1.0},
        "intervals": {"level": 0.9, "floor": None, "bands": {"": band}, "by": {"column": None, "strata": {"low": "X < 3"}}},
        "leakage": [],
        "parity": {"passed": True, "max_difference": 1e-12},
        "versions": {},
        "data_sha256": "d" * 64,
        "config_sha256": "c" * 64,
        **changes,
    }


def graph(*nodes: onnx.NodeProto, kind: int = TensorProto.DOUBLE, **more: Any) -> onnx.ModelProto:
    """Return X → prediction through the nodes (Y = X + X where there are none)."""
    own = nodes or (helper.make_node("Add", ["X", "X"], ["prediction"]),)
    inputs = [helper.make_tensor_value_info("X", kind, [None, 1])]
    outputs = [helper.make_tensor_value_info("prediction", kind, [None, 1])]
    made = helper.make_graph(list(own), "g", inputs, outputs, more.pop("initializer", []))
    return helper.make_model(made, opset_imports=more.pop("opset", [helper.make_opsetid("", 18)]), ir_version=9, **more)


def small_files(model: bytes | None = None, signing_key: Path | None = None, **changes: Any) -> dict[str, bytes]:
    model = graph().SerializeToString() if model is None else model
    return build_bundle(
        NAME, onnx=model, joblib=b"a pickle that nobody opens", metadata=metadata(**changes), signing_key=signing_key
    )


def make_bundle(folder: Path, **changes: Any) -> Path:
    deploy_bundle(folder, NAME, small_files(**changes))
    return folder


def forge(folder: Path, change: Change | None = None, **contents: bytes) -> None:
    """Replace files (by kind) and change the metadata, every hash stated again."""
    path = metadata_path(folder, NAME)
    body = json.loads(path.read_bytes())
    del body["metadata_sha256"]
    for kind, data in contents.items():
        (folder / f"{NAME}.{kind}").write_bytes(data)
        body["files"][kind] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    if change is not None:
        change(body)
    body["metadata_sha256"] = sha256_json(body)
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")


Result = tuple[int, set[str], str]


class Reader:
    """A process that loads a bundle over and over; `stop` returns how often, the runs that it saw, and what went wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        context = multiprocessing.get_context("spawn")
        self._done, self._results = context.Event(), context.Queue()
        begun = context.Event()
        self._process = context.Process(target=_read, args=(folder, begun, self._done, self._results))
        self._process.start()
        self._result: Result | None = None
        assert begun.wait(120)

    def stop(self) -> Result:
        self._done.set()
        if self._result is None:
            self._result = self._results.get(timeout=60)
            self._process.join(60)
            assert self._process.exitcode == 0
        return self._result


def _read(folder: Path, begun: Event, done: Event, results: "multiprocessing.Queue[Result]") -> None:
    reads, seen, problem = 0, set(), ""
    while not done.is_set() and not problem:
        try:
            seen.add(load_bundle(folder, NAME).metadata["run_id"])
            read_whole_bundle(folder, NAME)
        except BundleError as error:
            problem = str(error)
        reads += 1
        begun.set()
    results.put((reads, seen, problem))


def key_pair(folder: Path) -> tuple[Path, Path]:
    """A private and a public key, as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / "private.pem", folder / "public.pem"
    encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none))
    public.write_bytes(key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public
