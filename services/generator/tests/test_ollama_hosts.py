"""OLLAMA_HOST is read as Ollama itself reads it."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.providers.ollama_hosts import InvalidOllamaHost, parse_host, parse_hosts


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("   ", "http://127.0.0.1:11434"),
        ("gpu", "http://gpu:11434"),
        ("gpu:8080", "http://gpu:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5000", "http://127.0.0.1:5000"),
        ('"gpu:8080"', "http://gpu:8080"),
        ("http://gpu", "http://gpu:80"),
        ("https://gpu", "https://gpu:443"),
        ("https://gpu:8443/ollama/", "https://gpu:8443/ollama"),
        ("gpu/ollama", "http://gpu:11434/ollama"),
        ("gpu:66000", "http://gpu:11434"),
        ("gpu:no", "http://gpu:11434"),
        ("https://gpu:-1", "https://gpu:443"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("::", "http://[::1]:11434"),
    ],
)
def test_a_host_is_read_as_ollama_reads_it(text: str, url: str) -> None:
    assert parse_host(text) == url


@pytest.mark.parametrize(
    "text",
    ["ftp://gpu", "http://me:secret@gpu", "gpu box", "gpu?x=1", "gpu#x", "a::b::c::zz", "gpu/a b", "-gpu"],
)
def test_what_is_no_address_is_refused_and_shows_no_password(text: str) -> None:
    with pytest.raises(InvalidOllamaHost) as refusal:
        parse_host(text)
    assert "secret" not in str(refusal.value)
    assert "127.0.0.1:11434" in str(refusal.value)


def test_several_hosts_are_separated_by_commas_and_each_counts_once() -> None:
    assert parse_hosts("gpu, 127.0.0.1:11434,,0.0.0.0") == ("http://gpu:11434", "http://127.0.0.1:11434")
    assert parse_hosts(" , ") == ("http://127.0.0.1:11434",)


@given(st.text(st.sampled_from("abz019.:/[]@%? -_\"'\u00e9https"), max_size=30) | st.text(max_size=20))
def test_every_text_is_an_address_that_httpx_takes_or_is_refused(text: str) -> None:
    try:
        url = parse_host(text)
    except InvalidOllamaHost:
        return
    assert parse_host(url) == url
    assert httpx.URL(url).host
    assert not httpx.URL(url).userinfo
