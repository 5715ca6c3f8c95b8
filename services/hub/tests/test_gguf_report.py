"""Chat templates in their sandbox, the memory estimate, and the command line of `inspect`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_parts import hostile as h
from hub_parts.models import Library, TinyModel
from hub_parts.mutations import of_architecture

from hone_hub.convert import Quant, convert
from hone_hub.gguf import inspect
from hone_hub.gguf.chat_template import render, try_template

EVIL: dict[str, tuple[str, str]] = {
    "endless loops": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "too long"),
    "endless memory": ("{{ 'a' * 10**11 }}", "too much memory"),
    "a memory bomb by doubling": (
        "{% set n = namespace(s='aaaaaaaaaa') %}"
        "{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "memory",
    ),
    "reaching for classes": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
    "reaching through format": ("{{ '{0.__class__.__init__.__globals__}'.format(messages) }}", "SecurityError"),
    "changing its input": ("{{ messages.append(1) }}", "SecurityError"),
    "reading files": ("{% include '/etc/passwd' %}", "Error"),
    "importing modules": ("{{ self.__init__.__globals__.__builtins__.__import__('os').system('true') }}", "Error"),
    "broken syntax": ("{% for %}", "TemplateSyntaxError"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
}  # fmt: skip


@pytest.mark.parametrize("case", EVIL)
def test_an_evil_template_ends_with_a_reason(case: str) -> None:
    template, words = EVIL[case]
    started = time.monotonic()
    report = try_template(template, None, None)
    assert report.renders is False and report.error is not None and words in report.error
    assert time.monotonic() - started < 12


def test_templates_of_the_wild_render() -> None:
    template = (
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
        "{% for m in messages %}{% if loop.first %}{{ strftime_now('%Y')[:2] }}{% endif %}"
        "{% generation %}{{ m | tojson }}{% endgeneration %}{% break %}{% endfor %}"
    )
    report = try_template(template, "<s>", "</s>")
    assert report.renders and report.sample == '<s>20{"role": "user", "content": "Which loans are overdue?"}'


def test_the_sandbox_does_not_inherit_variables_as_names() -> None:
    assert render("{{ PATH }}{{ environ }}{{ os }}", [{}]) == [{"text": ""}]


def test_memory_is_weights_and_cache_by_the_formula(library: Library, tmp_path: Path) -> None:
    convert(library.folder(TinyModel()), tmp_path / "m.gguf", Quant.Q8_0)
    report = inspect(tmp_path / "m.gguf", context=200, parallel=2)
    assert report.memory is not None
    assert report.memory.kv_cache_bytes == 3 * 2 * (16 + 16) * 2 * 200 * 2
    tied = 406 * 64 // 32 * 34  # the embedding counts again as output
    assert report.memory.weights_bytes == sum(report.tensor_types.values()) + tied


def test_layers_with_a_sliding_window_hold_no_more_than_it(tmp_path: Path) -> None:
    """Of Gemma 2, every other layer sees everything; the others hold their window and a micro-batch."""
    whole, windowed = tmp_path / "whole.gguf", tmp_path / "windowed.gguf"
    whole.write_bytes(of_architecture("gemma2"))
    windowed.write_bytes(of_architecture("gemma2", h.u32("gemma2.attention.sliding_window", 100)))
    each = 2 * h.WIDTH * 2  # bytes of a token in a layer: keys and values, f16, as many heads as of queries
    reports = [inspect(path, context=4096, render=False).memory for path in (whole, windowed)]
    assert [memory.kv_cache_bytes for memory in reports if memory] == [
        each * 2 * 4096,
        each * (4096 + 100 + 512),
    ]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hone_hub.inspect", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_text_and_json(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    convert(library.folder(TinyModel()), path, Quant.Q8_0, name="Tiny")
    plain, structured = run(path, "--context", "64"), run(path, "--json", "--sha256")
    assert plain.returncode == structured.returncode == 0 and "Tiny, llama" in plain.stdout
    report = json.loads(structured.stdout)
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["ok"] is True and report["quant"] == "Q8_0" and report["kv_heads"] == 2


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    cut, lying = tmp_path / "cut.gguf", tmp_path / "lying.gguf"
    cut.write_bytes(h.Header().written()[:-100])
    lying.write_bytes(h.Header(keys=h.llama_keys(layers=3)).written())
    for ended, code in ((run(cut), 1), (run(tmp_path / "none.gguf"), 3)):
        assert ended.returncode == code and ended.stdout == ""
        assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
    assert run(lying).returncode == 1 and "error: 9 tensors are missing" in run(lying).stdout
    assert run().returncode == 2


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    keys = [entry for entry in h.llama_keys() if b"general.name" not in entry]
    keys.append(h.string("general.name", "\x1b[2Jgone\nerror: no"))
    (tmp_path / "m.gguf").write_bytes(h.Header(keys=keys).written())
    ended = run(tmp_path / "m.gguf")
    assert "\x1b" not in ended.stdout and "\nerror: no" not in ended.stdout
