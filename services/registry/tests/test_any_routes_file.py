"""Any text is routes or faults: files that are written at random, and what they must mean."""

import json
import re
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from route_files import STARTER, faults, routes

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    Budget,
    Route,
    RouteModel,
    TimeLimits,
)
from hone_registry.routes_file import BadRoutes

_YAMLISH = st.text(st.sampled_from("default:openapi{}[]&*!|>-?,#'\"\\%@ \n\t~0159.<\x00é\u2028"), max_size=60)
_PIECES = st.sampled_from(
    [
        "default", "openapi", "model", "limits", "total", "fallbacks", ": ", ":\n  ", "\n", "\n    ", "- ", "[",
        "]", "{", "}", ", ", "ollama:a", "5s", "60", "&a ", "*a", "'", '"', "#", "|", ">-", "!!str ", "<<", "null",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), _YAMLISH, st.lists(_PIECES, max_size=25).map("".join)))
def test_any_text_is_routes_or_faults_with_lines(text: str) -> None:
    try:
        table = routes(text)
    except BadRoutes as refused:
        lines = len(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))
        assert refused.faults
        assert all(1 <= each.line <= lines for each in refused.faults)
    else:
        for key, route in table.items():
            assert route.artifact_type == key
            assert Route.model_validate_json(route.model_dump_json()) == route


_MODELS = st.sampled_from(["ollama:a", "ollama+http://h:11434:b:7b", "openai+http://h:1/v1:m", STARTER])
_READINGS = st.sampled_from(["whole", "passages", "passages_schema"])
_SECONDS = st.integers(1, 600)


def _written(keys: dict[str, Any]) -> dict[str, Any]:
    """As the file has it: durations with their unit."""
    durations = {"connect", "first_token", "total", "deadline"}
    return {
        key: _written(value) if isinstance(value, dict) else f"{value}s" if key in durations else value
        for key, value in keys.items()
    }


_ROUTE = st.fixed_dictionaries(
    {"model": _MODELS},
    optional={
        "reading": _READINGS,
        "fallbacks": st.lists(st.sampled_from(["ollama:c", "ollama:d"]), unique=True),
        "enabled": st.booleans(),
        "threshold": st.integers(0, 100),
        "attempts_per_model": st.integers(1, 10),
        "best_of": st.integers(1, 10),
        "temperature": st.sampled_from([0, 0.5, 2]),
        "limits": st.fixed_dictionaries(
            {}, optional={"connect": _SECONDS, "first_token": _SECONDS, "total": _SECONDS}
        ),
        "deadline": _SECONDS,
        "budget": st.fixed_dictionaries(
            {},
            optional={
                "max_tokens": st.none() | st.integers(1, 10**9),
                "max_cost_usd": st.none() | st.integers(0, 9),
            },
        ),
        "cloud": st.booleans(),
        "cloud_models": st.lists(st.sampled_from(["gemini:x", "openai:y"]), unique=True),
    },
)
_FILES = st.dictionaries(st.sampled_from([each.value for each in ArtifactType]), _ROUTE, max_size=4)


def _expected(key: str, default: dict[str, Any], entry: dict[str, Any]) -> Route:
    """The route, made the plain way."""
    both = default | entry
    limits = default.get("limits", {}) | entry.get("limits", {})
    budget = default.get("budget", {}) | entry.get("budget", {})
    if "deadline" in both:
        budget["deadline_s"] = both["deadline"]
    plain = {
        name: both[name]
        for name in (
            "enabled",
            "threshold",
            "attempts_per_model",
            "best_of",
            "temperature",
            "cloud",
            "cloud_models",
        )
        if name in both
    }
    return Route(
        artifact_type=key,
        model=both["model"],
        reading=entry.get("reading", "passages" if both["model"] == STARTER else "whole"),
        fallbacks=tuple(RouteModel(model=name) for name in both.get("fallbacks", ())),
        limits=TimeLimits(**{f"{name}_s": value for name, value in limits.items()}),
        budget=Budget(**budget),
        **plain,
    )


@settings(max_examples=150, deadline=None)
@given(default=_ROUTE, files=_FILES, flow=st.booleans(), as_json=st.booleans())
def test_what_is_written_is_what_the_routes_say(
    default: dict[str, Any], files: dict[str, dict[str, Any]], flow: bool, as_json: bool
) -> None:
    document = {key: _written(entry) for key, entry in {**files, "default": default}.items()}
    text = json.dumps(document) if as_json else yaml.safe_dump(document, default_flow_style=flow)
    table = routes(text)
    assert table.pop("default") == _expected("default", {}, default)
    assert table == {key: _expected(key, default, entry) for key, entry in files.items()}


@settings(max_examples=100, deadline=None)
@given(files=_FILES.filter(bool), data=st.data())
def test_one_wrong_line_is_found_where_it_stands_and_refuses_the_whole(
    files: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    lines = yaml.safe_dump({key: _written(entry) for key, entry in files.items()}).splitlines()
    places = [place for place, line in enumerate(lines) if not line.startswith((" ", "-"))]
    place = data.draw(st.sampled_from(places)) + 1
    lines.insert(place, "  " + data.draw(st.sampled_from(["nonsense: 1", "attempts: 3", "timeout: 5s"])))
    [found] = faults("\n".join(lines))
    assert found.line == place + 1
