"""`GET /series`: the series that a model of demand knows, in pages."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.demand.inputs import DemandInputs
from tabtrail.bundle.values import reader_of
from tabtrail.contract.aliases import respell, tables_over
from tabtrail.contract.schema import ModelSchema
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service

MOST_LISTED = 1000
_USUAL = 100
_PAGE = ("limit", "offset")
_MOST_CHARACTERS = 200


async def series(request: Request) -> Response:
    """List the known series: their columns, static ones too, and the first and last day that is known of each.

    `limit` (100, at most 1,000) and `offset` make pages; any other parameter is a column of the series and the value wanted.
    """
    service: Service = request.app.state.service
    served = service.served()
    demand = served.predictor.demand
    if demand is None:
        raise Refused(404, "the model is not one of series; GET /model says what it is")
    limit, offset = _whole(request, "limit", _USUAL), _whole(request, "offset", 0)
    if not 1 <= limit <= MOST_LISTED:
        raise Refused(422, f"limit is 1 to {MOST_LISTED:,}", [("limit", f"must be 1 to {MOST_LISTED:,}")])
    wanted = _read(_wanted(request, demand), served.predictor.schema)
    found = await service.aside(lambda: demand.list_series(wanted))
    page = found[offset : offset + limit]
    answer = {
        "model_name": served.model,
        "as_of": demand.as_of,
        "horizon": demand.panel.recipe.horizon,
        "total": len(found),
        "series": [demand.describe_series(int(place)) for place in page],
        "next_offset": offset + limit if offset + limit < len(found) else None,
    }
    return JSONResponse(answer)


def _whole(request: Request, name: str, usual: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refused(422, f"{name} is a whole number", [(name, "must be a whole number")])
    return int(text)


def _read(wanted: dict[str, str], schema: ModelSchema) -> dict[str, str]:
    """Return texts as the history has them: in the spelling of their columns."""
    readers = {each.name: reader_of(each) for each in schema.features if each.name in wanted}
    found = {name: text if isinstance(text := readers[name](given), str) else given for name, given in wanted.items()}
    respell(found, tables_over(schema.aliases, found))
    return found


def _wanted(request: Request, demand: DemandInputs) -> dict[str, str]:
    query = request.query_params
    if len(query.multi_items()) > len(query):
        raise Refused(422, "a name is there twice in the query")
    known = (*demand.panel.series, *demand.history.static)
    if unknown := [name[:_MOST_CHARACTERS] for name in query if name not in (*known, *_PAGE)]:
        message = f"is not a parameter; those of this service are {', '.join((*known, *_PAGE))}"
        raise Refused(422, "the query has unknown parameters", [(name, message) for name in unknown])
    return {name: value for name, value in query.items() if name in known}
