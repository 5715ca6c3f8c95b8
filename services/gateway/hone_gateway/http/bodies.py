"""Reading a request's JSON body into its model."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from hone_gateway.errors import InvalidRequest, MalformedBody, NotJson


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
    return InvalidRequest(
        [{"field": ".".join(map(str, each["loc"])) or "body", "message": each["msg"]} for each in errors]
    )
