"""Files that people keep in Git, as the body of a request: YAML, or JSON, which is YAML too."""

import json

from starlette.requests import Request

from hone_gateway.errors import GatewayError, MalformedBody

_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_JSON = "application/json"


async def text_of(request: Request, otherwise: type[GatewayError]) -> str:
    """The file. Raises ``otherwise`` for another media type, MalformedBody, BodyTooLarge."""
    media_type = request.headers.get("content-type", "application/yaml").partition(";")[0].strip().lower()
    if media_type not in _YAML and media_type != _JSON:
        raise otherwise()  # type: ignore[call-arg]  # each says by itself what it is about
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8 (byte {error.start}).") from error
    return _json_as_yaml(text) if media_type == _JSON else text


def _json_as_yaml(text: str) -> str:
    """JSON is YAML but for tabs between its tokens, which change nothing as spaces. (In strings it has none.)"""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(str(error)) from error
    return text.replace("\t", " ")
