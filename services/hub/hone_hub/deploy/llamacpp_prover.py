"""A process that loads one GGUF in llama.cpp and tells what it does: ``python -m hone_hub.deploy.llamacpp_prover``.

Reads a ``ProveWork`` from the first line of stdin and writes one ``Told`` to stdout. Native code may abort on a file
that is wrong, and keeps the memory it once had: both are for this process alone. It ends when stdin closes.
"""

import io
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import xllamacpp

from hone_hub.deploy.errors import LoadFailed
from hone_hub.error_bodies import body_of
from hone_hub.work import Answer, Conversation, Proof, ProveWork, Told

_ERRORS_ONLY = 1  # llama.cpp's verbosity


class Prover:
    """A loaded model. Its HTTP server, which the binding cannot leave out, listens where only we can reach it."""

    def __init__(self, work: ProveWork, folder: Path) -> None:
        """Raises RuntimeError when llama.cpp refuses the file, and may abort the process."""
        self._work = work
        self._socket = folder / "http.sock"
        self._server = xllamacpp.Server(_parameters(work, self._socket))
        # llama.cpp took these over, to end its loop and nothing else.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def answer(self, question: str) -> Answer:
        body = {
            "messages": [{"role": "user", "content": question}],
            "max_tokens": self._work.max_tokens,
            "temperature": 0.0,
            "cache_prompt": False,
        }
        told = self._post("/v1/chat/completions", body)
        choice, usage = told["choices"][0], told["usage"]
        return Answer(
            text=choice["message"].get("content") or choice["message"].get("reasoning_content") or "",
            finish=choice["finish_reason"],
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
        )

    def rendered(self, conversation: Conversation) -> str | None:
        """None where the template refuses it."""
        try:
            return str(self._post("/apply-template", {"messages": list(conversation)})["prompt"])
        except RuntimeError:
            return None

    def token_ids(self, text: str) -> tuple[int, ...]:
        body = {"content": text, "add_special": True, "parse_special": True}
        return tuple(self._post("/tokenize", body)["tokens"])

    def end_ids(self) -> tuple[int, ...]:
        """The tokens that llama.cpp holds for the end of an answer. It tells them as those that a request to go on
        for ever forbids."""
        body = {"prompt": [0], "n_predict": 1, "ignore_eos": True, "cache_prompt": False}
        told = self._post("/completion", body)
        return tuple(sorted(each["token"] for each in told["generation_settings"]["logit_bias"]))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises RuntimeError with what the server says is wrong."""
        connection = _UnixConnection(self._socket)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            told: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(str(told.get("error", told))[:500])
        return told


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def _parameters(work: ProveWork, http: Path) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(work.path)
    params.n_ctx = work.context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = work.threads
    params.verbosity = _ERRORS_ONLY
    params.warmup = params.fit_params = params.ui = params.endpoint_slots = False
    params.cache_ram_mib = 0
    params.hostnames = [str(http)]
    params.n_threads_http = 1
    return params


def prove(work: ProveWork) -> Proof:
    """Raises LoadFailed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hone-prover-") as private:
        try:
            prover = Prover(work, Path(private))
            load_ms = (time.monotonic() - started) * 1000
            answers = tuple(prover.answer(question) for question in work.questions)
            end_ids = prover.end_ids() if work.ends else ()
            rendered = tuple(prover.rendered(conversation) for conversation in work.conversations)
        except RuntimeError as error:
            raise LoadFailed(work.path, str(error)) from error
        token_ids = tuple(() if text is None else prover.token_ids(text) for text in rendered)
    return Proof(load_ms=load_ms, answers=answers, rendered=rendered, token_ids=token_ids, end_ids=end_ids)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    orders = io.FileIO(0)
    work = ProveWork.model_validate_json(orders.readline())
    threading.Thread(target=_end_when_closed, args=[orders], daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # llama.cpp's own output
    try:
        told = Told(report=prove(work).model_dump(mode="json"))
    except LoadFailed as error:
        told = Told(error=body_of(error))
    answers.write(told.model_dump_json(exclude_none=True).encode() + b"\n")
    sys.stderr.flush()
    os._exit(0)  # not through llama.cpp's clean-up, which may wait for its loop for ever


def _end_when_closed(orders: io.FileIO) -> None:
    while orders.read(1):
        continue
    os._exit(1)  # nobody waits for the answer, and nothing is left behind but a socket in a temporary folder


if __name__ == "__main__":
    main()
