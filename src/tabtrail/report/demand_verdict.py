"""The verdict on a training on many series, in sentences: what was made, what it beats, what the bound on the bias cost, where
to trust it least, whether it is deployed."""

from typing import Any

import polars as pl

from tabtrail.report.demand_evidence import DemandEvidence, Scores
from tabtrail.report.verdict import Number, Sentence

LABELS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "wape": "WAPE",
    "mape": "MAPE",
    "rmsse": "RMSSE",
    "mase": "MASE",
    "bias": "bias",
    "wape_money": "WAPE in money",
    "bias_money": "bias in money",
}
SHARES = ("wape", "mape", "bias", "wape_money", "bias_money")


def demand_verdict(evidence: DemandEvidence, *, beside_rows: bool = False) -> tuple[Sentence, ...]:
    """Return the sentences, made of texts and figures. `beside_rows`: the project has a model of single rows too."""
    found = (_made(evidence), _worth(evidence), _bound(evidence), _trust(evidence), _deployed(evidence, beside_rows=beside_rows))
    return tuple(each for each in found if each)


def figure_of(scores: Scores, metric: str) -> str | Number:
    """Return a value of a metric, three digits of a share, a dash where it is not defined."""
    value = scores.get(metric)
    if value is None:
        return "–"
    return Number(float(value), 3 if metric in SHARES else 4, percent=metric in SHARES)


def _unit(evidence: DemandEvidence, metric: str) -> str:
    currency = evidence.board.get("currency")
    return f" {currency}" if currency and metric in ("mae", "rmse") else ""


def _label(evidence: DemandEvidence) -> str:
    metric = str(evidence.board["metric"])
    return LABELS.get(metric, metric)


def _made(evidence: DemandEvidence) -> Sentence:
    board, champion, metric = evidence.board, evidence.champion, evidence.board["metric"]
    origins, ahead = board["origins"], board["horizon"]
    when = f"on {origins[0]}" if len(origins) == 1 else f"from {origins[0]} to {origins[-1]}"
    share: Sentence = () if metric == "wape" else (" (", figure_of(champion, "wape"), " of the demand)")
    synthetic = "The data is synthetic, and says nothing about a real business. " if board["synthetic"] else ""
    return (
        f"{synthetic}{board['champion']} forecasts {board['target']} of ",
        Number(board["series"], 12),
        f" series {_plural(ahead, evidence.period)} ahead with {_article(metric)} {_label(evidence)} of ",
        figure_of(champion, metric),
        _unit(evidence, metric),
        *share,
        f", judged at {_plural(len(origins), 'origin')} {when}, each with what was known then.",
    )


def _article(metric: str) -> str:
    return "a" if metric == "wape" else "an"  # an MAE, an RMSE, an RMSSE, an MASE


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _worth(evidence: DemandEvidence) -> Sentence:
    metric, champion, baseline = evidence.board["metric"], evidence.champion, evidence.best_baseline
    if baseline is None or champion.get(metric) is None:
        return (f"No baseline has {_article(metric)} {_label(evidence)} here: nothing shows what the model is worth.",)
    own, other = float(champion[metric]), float(baseline[metric])
    bias, bound = baseline.get("bias"), evidence.board["max_bias"]
    held = " that is held to the same bound on its bias" if bound is not None and bias is not None and abs(bias) <= bound else ""
    start = (f"The best baseline{held}, {baseline['model']}, has ", figure_of(baseline, metric))
    if own >= other:
        return (*start, ": the model is no better, and forecasting by the baseline is simpler.")
    saved = Number(float(f"{1 - own / other:.3g}"), 3, percent=True)
    return (*start, ": the model takes away ", saved, f" of the error of {baseline['model']}.")


def _bound(evidence: DemandEvidence) -> Sentence:
    board, champion, best = evidence.board, evidence.champion, evidence.best_without_bound
    bias: Sentence = ("In all it forecasts ", *_too(champion.get("bias")), ". ")
    if board["max_bias"] is None or best is None:
        return (*bias, "No bound on the bias was set.")
    bound = f"{100 * board['max_bias']:.3g} %"
    if abs(champion.get("bias") or 0.0) > board["max_bias"]:
        return (*bias, f"No model's bias is within the bound of {bound}; this one has the least.")
    if best["model"] == champion["model"]:
        return (*bias, f"The bound of {bound} cost nothing: no model has a smaller {_label(evidence)}.")
    metric = board["metric"]
    return (
        *bias,
        f"The bound of {bound} cost ",
        Number(float(f"{champion[metric] / best[metric] - 1:.3g}"), 2, percent=True),
        f" of {_label(evidence)}: chosen by that alone, {best['model']} (",
        figure_of(best, metric),
        ") would have ordered ",
        *_too(best.get("bias")),
        ".",
    )


def _too(bias: float | None) -> Sentence:
    if bias is None:
        return ("as much as can be told: the bias is not defined",)
    return Number(abs(float(bias)), 3, percent=True), " too little" if bias < 0 else " too much"


def _trust(evidence: DemandEvidence) -> Sentence:
    classes = evidence.grouped("class", evidence.board["champion"])
    known = classes.filter(pl.col("wape").is_not_null()) if classes.height else classes
    if known.height < 2:
        return ()
    worst: dict[str, Any] = known.sort("wape", descending=True).row(0, named=True)
    easiest: dict[str, Any] = known.sort("wape").row(0, named=True)
    return (
        f"Trust it least for {worst['part']} series, where it misses ",
        figure_of(worst, "wape"),
        f" of the demand, and most for {easiest['part']} ones (",
        figure_of(easiest, "wape"),
        ").",
    )


def _deployed(evidence: DemandEvidence, *, beside_rows: bool) -> Sentence:
    decision = evidence.decision
    if refusal := evidence.tags.get("tabtrail.objections"):
        return (f"It is NOT deployed: {refusal}.",)
    if not decision:
        return ("It is not deployed: the training ended before the model could be.",)
    if decision.get("promoted") or decision.get("action") == "unchanged":
        who = "tabtrail predict --demand and, under /demand/, the service" if beside_rows else "tabtrail predict and the service"
        return (f"It is deployed: {who} answer from it.",)
    reasons, own = "; ".join(decision.get("reasons") or ()), " --demand" if beside_rows else ""
    return (
        f"It is NOT deployed{': ' + reasons if reasons else ''}. tabtrail promote {evidence.board['run_id']}{own} puts it in.",
    )
