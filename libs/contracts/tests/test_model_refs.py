"""Model references: what users write, and back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hone_contracts.models import InvalidModelRef, ModelRef


@pytest.mark.parametrize(
    ("text", "provider", "name", "tag", "base_url"),
    [
        ("ollama:qwen2.5-coder:7b", "ollama", "qwen2.5-coder:7b", "7b", None),
        ("llamacpp:hone-starter", "llamacpp", "hone-starter", None, None),
        ("gemini:gemini-2.0-flash", "gemini", "gemini-2.0-flash", None, None),
        ("openai:ft:gpt-4.1:org::id", "openai", "ft:gpt-4.1:org::id", "id", None),
        ("ollama:hf.co/org/repo:Q4_K_M", "ollama", "hf.co/org/repo:Q4_K_M", "Q4_K_M", None),
        ("openai+http://host:8000/v1:qwen", "openai", "qwen", None, "http://host:8000/v1"),
        ("openai+http://host:8000:qwen:7b", "openai", "qwen:7b", "7b", "http://host:8000"),
        ("openai+https://[::1]:8000/v1:org/m", "openai", "org/m", None, "https://[::1]:8000/v1"),
        ("openai+http://host/v1:123", "openai", "123", None, "http://host/v1"),
    ],
)
def test_references_are_read_as_users_write_them(
    text: str, provider: str, name: str, tag: str | None, base_url: str | None
) -> None:
    ref = ModelRef.parse(text)
    assert (ref.provider, ref.name, ref.tag, ref.base_url) == (provider, name, tag, base_url)
    assert str(ref) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ollama",
        "ollama:",
        ":qwen",
        "ollama::7b",
        "Ollama:qwen",
        "ollama:two words",
        "ollama:qwen\n",
        "openai+http://host:8000/v1",
        "openai+http://host:8000",  # a port, and no model
        "openai+http://host:model",
        "openai+ftp://host/v1:m",
        "openai+http://user:secret@host/v1:m",
        "openai+http://host/v1?key=secret:m",
        "ollama:" + "x" * 600,
    ],
)
def test_what_names_no_model_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidModelRef, match="write provider:model"):
        ModelRef.parse(text)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(InvalidModelRef) as caught:
        ModelRef.parse("openai+http://user:secret@host/v1:m")
    assert "secret" not in str(caught.value)


_WORD = st.text(alphabet="abcxyz019.-_/:", min_size=1, max_size=12)
_ADDRESS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["host", "10.0.0.1", "[::1]", "a-b.example"]),
    st.sampled_from(["", ":1", ":8000", ":65535"]),
    st.sampled_from(["", "/", "/v1", "/a/b.c/v1"]),
)


@given(st.sampled_from(["ollama", "llamacpp", "openai", "a1_b-c"]), _WORD, st.none() | _ADDRESS)
def test_every_valid_reference_survives_the_way_through_text(
    provider: str, name: str, base_url: str | None
) -> None:
    try:
        ref = ModelRef(provider, name, base_url)
    except InvalidModelRef:
        return
    assert ModelRef.parse(str(ref)) == ref


@given(st.text(alphabet="ao:+/htps. 0[]@\n\u00e9", max_size=40) | st.text(max_size=40))
@example("openai+http://h:80:80:m")
def test_any_text_is_a_reference_that_prints_itself_or_is_refused(text: str) -> None:
    try:
        ref = ModelRef.parse(text)
    except InvalidModelRef:
        return
    assert str(ref) == text
