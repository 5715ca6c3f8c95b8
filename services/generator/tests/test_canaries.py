"""Which jobs meet a canary: a share of them, the same ones each time, and more of them when the share grows."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.artifacts import ArtifactType
from hone_contracts.ids import new_id
from hone_contracts.registry import CanaryVersion, Route, RouteModel
from hone_generator.canaries import champions, chosen, falls_to
from hone_generator.providers.llamacpp import ModelFile
from hone_generator.routing import Router

ERD = ArtifactType.MERMAID_ERD
shares = st.floats(0.001, 1.0)
jobs = st.builds(lambda: new_id("job"))


def route(share: float = 0.1, **more: Any) -> Route:
    canary = CanaryVersion(version=2, served_by="played:m2", model_sha256="22", share=share)
    return Route(artifact_type=ERD, model="played:m", model_sha256="11", canary=canary, **more)


def versions(found: Route) -> list[tuple[str, int]]:
    return [(each.model, each.version) for each in found.local_models]


@given(shares, shares, st.lists(jobs, min_size=1, max_size=50))
def test_a_job_that_meets_a_canary_still_meets_it_when_the_share_grows(
    one: float, other: float, ids: list[str]
) -> None:
    smaller, larger = (route(share).canary for share in sorted((one, other)))
    assert smaller is not None and larger is not None
    for job in ids:
        assert falls_to(larger, "played:m", job) or not falls_to(smaller, "played:m", job)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_kept_over_many_jobs(share: float) -> None:
    canary = route(share).canary
    assert canary is not None
    met = sum(falls_to(canary, "played:m", f"job_{number:026d}") for number in range(20_000))
    # Four standard deviations: the ids are the same in each run.
    assert abs(met - share * 20_000) < 4 * (20_000 * share * (1 - share)) ** 0.5


def test_two_canaries_have_not_the_same_jobs() -> None:
    second, third = (CanaryVersion(version=number, share=0.5) for number in (2, 3))
    ids = [f"job_{number:026d}" for number in range(2_000)]
    both = sum(falls_to(second, "m", job) and falls_to(third, "m", job) for job in ids)
    assert 400 < both < 600


@given(shares, jobs)
def test_a_job_is_answered_by_one_version_and_the_champion_stands_by(share: float, job: str) -> None:
    found, again = chosen(route(share), job), chosen(route(share), job)
    assert found == again  # a job that is delivered again takes the same one
    assert versions(found) in ([("played:m", 1)], [("played:m", 2), ("played:m", 1)])
    assert all(each.canary is None for each in found.local_models)


def test_with_the_whole_share_every_job_meets_it() -> None:
    assert all(versions(chosen(route(1.0), new_id("job")))[0] == ("played:m", 2) for _ in range(50))


def test_a_fallback_has_its_canary_too() -> None:
    canary = CanaryVersion(version=5, served_by="played:f5", share=1.0)
    with_fallback = Route(
        artifact_type=ERD,
        model="played:m",
        fallbacks=(RouteModel(model="played:f", version=4, canary=canary), RouteModel(model="played:g")),
    )
    found = versions(chosen(with_fallback, new_id("job")))
    assert found == [("played:m", 1), ("played:f", 5), ("played:f", 4), ("played:g", 1)]
    assert versions(champions(with_fallback)) == [("played:m", 1), ("played:f", 4), ("played:g", 1)]


def test_a_route_without_canaries_is_left_as_it_is() -> None:
    plain = Route(artifact_type=ERD, model="played:m", fallbacks=({"model": "played:f"},))
    assert chosen(plain, "job_x") is plain and champions(plain) is plain


class Table:
    def __init__(self, only: Route) -> None:
        self._only = only

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        return self._only

    def resolve_default(self) -> Route | None:
        return self._only


async def test_who_names_the_model_gets_its_champion_and_so_does_a_chat() -> None:
    router = Router(Table(route(1.0)), {})
    assert versions(await router.resolve(ERD, None, 10, new_id("job"))) == [("played:m", 2), ("played:m", 1)]
    assert versions(await router.resolve(ERD, "played:m", 10, new_id("job"))) == [("played:m", 1)]
    for named in ("default", "hone/mermaid_erd", "played:m"):
        assert versions(await router.resolve_chat(named)) == [("played:m", 1)]


@settings(max_examples=30)
@given(st.lists(jobs, min_size=2, max_size=20))
def test_identical_requests_share_their_work_only_within_one_version(ids: list[str]) -> None:
    """What they share is found by the route: it is one for all of a version, and another for the other."""
    found = [chosen(route(0.5), job).model_dump_json() for job in ids]
    assert len(set(found)) == len({falls_to(route(0.5).canary, "played:m", job) for job in ids})  # type: ignore[arg-type]


async def test_both_versions_of_a_model_in_this_process_have_a_name_and_a_file(tmp_path: Path) -> None:
    files: dict[str, ModelFile] = {}
    canary = CanaryVersion(version=2, model_uri="file:///two.gguf", share=1.0)
    own = Route(artifact_type=ERD, model="llamacpp:starter", model_uri="file:///one.gguf", canary=canary)
    router = Router(Table(own), files)
    found = await router.resolve(ERD, None, 10, new_id("job"))
    assert [each.served_by for each in found.local_models] == ["llamacpp:starter@2", "llamacpp:starter"]
    assert router.served() == {"llamacpp:starter@2"}
    assert {name: file.uri for name, file in files.items()} == {
        "starter": "file:///one.gguf",
        "starter@2": "file:///two.gguf",
    }


async def test_a_version_with_a_name_of_its_own_is_registered_under_it() -> None:
    files: dict[str, ModelFile] = {}
    own = Route(
        artifact_type=ERD,
        model="llamacpp:starter",
        served_by="llamacpp:starter-v3",
        model_uri="file:///three.gguf",
        fallbacks=(RouteModel(model="llamacpp:b", served_by="ollama:b-v2", model_uri="file:///b.gguf"),),
    )
    router = Router(Table(own), files)
    await router.resolve(ERD, None, 10, new_id("job"))
    assert set(files) == {"starter-v3"}
    assert router.served() == {"llamacpp:starter-v3", "ollama:b-v2"}


async def test_a_model_that_is_its_own_version_can_be_chatted_with() -> None:
    own = Route(artifact_type=ERD, model="ollama:m", served_by="ollama:m")
    router = Router(Table(own), {})
    await router.resolve(ERD, None, 10, new_id("job"))
    assert not router.served()
