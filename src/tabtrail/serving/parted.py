"""Rows of a request predicted by the champion, or each by the model of its key where a challenger has a share of the traffic."""

from dataclasses import dataclass

from starlette.requests import Request

from tabtrail.bundle.predictor import Prediction
from tabtrail.bundle.rows import PayloadError, Row
from tabtrail.serving.models import Served
from tabtrail.serving.state import Service, refusal, score
from tabtrail.serving.traffic import RowShare, Traffic

Part = tuple[Served, list[Prediction], RowShare | None]


@dataclass(frozen=True)
class Scored:
    """The predictions of a request in the order of its rows; `models` are those of the rows where the traffic is parted, else
    None. `parts` has the predictions of each model.
    """

    predictions: list[Prediction]
    models: list[Served] | None
    parts: list[Part]

    @property
    def run_ids(self) -> list[str] | None:
        """The run of each row's model, None where the traffic is not parted."""
        return None if self.models is None else [each.run_id for each in self.models]

    def record(self, service: Service, route: str, request: Request) -> None:
        """Count the predictions and hand them to the log and the shadow, model by model."""
        for model, predictions, share in self.parts:
            service.record(route, request, model, predictions, share)


def score_by_one(served: Served, rows: list[Row]) -> Scored:
    """Predict rows by one model. Raises `Refused` (422) for a row that is refused."""
    predictions = score(served, rows)
    return Scored(predictions, None, [(served, predictions, None)])


def score_by_key(service: Service, served: Served, rows: list[Row], request: Request) -> Scored:
    """Predict rows, each by the model of its key where the traffic is parted. Raises `Refused` (422) where one is refused."""
    if service.traffic is None:
        return score_by_one(served, rows)
    parts = _parted(service.traffic, served, rows, request)
    placed = {place: (share.served, each) for _, found, share in parts for place, each in zip(share.rows, found, strict=True)}
    ordered = [placed[place] for place in range(1, len(rows) + 1)]
    return Scored([each for _, each in ordered], [model for model, _ in ordered], [*parts])


def _parted(
    traffic: Traffic, champion: Served, rows: list[Row], request: Request
) -> list[tuple[Served, list[Prediction], RowShare]]:
    try:
        checked = champion.predictor.check(rows)
        shares = traffic.parted(champion, checked, request)
        return [(each.served, each.served.predictor.answer([checked[row - 1] for row in each.rows]), each) for each in shares]
    except PayloadError as error:
        raise refusal(error) from None
