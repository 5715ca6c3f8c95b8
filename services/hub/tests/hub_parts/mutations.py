"""GGUF files changed where it hurts: by bytes, by numbers, by pieces, and by what their structure means.

``python -m hub_parts.mutations --seconds 600`` goes on for long; see `make fuzz`.
"""

from __future__ import annotations

import argparse
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from hone_hub.errors import GGUFError
from hone_hub.gguf import inspect
from hone_hub.gguf.hyperparameters import Hyperparameters
from hone_hub.gguf.tensors import KINDS, expected_tensors
from hub_parts import hostile as h

LONGEST_S = 2.0
"""Of this process's own time, for a file of some kilobytes: far above what it needs, far below a hang."""
MOST_GROWTH_BYTES = 150 << 20
_AWKWARD = [
    *(0, 1, 2, 7, 31, 255, (1 << 31) - 1, (1 << 64) - 1),
    *(1 << power for power in (15, 16, 20, 31, 32, 40, 62, 63)),
]
_HEADER_BYTES = 200_000


class TooSlow(AssertionError):
    """A file took longer than any should."""


def corpus() -> list[bytes]:
    """A sound file of each architecture that the checks know, and one with SentencePiece's kind of vocabulary."""
    scores = h.array(
        "tokenizer.ggml.scores", h.FLOAT32, [struct.pack("<f", -at) for at in range(len(h.TOKENS))]
    )
    return [*(of_architecture(name) for name in KINDS), of_architecture("llama", scores)]


def of_architecture(name: str, *more: bytes) -> bytes:
    """Zeros for weights; the keys are Llama's under another name."""
    keys = [key.replace(b"llama.", f"{name}.".encode()) for key in h.llama_keys()]
    keys = [h.string("general.architecture", name), *(_resized(key, name) for key in keys[1:]), *more]
    numbers = Hyperparameters(
        layers=h.LAYERS, width=h.WIDTH, context=64, ffn=(h.FFN,), heads=(h.HEADS,), kv_heads=(h.HEADS,),
        key_length=h.WIDTH // h.HEADS, value_length=h.WIDTH // h.HEADS, vocabulary=len(h.TOKENS), experts=0,
    )  # fmt: skip
    shapes = {tensor: list(shape) for tensor, shape in expected_tensors(KINDS[name], numbers)}
    tensors, data_bytes = h.laid_out(shapes)
    return h.Header(keys=keys, tensors=tensors, data=b"\0" * data_bytes).written()


def _resized(key: bytes, name: str) -> bytes:
    """A key whose name got longer or shorter says so."""
    (length,) = struct.unpack_from("<Q", key)
    grown = len(name) - len("llama") if key[8:].startswith(f"{name}.".encode()) else 0
    return struct.pack("<Q", length + grown) + key[8:]


def mutated(files: Sequence[bytes], chance: Random) -> bytes:
    raw = bytearray(chance.choice(files))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if raw:
            chance.choice(_CHANGES)(raw, chance)
    return bytes(raw)


def _at(raw: bytearray, chance: Random) -> int:
    """Early places are where counts and types are."""
    end = min(len(raw), _HEADER_BYTES)
    return chance.randrange(min(end, 64)) if chance.random() < 0.2 else chance.randrange(end)


def _byte(raw: bytearray, chance: Random) -> None:
    raw[_at(raw, chance)] = chance.randrange(256)


def _bit(raw: bytearray, chance: Random) -> None:
    raw[_at(raw, chance)] ^= 1 << chance.randrange(8)


def _number(raw: bytearray, chance: Random) -> None:
    at = _at(raw, chance)
    form = chance.choice(("<Q", "<I"))
    packed = struct.pack(form, chance.choice(_AWKWARD) & (2 ** (8 * struct.calcsize(form)) - 1))
    raw[at : at + len(packed)] = packed


def _cut(raw: bytearray, chance: Random) -> None:
    del raw[_at(raw, chance) :]


