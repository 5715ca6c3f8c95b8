"""What llama.cpp's process leaves behind when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tiny_llama import CONTEXT_TOKENS, write_tiny_llama


def full_pipe() -> tuple[int, int, int]:
    """Its two ends, and how many bytes it holds; nothing more fits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    held = 0
    with suppress(BlockingIOError):
        while True:
            held += os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    return reading, writing, held


def test_a_host_that_refuses_a_file_ends_only_when_its_log_is_written(tmp_path: Path) -> None:
    """llama.cpp logs in a thread of its own, which a full pipe holds up as a busy machine would."""
    whole, cut = tmp_path / "tiny.gguf", tmp_path / "cut.gguf"
    write_tiny_llama(whole)
    cut.write_bytes(whole.read_bytes()[:3_000])
    options = {"path": str(cut), "context_tokens": CONTEXT_TOKENS, "threads": 1}
    command = [sys.executable, "-m", "hone_generator.providers.llamacpp_host", json.dumps(options)]
    reading, writing, held = full_pipe()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writing) as host:
        os.close(writing)
        assert host.stdout is not None
        assert "error" in json.loads(host.stdout.readline())
        with os.fdopen(reading, "rb") as log:
            written = log.read()[held:]
        assert host.wait() == 1
    assert b"failed to read" in written
