"""What the framework refuses by itself, as problem documents."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hone_gateway.http.bodies import invalid
from hone_gateway.http.problems import plain_problem, problem_of

_WHAT_TO_DO = {
    404: "There is nothing under this path; /openapi.json lists what there is.",
    405: "The path exists, but not with this method; /openapi.json lists what there is.",
}


def register(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _WHAT_TO_DO.get(error.status_code, error.detail)
    return plain_problem(error.status_code, detail, request.url.path, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    response = problem_of(invalid(list(error.errors())), request.scope)
    assert response is not None
    return response
