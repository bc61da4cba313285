"""`GET /forecast`: the forecast of a segment that `tabtrail forecast` stored; a request fits no model."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.stored_forecasts import AmbiguousForecastError, NoForecastError, TooManyStepsError, look_up, stored_segments
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service

_STEPS = "steps"
_MOST_CHARACTERS = 200
_MOST_LISTED = 100  # stored forecasts that a 404 and the list name: each costs reading a file


async def forecast(request: Request) -> Response:
    """Answer with the stored forecast of the segment that the query names; without one, with that of all rows."""
    service: Service = request.app.state.service
    query = request.query_params
    if len(query.multi_items()) > len(query):
        raise Refused(422, "a name is there twice in the query")
    known = [*service.segments.readings, _STEPS]
    if unknown := [name[:_MOST_CHARACTERS] for name in query if name not in known]:
        message = f"is not a parameter; those of this service are {', '.join(known)}"
        raise Refused(422, "the query has unknown parameters", [(name, message) for name in unknown])
    given = query.get(_STEPS)
    if given is not None and not (given.isascii() and given.isdecimal() and len(given) < 5):
        raise Refused(422, "steps is a whole number of periods", [(_STEPS, "must be a whole number")])
    segment = service.segments.read((name, value) for name, value in query.items() if name != _STEPS)
    if service.output_dir is None or any(
        len(text) > _MOST_CHARACTERS or "\0" in text for pair in segment.items() for text in pair
    ):
        raise await _not_found(service)
    folder, steps = service.output_dir, None if given is None else int(given)
    try:
        found = await service.aside(lambda: look_up(folder, segment, steps))
    except NoForecastError:
        raise (await _not_found(service)) from None
    except AmbiguousForecastError:
        raise Refused(404, "several stored forecasts are of this segment; remove the outdated ones") from None
    except TooManyStepsError as error:
        raise Refused(422, str(error), [(_STEPS, "is not among the stored ones")]) from None
    return JSONResponse(found)


async def segments(request: Request) -> Response:
    """List the segments whose forecasts are stored, at most a hundred, each as what `/forecast` takes."""
    service: Service = request.app.state.service
    folder = service.output_dir
    stored = [] if folder is None else await service.aside(lambda: stored_segments(folder, _MOST_LISTED))
    return JSONResponse({"segments": stored})


async def _not_found(service: Service) -> Refused:
    folder = service.output_dir
    stored = await service.aside(lambda: stored_segments(folder, _MOST_LISTED)) if folder is not None else []
    detail = "no forecast of this segment is stored; `tabtrail forecast` makes one"
    if stored:
        listed = "; ".join(", ".join(f"{name}={value}" for name, value in each.items()) or "all rows" for each in stored)
        detail += f". Stored are{' among others' if len(stored) == _MOST_LISTED else ''}: {listed}"
    return Refused(404, detail)
