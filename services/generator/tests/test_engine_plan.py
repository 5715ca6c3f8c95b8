"""Who is asked, and in which order: from the route alone."""

from pathlib import Path
from typing import Any

import pytest
from played_models import World, route

from hone_chassis import Transient
from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType, Attempt
from hone_contracts.registry import DEFAULT_ROUTE, Route
from hone_generator.engine import metrics
from hone_generator.engine.errors import NoAnswer
from hone_generator.engine.plan import Barred, Candidate, order
from hone_generator.providers.llamacpp import ModelFile
from hone_generator.routing import Router

PROVIDERS = World({}).engine.providers


def planned(chosen: Route, *readings: Any) -> list[tuple[str, str]]:
    """Each model, and how it reads or why it is not asked."""
    steps = order(chosen, PROVIDERS, frozenset(readings or ("whole",)))
    return [(each.model, each.reading if isinstance(each, Candidate) else each.code) for each in steps]


def test_the_routes_own_model_comes_first_then_its_fallbacks_then_the_cloud() -> None:
    chosen = route("a", "b", cloud=True, cloud_models=("cloud:y", "cloud:x"))
    assert [model for model, _ in planned(chosen)] == ["played:a", "played:b", "cloud:y", "cloud:x"]


def test_a_model_that_is_named_twice_is_asked_once_at_its_first_place() -> None:
    own = {"reading": "passages_schema", "cloud": True, "cloud_models": ("cloud:x", "played:a")}
    chosen = route("a", "cloud:x", "a", **own)
    expected = [("played:a", "passages_schema"), ("cloud:x", "whole")]
    assert planned(chosen, "whole", "passages_schema") == expected


@pytest.mark.parametrize(
    ("wanted", "readings", "found"),
    [
        ("whole", ("whole",), "whole"),
        ("passages_schema", ("whole", "passages_schema"), "passages_schema"),
        ("passages_schema", ("whole",), "whole"),
        ("whole", ("passages", "passages_schema"), "passages_schema"),
        ("passages", ("whole", "passages_schema"), "reading_not_possible"),
        ("whole", ("passages",), "reading_not_possible"),
    ],
)
def test_a_model_reads_as_the_type_can_be_made(wanted: str, readings: tuple[str, ...], found: str) -> None:
    assert planned(route("a", reading=wanted), *readings) == [("played:a", found)]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("nowhere:x", "no_provider"),
        ("nonsense", "bad_model"),
        ("cloud:x", "cloud_not_allowed"),
    ],
)
def test_what_cannot_be_asked_stands_in_the_plan_with_its_reason(model: str, code: str) -> None:
    (step,) = order(Route(artifact_type=ArtifactType.OPENAPI, model=model), PROVIDERS)
    assert isinstance(step, Barred) and step.code == code
    assert step.reason


class Table:
    """A routing table as the watcher has it."""

    def __init__(self, *routes: Route) -> None:
        self._routes = {each.artifact_type: each for each in routes}

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        return self._routes.get(artifact_type) or self.resolve_default()

    def resolve_default(self) -> Route | None:
        return self._routes.get(DEFAULT_ROUTE)


OWN = route("a", "b", threshold=70, cloud=False, cloud_models=("cloud:x",))
DEFAULT = OWN.model_copy(update={"artifact_type": DEFAULT_ROUTE, "model": "played:z"})
STORIES = ArtifactType.USER_STORIES


async def test_a_request_that_names_a_model_asks_that_alone_by_the_rules_of_the_route() -> None:
    found = await Router(Table(OWN), {}).resolve(STORIES, "played:c", 10)
    assert [each.model for each in found.local_models] == ["played:c"]
    assert (found.threshold, found.cloud, found.cloud_models) == (70, False, ())


@pytest.mark.parametrize(
    ("model", "chars", "reading"),
    [("ollama:m", 100, "whole"), ("ollama:m", 50_000, "passages_schema"), ("gemini:g", 50_000, "whole")],
)
async def test_a_named_model_with_a_small_context_reads_long_texts_by_passages(
    model: str, chars: int, reading: str
) -> None:
    found = await Router(Table(OWN), {}).resolve(STORIES, model, chars)
    assert found.reading == reading


async def test_a_model_of_the_route_that_is_named_is_read_as_the_route_says() -> None:
    chosen = route("a", reading="passages")
    found = await Router(Table(chosen), {}).resolve(STORIES, "played:a", 10)
    assert found.reading == "passages"


async def test_where_the_files_of_all_models_of_a_route_lie_is_known_to_the_provider(tmp_path: Path) -> None:
    files: dict[str, ModelFile] = {}
    chosen = Route(
        artifact_type=STORIES,
        model="llamacpp:one",
        model_uri="file:///one.gguf",
        fallbacks=({"model": "llamacpp:two", "model_uri": "file:///two.gguf"}, {"model": "ollama:m"}),
    )
    await Router(Table(chosen), files).resolve(STORIES, None, 10)
    assert {name: file.uri for name, file in files.items()} == {
        "one": "file:///one.gguf",
        "two": "file:///two.gguf",
    }


async def test_a_route_that_is_switched_off_is_switched_off_for_named_models_too() -> None:
    off = OWN.model_copy(update={"enabled": False})
    for wanted in (None, "played:c"):
        with pytest.raises(Permanent, match="enabled: true"):
            await Router(Table(off), {}).resolve(STORIES, wanted, 10)


async def test_without_a_routing_table_the_command_comes_again() -> None:
    with pytest.raises(Transient):
        await Router(Table(), {}).resolve(STORIES, None, 10)


async def test_chats_go_by_the_default_route_a_types_route_or_to_a_model() -> None:
    router = Router(Table(OWN, DEFAULT), {})
    assert (await router.resolve_chat("default")).model == "played:z"
    assert (await router.resolve_chat("hone/user_stories")).model == "played:a"
    named = await router.resolve_chat("played:q")
    assert [each.model for each in named.local_models] == ["played:q"]
    with pytest.raises(Permanent) as refused:
        await router.resolve_chat("hone/haiku")
    assert refused.value.status == 404
    with pytest.raises(Permanent):
        await router.resolve_chat("gpt-4o")


def test_a_failure_of_one_kind_has_its_code_and_one_line_for_a_person() -> None:
    attempts = [
        Attempt(
            model="played:a", prompt_version="x", outcome="failed", error="line one\nline two", error_code="timeout"
        ),
        Attempt(model="played:a", prompt_version="x", outcome="failed", error="x" * 5000, error_code="timeout"),
    ]  # fmt: skip
    body = NoAnswer(attempts).body()
    assert (body.code, body.status, body.transient) == ("timeout", 502, False)
    assert "\n" not in body.detail and len(body.detail) <= 1200
    assert "hone routes" in NoAnswer([]).body().detail


def test_requests_that_name_ever_new_models_make_no_endless_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_labels", set())
    names = {metrics.label(f"invented:{number}") for number in range(5000)}
    assert len(names) <= 201 and "other" in names
    assert metrics.label("x" * 400) == "other"