def _lost(raw: bytearray, chance: Random) -> None:
    at = _at(raw, chance)
    del raw[at : at + chance.randrange(1, 200)]


def _doubled(raw: bytearray, chance: Random) -> None:
    at = _at(raw, chance)
    raw[at:at] = raw[at : at + chance.randrange(1, 300)]


def _swapped(raw: bytearray, chance: Random) -> None:
    one, other, length = _at(raw, chance), _at(raw, chance), chance.choice((1, 4, 8, 40))
    raw[one : one + length], raw[other : other + length] = (
        raw[other : other + length],
        raw[one : one + length],
    )


def _longer(raw: bytearray, chance: Random) -> None:
    raw += bytes(chance.randrange(256) for _ in range(chance.randrange(1, 100)))


def _renamed(raw: bytearray, chance: Random) -> None:
    """One key or tensor gets the name of another of equal length: doubles, and values of other types."""
    names = [
        *(b"general.architecture", b"general.alignment", b"llama.block_count", b"llama.context_length"),
        *(b"tokenizer.ggml.tokens", b"tokenizer.ggml.scores", b"blk.0.attn_q.weight", b"blk.1.attn_q.weight"),
    ]
    old, new = chance.choice(names), chance.choice(names)
    at = raw.find(old)
    if at >= 0:
        raw[at : at + len(old)] = new[: len(old)].ljust(len(old), b"x")


_CHANGES: list[Callable[[bytearray, Random], None]] = [
    _byte, _bit, _number, _number, _cut, _lost, _doubled, _swapped, _longer, _renamed,
]  # fmt: skip


class Fuzzing:
    """Feeds mutated files to the reader. ``accepted`` keeps some that were found sound."""

    def __init__(self, files: Sequence[bytes], seed: int, folder: Path) -> None:
        self._files, self._seed, self._path = files, seed, folder / "mutated.gguf"
        self.outcomes: Counter[str] = Counter()
        self.accepted: list[bytes] = []

    def one(self, number: int) -> None:
        """Raises whatever is not the hub's own refusal."""
        raw = mutated(self._files, Random(f"{self._seed}-{number}"))
        self._path.write_bytes(raw)
        started = time.process_time()
        try:
            report = inspect(self._path, render=False)
        except GGUFError as error:
            assert error.advice and "\n" not in str(error)
            self.outcomes[type(error).__name__] += 1
        else:
            assert report.model_dump_json()
            self.outcomes["sound" if report.ok else "unsound"] += 1
            if report.ok and len(self.accepted) < 50:
                self.accepted.append(raw)
        if time.process_time() - started > LONGEST_S:
            raise TooSlow(f"file {number} of seed {self._seed} took {time.process_time() - started:.1f} s")


def resident_bytes() -> int:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Mutated GGUF files, until time is up or one breaks the reader."
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", type=int, help="one file of the seed again")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz"), help="where a file that breaks is kept"
    )
    arguments = parser.parse_args()
    files = corpus()
    with tempfile.TemporaryDirectory() as folder:
        fuzzing, before = Fuzzing(files, arguments.seed, Path(folder)), resident_bytes()
        numbers = [arguments.only] if arguments.only is not None else None
        deadline, number = time.monotonic() + arguments.seconds, 0
        while numbers or (numbers is None and time.monotonic() < deadline):
            at = numbers.pop() if numbers else number
            try:
                fuzzing.one(at)
                if resident_bytes() - before > MOST_GROWTH_BYTES:
                    raise MemoryError("the reader holds more than any header should need")
            except Exception as error:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                kept = arguments.keep / f"gguf-{arguments.seed}-{at}.gguf"
                kept.write_bytes(mutated(files, Random(f"{arguments.seed}-{at}")))
                again = f"--seed {arguments.seed} --only {at}"
                sys.stderr.write(f"{kept} broke the reader: {error!r}; again: {again}\n")
                raise
            number += 1
    sys.stdout.write(f"{number} files of seed {arguments.seed}: {dict(fuzzing.outcomes)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
