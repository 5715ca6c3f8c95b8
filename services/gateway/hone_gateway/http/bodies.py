"""Reading a request's JSON body into its model."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from hone_gateway.errors import InvalidRequest, MalformedBody, NotJson

_MAX_ERRORS = 20
_MAX_FIELD_CHARS = 100


class RequestBody(BaseModel):
    """A field that is not known is a typo, and said to be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=RequestBody)


async def read(request: Request, model: type[B]) -> B:
    """Raises NotJson, MalformedBody, InvalidRequest, BodyTooLarge."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise NotJson
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        if errors[0]["type"] == "json_invalid":
            raise MalformedBody(errors[0]["msg"]) from error
        raise invalid(errors) from error


def invalid(errors: list[ErrorDetails]) -> InvalidRequest:
    """The first of the errors: a body of nothing but typos must not come back several times as long."""
    return InvalidRequest(
        [{"field": _field(each), "message": _message(each)} for each in errors[:_MAX_ERRORS]]
    )


def _field(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"])) or "body"
    return name if len(name) <= _MAX_FIELD_CHARS else f"{name[:_MAX_FIELD_CHARS]}…"


def _message(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")  # pydantic's words before those of our own validators
