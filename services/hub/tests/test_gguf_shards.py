"""A model in several files is judged as one: all of them are there, in order, of one model, and nothing twice."""

from pathlib import Path
from typing import Any

import pytest
from hub_parts import hostile as h

from hone_hub.errors import CorruptGGUF, GGUFError
from hone_hub.gguf import inspect

SHAPES = h.llama_shapes()
CUT = len(SHAPES) // 2


def split(number: int, count: int = 2, tensors: int = len(SHAPES)) -> list[bytes]:
    return [h.u32("split.no", number), h.u32("split.count", count), h.u32("split.tensors.count", tensors)]


def part(path: Path, keys: list[bytes], names: list[str], shapes: dict[str, list[int]] = SHAPES) -> Path:
    tensors, data_bytes = h.laid_out({name: shapes[name] for name in names})
    path.write_bytes(h.Header(keys=keys, tensors=tensors, data=b"\0" * data_bytes).written())
    return path


def model(folder: Path, **changed: Any) -> tuple[Path, Path]:
    """Two files; ``changed`` is what is untrue of the second, or of the numbers of both."""
    names, tensors = list(SHAPES), changed.get("tensors", len(SHAPES))
    first = [*h.llama_keys(), *split(0, changed.get("count", 2), tensors)]
    second = [*changed.get("keys", []), *split(changed.get("number", 1), changed.get("count", 2), tensors)]
    shapes = {**SHAPES, **changed.get("shapes", {})}
    return (
        part(folder / "m-00001-of-00002.gguf", first, names[:CUT]),
        part(folder / "m-00002-of-00002.gguf", second, changed.get("names", names[CUT:]), shapes),
    )


def test_two_files_are_reported_as_the_model_that_they_are(tmp_path: Path) -> None:
    first, second = model(tmp_path)
    part(tmp_path / "whole.gguf", h.llama_keys(), list(SHAPES))
    report, whole = (
        inspect(first, others=[second], render=False),
        inspect(tmp_path / "whole.gguf", render=False),
    )
    assert report.ok and report.memory == whole.memory is not None
    assert (report.tensors, report.parameters) == (whole.tensors, whole.parameters)
    assert report.problems == whole.problems


UNTRUE: dict[str, tuple[dict[str, Any], str]] = {
    "of more files": ({"count": 3}, "3 files, 2 are here"),
    "of another number": ({"number": 0}, "says that it is number 0"),
    "tensors are missing": ({"names": list(SHAPES)[CUT:-1]}, f"{len(SHAPES) - 1} tensors"),
    "fewer tensors are claimed": ({"tensors": 1}, "claims 1"),
    "of another architecture": ({"keys": [h.string("general.architecture", "qwen2")]}, "qwen2"),
    "a tensor twice": ({"names": [*list(SHAPES)[CUT:], next(iter(SHAPES))]}, "in two shards"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTRUE)
def test_files_that_are_not_the_parts_of_one_model_are_refused(case: str, tmp_path: Path) -> None:
    changed, words = UNTRUE[case]
    first, second = model(tmp_path, **changed)
    with pytest.raises(CorruptGGUF, match=words):
        inspect(first, others=[second], render=False)


def test_a_tensor_of_a_wrong_shape_in_a_further_file_is_found(tmp_path: Path) -> None:
    name = list(SHAPES)[-1]
    first, second = model(tmp_path, shapes={name: [*SHAPES[name][:-1], SHAPES[name][-1] * 2]})
    report = inspect(first, others=[second], render=False)
    assert not report.ok and any(name in problem.message for problem in report.problems)


def test_a_further_file_cut_short_is_found(tmp_path: Path) -> None:
    first, second = model(tmp_path)
    second.write_bytes(second.read_bytes()[:-40])
    with pytest.raises(GGUFError, match="after the file does"):
        inspect(first, others=[second], render=False)


def test_files_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    first, second = model(tmp_path)
    with pytest.raises(CorruptGGUF, match="number 1 of 2"):
        inspect(second, others=[first], render=False)
