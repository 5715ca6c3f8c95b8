"""Routes and providers as hypothesis draws them, for what the engine promises whatever they do."""

from typing import Any

from hypothesis import strategies as st
from played_models import Step, route

from hone_contracts.registry import Budget, CanaryVersion, PromptVersion, Route, Turn
from hone_generator.artifacts.kind import Brief
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.providers.base import FinishReason, Usage
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    GenerationTimeout,
    ModelLoadFailed,
    ModelNotFound,
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    StreamBroken,
)

MODELS = ("a", "b", "c")
CLOUD = ("x", "y")
VERSION = "v"
DEADLINES = (0.05, 1.0, 20.0, 600.0)

waits = st.sampled_from([0.0, 0.01, 0.3, 4.0, 60.0, 5000.0])
errors: st.SearchStrategy[ProviderError] = st.one_of(
    st.builds(RateLimited, st.just("played"), st.sampled_from([None, 0.0, 0.5, 3.0, 9.0, 500.0])),
    st.sampled_from(
        [
            ProviderUnavailable("played", "refused"),
            StreamBroken("played", "cut"),
            BadProviderAnswer("played", "garbage"),
            GenerationTimeout("m", 5),
            ModelNotFound("m"),
            ModelLoadFailed("m", "broken"),
            ContextTooLong("m", 9, 8),
            RequestRefused("m", "a parameter"),
            NotAuthorised("played", "KEY", "refused"),
        ]
    ),
)
texts = st.one_of(
    st.integers(0, 100).map(str), st.sampled_from(["", "no", "I am sorry", "{", "9" * 200_000, "\x00\ud800"])
)
steps = st.builds(
    Step,
    text=texts,
    error=st.one_of(st.none(), st.none(), errors),
    first_s=waits,
    middle_s=st.one_of(st.just(0.0), waits),
    stops_in_s=st.sampled_from([0.0, 0.0, 0.2, 30.0]),
    finish=st.sampled_from([FinishReason.STOP] * 4 + [FinishReason.LENGTH, FinishReason.REFUSED]),
    usage=st.sampled_from([None, Usage(10, 5), Usage(400, 900)]),
)
plays = st.fixed_dictionaries(
    {name: st.lists(steps, min_size=1, max_size=6) for name in (*MODELS, VERSION, *CLOUD)}
)
prompts = st.builds(
    PromptVersion,
    reading=st.sampled_from(["whole", "whole", "passages_schema", "passages"]),
    system=st.sampled_from([whole_messages("question 0", Brief(""))[0].content, "of old"]),
    turns=st.just((Turn(role="user", content="x"), Turn(role="assistant", content="50"))),
    baked=st.booleans(),
)
versions = st.fixed_dictionaries(
    {},
    optional={
        "version": st.integers(1, 3),
        "served_by": st.sampled_from([None, f"played:{VERSION}", "nowhere:v", "nonsense"]),
        "prompt": st.one_of(st.none(), prompts),
    },
)
canaries = st.builds(
    lambda fields: CanaryVersion(**({"version": 4, "share": 1.0} | fields | {"version": 4})), versions
)

versioned: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), versions, st.builds(lambda canary, own: own | {"canary": canary}, canaries, versions)
)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    named = draw(
        st.lists(st.sampled_from([*MODELS, "cloud:x", "nowhere:z"]), min_size=1, max_size=4, unique=True)
    )
    return route(
        *named,
        cloud=draw(st.booleans()),
        cloud_models=tuple(draw(st.lists(st.sampled_from(["cloud:x", "cloud:y"]), unique=True))),
        threshold=draw(st.sampled_from([0, 30, 60, 100])),
        attempts_per_model=draw(st.integers(1, 5)),
        best_of=draw(st.sampled_from([1, 1, 1, 2, 4])),
        temperature=draw(st.sampled_from([0.0, 0.8])),
        reading=draw(st.sampled_from(["whole", "whole", "passages_schema", "passages"])),
        budget=Budget(
            deadline_s=draw(st.sampled_from(DEADLINES)),
            max_tokens=draw(st.sampled_from([None, None, 300, 5000])),
            max_cost_usd=draw(st.sampled_from([None, None, 0.0, 0.02])),
        ),
        **(draw(versioned) if ":" not in named[0] else {}),
    )


def price(_model: object, read: int, written: int) -> float:
    return (read + written) / 100_000
