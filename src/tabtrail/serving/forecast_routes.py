"""`GET /forecast`: the forecast of a segment that `tabtrail forecast` stored; a request fits no model."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.stored_forecasts import AmbiguousForecastError, NoForecastError, TooManyStepsError, look_up
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service

_STEPS = "steps"
_MOST_CHARACTERS = 200


async def forecast(request: Request) -> Response:
    """Answer with the stored forecast of the segment that the query names; without one, with that of all rows."""
    service: Service = request.app.state.service
    query = request.query_params
    if len(query.multi_items()) > len(query):
        raise Refused(422, "a name is there twice in the query")
    given = query.get(_STEPS)
    if given is not None and not (given.isascii() and given.isdecimal() and len(given) < 5):
        raise Refused(422, "steps is a whole number of periods", [(_STEPS, "must be a whole number")])
    segment = {name: value for name, value in query.items() if name != _STEPS}
    if service.output_dir is None or any(
        len(text) > _MOST_CHARACTERS or "\0" in text for pair in segment.items() for text in pair
    ):
        raise _not_found()
    folder, steps = service.output_dir, None if given is None else int(given)
    try:
        found = await service.aside(lambda: look_up(folder, segment, steps))
    except NoForecastError:
        raise _not_found() from None
    except AmbiguousForecastError:
        raise Refused(404, "several stored forecasts are of this segment; remove the outdated ones") from None
    except TooManyStepsError as error:
        raise Refused(422, str(error), [(_STEPS, "is not among the stored ones")]) from None
    return JSONResponse(found)


def _not_found() -> Refused:
    return Refused(404, "no forecast of this segment is stored; `tabtrail forecast` makes one")
