"""Finished candidates in the store: what a resumed benchmark takes up instead of fitting again."""

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from tabtrail.errors import StoreError
from tabtrail.modeling.benchmark import candidates_of
from tabtrail.modeling.metrics import score, score_strata
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.proof import Cost, Parity
from tabtrail.modeling.results import FULL, Fit, Result
from tabtrail.modeling.split import Fold, Split
from tabtrail.modeling.table import Table
from tabtrail.tracking.artifacts import read_artifact
from tabtrail.tracking.models import LoggedModel, load_model, model_of
from tabtrail.tracking.runs import Run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import MODEL, PREDICTIONS, TAG

FITS = "fits.npz"
_FACTS = ("fold", "fit_seconds", "predict_seconds", "iterations")


def fits_to_bytes(result: Result) -> bytes:
    """Return a candidate's fits as an npz file: the predictions of each, and the few facts that do not follow from them."""
    fits = (*result.folds, result.final)
    facts = {
        "model_bytes": result.model_bytes,
        "cost": None if result.cost is None else asdict(result.cost),
        "parity": None if result.parity is None else result.parity.to_dict(),
        "fits": [{name: getattr(fit, name) for name in _FACTS} for fit in fits],
    }
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"predicted_{fit.fold}": fit.predicted for fit in fits}
    np.savez(buffer, facts=np.array(json.dumps(facts)), **arrays)
    return buffer.getvalue()


def result_from(store: Store, run: Run, problem: Problem, table: Table, split: Split) -> tuple[Result, LoggedModel] | None:
    """Return the result that a finished run holds, with its model; None where the problem has no such candidate.

    Scores are computed again from the predictions. Raises `StoreError` where predictions or model are not those of the run,
    `ModelGoneError` where the model is no longer there or cannot be opened.
    """
    names = {each.name: each for each in candidates_of(problem)}
    candidate = names.get(run.tags[TAG + "candidate"])
    if candidate is None or MODEL not in run.tags:
        return None
    with np.load(io.BytesIO(read_artifact(store, run.run_id, FITS)), allow_pickle=False) as arrays:
        facts = json.loads(str(arrays["facts"]))
        predicted = {each["fold"]: arrays[f"predicted_{each['fold']}"] for each in facts["fits"]}
    logged = model_of(store, run.run_id, run.tags[MODEL])
    fits = {}
    for each in facts["fits"]:
        rows = Fold(split.train, split.test) if each["fold"] == FULL else split.folds[each["fold"]]
        valid = table.take(rows.valid)
        values = predicted[each["fold"]]
        fits[each["fold"]] = Fit(
            candidate=candidate.name,
            scores=score(valid.y, values),
            strata=score_strata(valid.y, values, valid.strata),
            predicted=values,
            model=load_model(store, logged) if each["fold"] == FULL else None,
            **each,
        )
    parity = None if facts["parity"] is None else Parity.from_dict(facts["parity"])
    folds = tuple(fits[fold] for fold in range(len(split.folds)))
    cost = None if facts.get("cost") is None else Cost(**facts["cost"])
    result = Result(candidate, folds, fits[FULL], facts["model_bytes"], parity, cost)
    if result.predictions_sha256 != run.tags[PREDICTIONS]:
        raise StoreError(f"the predictions of run {run.run_id} in the MLflow store were altered; run `tabtrail train --force`")
    return result, logged
