"""The routes file: every text is routes, or faults with their lines; what a type does not say it inherits."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from route_files import HONES_OWN, REGISTERED, STARTER, fault, faults, routes

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    DEFAULT_CLOUD_MODELS,
    MAX_ROUTES_CHARS,
    Budget,
    Route,
    RouteModel,
    TimeLimits,
)
from hone_registry.routes_file import Registered, routes_of
from hone_registry.routes_file.faults import MOST_FAULTS
from hone_registry.routes_file.keys import Value, keys_of_a_route

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "routes.yaml"
DOCUMENTATION = ROOT / "docs" / "routes.md"


def test_the_example_is_two_ollama_models_and_then_gemini_and_the_starter_for_diagrams() -> None:
    table = routes(EXAMPLE.read_text())
    default, diagrams = table["default"], table["mermaid_erd"]
    assert set(table) == {"default", "mermaid_erd"}
    assert [each.model for each in default.local_models] == ["ollama:qwen2.5-coder:7b", "ollama:llama3.1:8b"]
    assert (default.cloud, default.cloud_models) == (True, ("gemini:gemini-2.5-flash",))
    assert default.budget == Budget(deadline_s=600, max_cost_usd=0.5)
    assert (diagrams.model, diagrams.reading, diagrams.cloud) == (STARTER, "passages", False)
    assert (diagrams.attempts_per_model, diagrams.budget) == (1, default.budget)


def test_the_documentation_has_every_key_and_no_other() -> None:
    told = re.findall(r"^\| `([a-z_.]+)` \|", DOCUMENTATION.read_text(), re.M)
    keys = keys_of_a_route(Registered({}))
    there = [f"{key}.{part}" if part else key for key in keys for part in _parts(keys[key])]
    assert sorted(told) == sorted(there)


def _parts(key: Any) -> list[str]:
    return [""] if isinstance(key, Value) else list(key)


def test_every_key_is_read() -> None:
    text = """
    mermaid_erd:
      model: llamacpp:hone-starter
      reading: passages_schema
      fallbacks: [ollama:qwen2.5-coder:7b, {model: openai+http://gpu.local:8000/v1:mine, reading: passages}]
      enabled: no
      threshold: 75
      attempts_per_model: 2
      best_of: 4
      limits: {connect: 500ms, first_token: 1m30s, total: 1h}
      deadline: 1.5h
      budget: {max_tokens: 200_000, max_cost_usd: 0.25}
      temperature: 0.7
      cloud: true
      cloud_models: [anthropic:claude-sonnet-4-5]
    """
    assert routes(text)["mermaid_erd"] == Route(
        artifact_type=ArtifactType.MERMAID_ERD,
        model=STARTER,
        reading="passages_schema",
        fallbacks=(
            RouteModel(model="ollama:qwen2.5-coder:7b"),
            RouteModel(model="openai+http://gpu.local:8000/v1:mine", reading="passages"),
        ),
        enabled=False,
        threshold=75,
        attempts_per_model=2,
        best_of=4,
        limits=TimeLimits(connect_s=0.5, first_token_s=90, total_s=3600),
        budget=Budget(deadline_s=5400, max_tokens=200_000, max_cost_usd=0.25),
        temperature=0.7,
        cloud=True,
        cloud_models=("anthropic:claude-sonnet-4-5",),
    )


def test_the_readme_shows_the_example() -> None:
    shown = re.findall(r"```yaml\n(default:.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(shown) == 1
    assert shown[0] in EXAMPLE.read_text()


def test_what_a_type_does_not_say_it_takes_from_default_key_by_key() -> None:
    table = routes("""
    default:
      model: ollama:a
      threshold: 80
      limits: {connect: 1s, total: 9s}
      budget: {max_tokens: 5, max_cost_usd: 1}
    openapi: {limits: {total: 20s}, budget: {max_cost_usd: null}}
    """)
    assert table["openapi"].model == "ollama:a"
    assert table["openapi"].threshold == 80
    assert table["openapi"].limits == TimeLimits(connect_s=1, first_token_s=60, total_s=20)
    assert table["openapi"].budget == Budget(max_tokens=5, max_cost_usd=None)
    assert table["openapi"].cloud_models == DEFAULT_CLOUD_MODELS


def test_a_default_with_a_model_speaks_for_every_type() -> None:
    assert set(routes("default: {model: ollama:a}")) == {"default"}


def test_without_one_hones_own_routes_stay_and_take_what_default_says() -> None:
    untouched = routes_of("{}", REGISTERED, HONES_OWN)
    assert {key: own.by_user for key, own in untouched.items()} == {"mermaid_erd": False, "sql_ddl": False}
    table = routes_of("default: {threshold: 70}\nopenapi: {model: ollama:a}", REGISTERED, HONES_OWN)
    assert {key: (own.route.model, own.route.threshold) for key, own in table.items()} == {
        "openapi": ("ollama:a", 70),
        "mermaid_erd": (STARTER, 70),
        "sql_ddl": (STARTER, 70),
    }
    assert all(own.by_user for own in table.values())


def test_a_type_that_hone_has_a_model_for_need_not_name_one() -> None:
    assert routes("sql_ddl: {threshold: 10}")["sql_ddl"].model == STARTER
    assert "model is missing" in fault("openapi: {threshold: 10}").reason


def test_a_reading_belongs_to_its_model() -> None:
    table = routes("""
    default: {model: ollama:a, reading: passages_schema}
    openapi: {model: ollama:b}
    mermaid_erd: {model: llamacpp:hone-starter}
    user_stories: {reading: passages}
    """)
    assert [table[key].reading for key in ("openapi", "mermaid_erd", "user_stories")] == [
        "whole", "passages", "passages",
    ]  # fmt: skip


def test_a_model_is_no_fallback_of_itself() -> None:
    text = "default: {model: ollama:a, fallbacks: [ollama:b, ollama:c]}\nopenapi: {model: ollama:b}"
    assert [each.model for each in routes(text)["openapi"].fallbacks] == ["ollama:c"]
    assert "own model" in fault("openapi: {model: ollama:a, fallbacks: [ollama:a]}").reason


def test_a_cloud_model_needs_the_word_that_the_cloud_may_be_used() -> None:
    text = "default:\n  model: ollama:a\n  fallbacks:\n    - gemini:b\nopenapi:\n  cloud: true\n"
    found = fault(text)
    assert (found.line, found.key) == (4, "default.fallbacks")
    assert "cloud: true" in found.reason
    assert fault("openapi: {model: anthropic:claude}").key == "openapi.model"
    # Whether these stay with the team, only the generator knows: its settings say who answers.
    for model in ("openai:gpt-4.1", "openai+http://127.0.0.1:1/v1:x"):
        assert routes(f"openapi: {{model: '{model}'}}")["openapi"].cloud is False
    assert "fallbacks" in fault("openapi: {model: ollama:a, cloud_models: [ollama:b]}").reason


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("mermaid_erd:\n  modle: ollama:a", 2, "mermaid_erd.modle", "did you mean model?"),
        ("mermaid_erdd: {}", 1, "mermaid_erdd", "did you mean mermaid_erd?"),
        ("uml: {}", 1, "uml", "there are default, mermaid_erd"),
        ("sql_ddl:\n\n  threshold: high", 3, "sql_ddl.threshold", "a whole number from 0 to 100"),
        ("sql_ddl: {threshold: 101}", 1, "sql_ddl.threshold", "not from 0 to 100"),
        ("sql_ddl: {threshold: '60'}", 1, "sql_ddl.threshold", "leave the quotes out"),
        ("sql_ddl: {threshold: 1__0, temperature: .nan}", 1, "sql_ddl.temperature", "a number from 0 to 2"),
        ("sql_ddl: {enabled: 1}", 1, "sql_ddl.enabled", "neither true nor false"),
        ("sql_ddl: {deadline: 90}", 1, "sql_ddl.deadline", "write 500ms, 5s, 10m"),
        ("sql_ddl: {deadline: 1:30}", 1, "sql_ddl.deadline", "not a duration"),
        ("sql_ddl: {deadline: 3h}", 1, "sql_ddl.deadline", "not from 1ms to 2h"),
        ("sql_ddl:\n  limits:\n    total: 0s", 3, "sql_ddl.limits.total", "not from 1ms to 1h"),
        ("sql_ddl: {limits: 5s}", 1, "sql_ddl.limits", "connect, first_token, total"),
        ("sql_ddl: {limits: {conect: 5s}}", 1, "sql_ddl.limits.conect", "did you mean connect?"),
        ("sql_ddl: {reading: passage}", 1, "sql_ddl.reading", "did you mean passages?"),
        ("sql_ddl: {model: qwen}", 1, "sql_ddl.model", "write provider:model"),
        ("sql_ddl: {model: olama:qwen}", 1, "sql_ddl.model", "did you mean ollama?"),
        ("sql_ddl: {model: gemini+http://h:1/v1:q}", 1, "sql_ddl.model", "takes no address"),
        ("sql_ddl: {model: llamacpp:mine}", 1, "sql_ddl.model", "not registered; there are: llamacpp:hone"),
        ("sql_ddl: {model: ollama:gone}", 1, "sql_ddl.model", "was removed; `hone hub add` brings it back"),
        ("sql_ddl: {fallbacks: [ollama:gone]}", 1, "sql_ddl.fallbacks[0]", "was removed"),
        ('sql_ddl: {model: "ollama:\\ud83d"}', 1, "sql_ddl.model", "characters"),
        ("sql_ddl: {fallbacks: ollama:a}", 1, "sql_ddl.fallbacks", "write it in [ ]"),
        ("sql_ddl:\n  fallbacks:\n  - ollama:a\n  - a", 4, "sql_ddl.fallbacks[1]", "provider is missing"),
        ("sql_ddl: {fallbacks: [ollama:a, ollama:a]}", 1, "sql_ddl.fallbacks[1]", "twice"),
        ("sql_ddl: {fallbacks: [{model: a}]}", 1, "sql_ddl.fallbacks[0].model", "provider is missing"),
        ("sql_ddl: {fallbacks: [{reading: whole}]}", 1, "sql_ddl.fallbacks[0]", "needs a model"),
        ("sql_ddl: {fallbacks: [{model: ollama:a, read: b}]}", 1, "sql_ddl.fallbacks[0]", "reading"),
        (f"sql_ddl: {{fallbacks: [{'ollama:a, ' * 21}]}}", 1, "sql_ddl.fallbacks", "at most 20"),
        ("sql_ddl:\n  model: ollama:a\n  model: ollama:b", 3, "model", "second time, first in line 2"),
        ("sql_ddl: {}\nsql_ddl: {}", 2, "sql_ddl", "second time"),
        ("sql_ddl:", 1, "sql_ddl", "write {} for none"),
        ("sql_ddl: {model: }", 1, "sql_ddl.model", "missing here"),
        ("sql_ddl:\n  <<: {threshold: 1}", 2, "sql_ddl.<<", "merge keys"),
        ("- sql_ddl", 1, "", "a mapping"),
        ("# nothing yet\n", 1, "", "empty"),
        ("sql_ddl: [", 1, "", "not YAML"),
        ("sql_ddl: {}\n\tmodel: x", 2, "", "not YAML"),
        ("{}\n---\n{}", 2, "", "second document"),
        ("sql_ddl: &a [*a]", 1, "", "names nothing that ends before"),
        ("sql_ddl: !!python/object/apply:os.system [id]", 1, "", "tags"),
        ("sql_ddl: {}\nopenapi: \x07", 2, "", "does not allow"),
        ("? [a]\n: b", 1, "", "a key is a word"),
        ("a: " * 9, 1, "", "not YAML"),
    ],
)
def test_a_fault_has_its_line_its_key_and_what_to_do(text: str, line: int, key: str, said: str) -> None:
    found = next(each for each in faults(text) if each.key == key)
    assert found.line == line
    assert said in found.reason


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "sql_ddl:\n  threshold: a\n  modle: b\nopenapi:\n  model: olama:x\n  fallbacks: [c]\n"
    assert [(each.line, each.key) for each in faults(text)] == [
        (2, "sql_ddl.threshold"), (3, "sql_ddl.modle"), (5, "openapi.model"), (6, "openapi.fallbacks[0]"),
    ]  # fmt: skip


def test_a_file_that_is_too_long_is_not_read() -> None:
    longest = "{}".ljust(MAX_ROUTES_CHARS)
    assert routes(longest)
    assert f"at most {MAX_ROUTES_CHARS}" in fault(longest + " ").reason


def test_an_alias_repeats_what_it_names() -> None:
    table = routes("openapi: &api {model: ollama:a, limits: {total: 5s}}\njson_schema: *api\n")
    assert table["json_schema"].limits == table["openapi"].limits == TimeLimits(total_s=5)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{a: " * 15_000,
        "- " * 30_000,
        "? " * 30_000,
        "a: &" + "b" * 60_000,
        "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(40)),
        "\n".join(f"key{n}: 1" for n in range(5_000)),
        "{" + "default: {}, " * 4_000 + "}",
        "%YAML " + "9" * 5_000 + ".1\n--- {}",
        "sql_ddl: {threshold: " + "9" * 60_000 + "}",
        "sql_ddl: {deadline: " + "1s" * 30_000 + "}",
        "sql_ddl: {model: ollama:" + "x" * 60_000 + "}",
        'a: "\\Uffffffff"',
        "x" * (MAX_ROUTES_CHARS + 1),
        "\ud800: {}",
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.timeout(30)  # without the bounds some of these take hours
def test_hostile_text_is_refused_soon_and_briefly(text: str) -> None:
    found = faults(text)
    assert len(found) <= MOST_FAULTS
    assert max(len(each.key) + len(each.reason) for each in found) < 600
    json.dumps([each.model_dump() for each in found], ensure_ascii=False).encode()
