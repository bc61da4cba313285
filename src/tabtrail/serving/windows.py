"""`POST /predict/window`: the last values of a series in, the next one out. Only models that read windows answer it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.demand.window import window_size
from tabtrail.bundle.rows import PayloadError
from tabtrail.serving.body import JSON, read_json, require_media_type
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service, refusal

WINDOW_PATHS = ("/predict/window", "/api/predict")


async def predict_window(request: Request) -> Response:
    """Forecast the value after those that are sent: a JSON object with the series and `values`, oldest first."""
    service: Service = request.app.state.service
    served = service.served()
    if window_size(served.metadata) is None:
        raise Refused(404, "the model reads no window of values; ask POST /predict")
    require_media_type(request, JSON)
    body = await read_json(request, service, service.settings.max_body_bytes)
    if not isinstance(body, dict):
        raise Refused(422, "the body is not a JSON object with a series and its values")
    try:
        answer = served.predictor.predict_window(body)
    except PayloadError as error:
        raise refusal(error) from None
    service.counters.predicted("/predict/window", 1)
    return JSONResponse(answer)
