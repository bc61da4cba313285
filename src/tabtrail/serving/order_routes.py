"""`POST /order`: what to order of series for the lead time, by a model of series."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.orders import LEVEL, PERIODS, PLAN, Order, lead_time_of, orders
from tabtrail.bundle.rows import PayloadError
from tabtrail.serving.body import JSON, read_json, require_media_type
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service, refusal

ORDER_PATH = "/order"
_SERIES = "series"
_NO_SUMS = (
    "the model has no sums over a lead time; only one of series that was trained with demand.lead_time has them, and GET /model"
    " says what is served"
)


async def order(request: Request) -> Response:
    """Say what to order: of one series (its columns, with a `plan` where the stored one is not meant), of a list of such series,
    or of those in `series`.

    One series that is refused refuses them all.
    """
    service: Service = request.app.state.service
    served = service.served()
    periods = lead_time_of(served.predictor)
    if periods is None:
        raise Refused(404, _NO_SUMS)
    require_media_type(request, JSON)
    body = await read_json(request, service, service.settings.max_batch_bytes)
    asked = _asked(body)
    most = service.settings.max_batch_rows
    if sum(periods + _rows_of_plan(each) for each in asked) > most:
        raise Refused(
            413, f"the series have more than {most:,} periods to forecast and rows of their plans; send fewer at a time"
        )

    def work() -> list[Order]:
        try:
            return orders(served.predictor, asked)
        except PayloadError as error:
            raise refusal(error) from None

    found = await service.aside(work)
    service.counters.predicted(ORDER_PATH, len(found) * periods)
    documents = [each.document() for each in found]
    return JSONResponse({"orders": documents} if _is_of_many(body) else documents[0])


def _is_of_many(body: Any) -> bool:
    """Whether a body is of several series; a column may be called `series` too, and its value is no list."""
    return isinstance(body, list) or isinstance(body.get(_SERIES), list)


def _asked(body: Any) -> list[Mapping[str, Any]]:
    """Return the series of a body, each with what was said of all of them. Raises `Refused` (422) for another form."""
    found = [body] if isinstance(body, dict) else body
    if isinstance(body, dict) and _is_of_many(body):
        of_all = {name: value for name, value in body.items() if name != _SERIES}
        if unknown := [name[:200] for name in of_all if name not in (LEVEL, PERIODS)]:
            message = f"stands beside '{_SERIES}', where only {LEVEL} and {PERIODS} may; a plan is of one series"
            raise Refused(422, "the body is not of the documented form", [(name, message) for name in unknown])
        found = [{**of_all, **each} if isinstance(each, dict) else each for each in body[_SERIES]]
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise Refused(
            422, f"the body is a JSON object of a series, or a list of them that is not empty, which may be in '{_SERIES}'"
        )
    return found


def _rows_of_plan(asked: Mapping[str, Any]) -> int:
    plan = asked.get(PLAN)
    return len(plan) if isinstance(plan, list) else 0
