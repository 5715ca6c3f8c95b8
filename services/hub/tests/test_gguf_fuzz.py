"""Mutated headers: whatever is done to one, only the hub's own errors come out, and soon."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

from hub_parts import hostile as h
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_hub.errors import GGUFError
from hone_hub.gguf import inspect, read

VALID = h.Header().written()
LONGEST_S = 1.0  # far above what any small file needs, far below a hang


def accepted_or_refused(raw: bytes) -> None:
    started = time.process_time()  # of this process, so that a busy machine does not fail the test
    try:
        read(io.BytesIO(raw), len(raw))
    except GGUFError as error:
        assert error.advice
    assert time.process_time() - started < LONGEST_S


HEADER_BYTES = read(
    io.BytesIO(VALID), len(VALID)
).data_offset  # beyond it lies tensor data, which is not read
positions = st.integers(0, HEADER_BYTES)


@settings(max_examples=800, deadline=None)
@given(edits=st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_give_our_errors_only(edits: list[tuple[int, int]]) -> None:
    raw = bytearray(VALID)
    for position, value in edits:
        raw[position] = value
    accepted_or_refused(bytes(raw))


AWKWARD = [
    0,
    1,
    7,
    255,
    *(1 << power for power in (16, 20, 31, 32, 40, 62, 63)),
    (1 << 31) - 1,
    (1 << 64) - 1,
]


@settings(max_examples=500, deadline=None)
@given(position=positions, number=st.sampled_from(AWKWARD))
def test_awkward_numbers_anywhere_give_our_errors_only(position: int, number: int) -> None:
    accepted_or_refused(VALID[:position] + struct.pack("<Q", number) + VALID[position + 8 :])


@settings(max_examples=300, deadline=None)
@given(start=positions, length=st.integers(1, 300), to=positions, inserted=st.binary(max_size=24))
def test_moved_lost_and_inserted_bytes_give_our_errors_only(
    start: int, length: int, to: int, inserted: bytes
) -> None:
    piece = VALID[start : start + length]
    accepted_or_refused(VALID[:start] + VALID[start + length :])
    accepted_or_refused(VALID[:to] + piece + inserted + VALID[to:])


counts = st.one_of(st.none(), st.sampled_from(AWKWARD))
values = st.one_of(
    st.builds(
        h.u32,
        st.sampled_from(["general.alignment", "llama.block_count", "x", "y"]),
        st.integers(0, (1 << 32) - 1),
    ),
    st.builds(
        h.array,
        st.sampled_from(["tokenizer.ggml.scores", "z"]),
        st.integers(0, 13),
        st.lists(st.binary(max_size=9)),
        counts,
    ),
    st.builds(h.key, st.text(max_size=8), st.integers(0, 14), st.binary(max_size=20)),
)
names = st.one_of(st.sampled_from(list(h.llama_shapes())), st.text(max_size=70))
tensor_entries = st.builds(
    h.tensor,
    names,
    st.lists(st.one_of(st.integers(0, 64), st.sampled_from(AWKWARD)), max_size=5),
    st.one_of(st.integers(0, 200), st.sampled_from(AWKWARD)),
    st.integers(0, 45),
    st.one_of(st.none(), st.integers(0, 6)),
)


@settings(max_examples=300, deadline=None)
@given(
    header=st.builds(
        h.Header,
        keys=st.lists(values, max_size=4).map(lambda extra: [*h.llama_keys(), *extra]),
        tensors=st.one_of(st.none(), st.lists(tensor_entries, max_size=4)),
        key_count=st.one_of(st.none(), st.integers(0, 30)),
        tensor_count=st.one_of(st.none(), st.integers(0, 30)),
    )
)
def test_headers_built_wrong_give_our_errors_only(header: h.Header) -> None:
    accepted_or_refused(header.written())


def test_what_the_reader_accepts_can_always_be_reported(tmp_path: Path) -> None:
    """Every byte of the header in turn; reports of accepted files never fail."""
    path, accepted = tmp_path / "m.gguf", 0
    for position in range(24, HEADER_BYTES, 5):
        raw = bytearray(VALID)
        raw[position] ^= 0x11
        path.write_bytes(raw)
        try:
            report = inspect(path, render=False)
        except GGUFError:
            continue
        accepted += 1
        assert report.model_dump_json()
    assert accepted > 20
