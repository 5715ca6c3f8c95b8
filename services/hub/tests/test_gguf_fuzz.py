"""Mutated headers: whatever is done to one, only the hub's own errors come out, and soon."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import pytest
from hub_parts import hostile as h
from hub_parts.mutations import MOST_GROWTH_BYTES, Fuzzing, corpus, resident_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_hub import worker_process
from hone_hub.errors import GGUFError
from hone_hub.gguf import inspect, read
from hone_hub.refusals import Refused
from hone_hub.work import ProveWork

VALID = h.Header().written()
LONGEST_S = 1.0  # far above what any small file needs, far below a hang


@pytest.mark.slow
def test_ten_thousand_mutated_files_are_read_or_refused_in_time_and_in_bounded_memory(tmp_path: Path) -> None:
    fuzzing, before = Fuzzing(corpus(), 20261126, tmp_path), resident_bytes()
    for number in range(10_000):
        fuzzing.one(number)
    assert resident_bytes() - before < MOST_GROWTH_BYTES
    kinds = fuzzing.outcomes
    assert min(kinds[kind] for kind in ("sound", "unsound", "CorruptGGUF", "TruncatedGGUF")) > 100, kinds


@pytest.mark.slow
async def test_what_the_reader_finds_sound_is_loaded_by_the_engine_or_refused_and_never_hangs(
    tmp_path: Path,
) -> None:
    """In a process of its own, as always: whatever the engine does there, the service gets an answer."""
    fuzzing, number = Fuzzing(corpus()[:1], 7, tmp_path), 0
    while len(fuzzing.accepted) < 12:
        fuzzing.one(number)
        number += 1
    for raw in fuzzing.accepted:
        path = tmp_path / "sound.gguf"
        path.write_bytes(raw)
        work = ProveWork(
            path=path, context_tokens=64, threads=1, questions=("hi",), max_tokens=4, conversations=()
        )
        try:
            await worker_process.run_within(60, work)
        except Refused as refused:
            assert refused.body().code in ("load_failed", "worker_died"), refused.body()


def test_every_architecture_of_the_corpus_is_sound_before_it_is_changed(tmp_path: Path) -> None:
    for raw in corpus():
        (tmp_path / "m.gguf").write_bytes(raw)
        report = inspect(tmp_path / "m.gguf", render=False)
        assert report.ok, (report.architecture, report.problems)


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
