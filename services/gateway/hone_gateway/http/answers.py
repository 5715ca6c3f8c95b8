"""Models as responses, written once: they were checked where they came from."""

from pydantic import BaseModel
from starlette.responses import Response


def json_of(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")
