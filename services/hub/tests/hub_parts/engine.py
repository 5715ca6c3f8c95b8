"""llama.cpp, to judge what the converter made."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp
from numpy.typing import NDArray

_GREEDY: dict[str, Any] = {"temperature": 0.0, "cache_prompt": False}


class Engine:
    """A GGUF in llama.cpp, one thread, F32 KV cache so that only the weights' type differs."""

    def __init__(self, path: Path) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = 256
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.warmup = False
        params.verbosity = -1
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._server = xllamacpp.Server(params)
        # The server says that it is there before its loop runs. Let go in between (tokenizing needs no loop), the
        # loop misses that it shall end, and the destructor waits for it for ever, with the GIL held. This needs it.
        self._post("/completion", **_GREEDY, prompt=[0], n_predict=1)

    def log_probabilities(self, ids: list[int], vocabulary: int) -> NDArray[np.float64]:
        """Of the token after `ids`, [vocabulary]: logits up to a constant."""
        # The server reports figures only for a token that ends a character, so one is forced; they are of the
        # logits before that.
        plain = self.tokenize("a")[0]
        answer = self._post(
            "/completion", **_GREEDY, prompt=ids, n_predict=1, n_probs=vocabulary, logit_bias=[[plain, 1e6]]
        )
        found = np.full(vocabulary, np.nan)
        for entry in answer["completion_probabilities"][0]["top_logprobs"]:
            found[entry["id"]] = entry["logprob"]
        return found

    def greedy(self, ids: list[int], count: int) -> list[int]:
        return list(
            self._post("/completion", **_GREEDY, prompt=ids, n_predict=count, return_tokens=True)["tokens"]
        )

    def tokenize(self, text: str, add_special: bool = False) -> list[int]:
        return list(
            self._post("/tokenize", content=text, add_special=add_special, parse_special=True)["tokens"]
        )

    def detokenize(self, ids: list[int]) -> str:
        return str(self._post("/detokenize", tokens=ids)["content"])

    def apply_template(self, messages: list[dict[str, Any]], **more: Any) -> str:
        return str(self._post("/apply-template", messages=messages, **more)["prompt"])

    def _post(self, path: str, **body: object) -> dict[str, Any]:
        request = urllib.request.Request(
            self._server.listening_address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            parsed: dict[str, Any] = json.load(answer)
            return parsed
