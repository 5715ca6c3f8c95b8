"""Server-sent events: the same events however the network cuts them, and never more memory than was allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.providers.errors import BadProviderAnswer
from hone_generator.providers.sse import Event, SseParser

LIMIT = 10_000
ENDS = ("\n", "\r", "\r\n")


def parsed(*pieces: bytes, limit: int = LIMIT) -> list[Event]:
    parser = SseParser("openai", limit)
    events = [event for piece in pieces for event in parser.feed(piece)]
    last = parser.close()
    return events + ([last] if last else [])


def message(*lines: str) -> Event:
    return Event("message", "\n".join(lines))


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [message("one"), message("two")]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [message("one"), message("two")]),
        (b"data: one\r\rdata: two\r\r", [message("one"), message("two")]),
        (b"data: first\ndata: second\n\n", [message("first", "second")]),
        (b"data:no space\n\ndata:  two spaces\n\n", [message("no space"), message(" two spaces")]),
        (b"\xef\xbb\xbfdata: after a mark\n\n", [message("after a mark")]),
        (b": keep-alive\n\n:\n\ndata: here\n\n", [message("here")]),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [Event("ping", "{}"), message("x")]),
        (b"event: ping\n\ndata: x\n\n", [message("x")]),
        (b"id: 7\nretry: 100\nunknown: z\ndata: x\n\n", [message("x")]),
        (b"data: [DONE]\n\n", [message("[DONE]")]),
        (b"data\n\n", [message("")]),
        (b'error: {"code": 500}\n\n', [Event("error", '{"code": 500}')]),
        (b"data: a: b\n\n", [message("a: b")]),
        (b"data: \xf0\x9f\x90\x9d\n\n", ["\U0001f41d"]),
        (b"data: \xff\n\n", [message("�")]),
        (b"data: only the empty line is missing\n", [message("only the empty line is missing")]),
        (b"data: cut in the li", []),
        (b"", []),
        (b"\n\n\n", []),
    ],
)
def test_streams_as_servers_write_them(stream: bytes, events: list[Event | str]) -> None:
    wanted = [message(event) if isinstance(event, str) else event for event in events]
    assert parsed(stream) == wanted


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines that mean something and lines that do not, with every kind of line end, mixed."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
    line = st.one_of(
        st.builds("data: {}".format, text),
        st.builds("data:{}".format, text),
        st.builds("event: {}".format, text),
        st.builds(": {}".format, text),
        st.just(""),
        text,
    )
    lines = draw(st.lists(st.tuples(line, st.sampled_from(ENDS)), max_size=20))
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + "".join(text + end for text, end in lines).encode() + draw(st.binary(max_size=5))


@given(streams(), st.data())
def test_where_the_stream_is_cut_changes_nothing(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = parsed(stream)
    assert parsed(*pieces) == whole
    assert parsed(*(stream[i : i + 1] for i in range(len(stream)))) == whole


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1)))
def test_what_was_sent_is_what_arrives(sent: list[list[str]]) -> None:
    stream = "".join("".join(f"data: {line}\r\n" for line in lines) + "\r\n" for lines in sent)
    assert parsed(stream.encode(), limit=10**9) == [message(*lines) for lines in sent]


@given(st.binary(max_size=200))
def test_nothing_that_a_server_sends_breaks_it(stream: bytes) -> None:
    assert all(isinstance(event, Event) for event in parsed(stream))


@pytest.mark.parametrize(
    "piece",
    [b"data: " + b"x" * 400, b"data: xxxxxxx\n" * 40, b"x" * 100, b"event: xxxxxxx\n" * 40],
    ids=["one long line", "many lines", "a line without end", "no data at all"],
)
def test_an_event_beyond_the_limit_is_refused_while_it_comes(piece: bytes) -> None:
    parser = SseParser("openai", 300)
    with pytest.raises(BadProviderAnswer, match="more than 300 bytes"):
        for _ in range(10):
            parser.feed(piece)


def test_keep_alives_and_events_that_ended_do_not_count() -> None:
    parser = SseParser("openai", 100)
    for _ in range(50):
        assert parser.feed(b": keep-alive\n" * 20) == []
        assert parser.feed(b"data: " + b"x" * 60 + b"\n\n") == [message("x" * 60)]
