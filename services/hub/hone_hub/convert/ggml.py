"""ggml's own quantizers, out of the library that the engine brings: K-quants, and the others at the speed of C.

``ggml_quantize_chunk`` is exported and nowhere documented. The engine's version is pinned, and before anything is
written a self-test holds it to what is known: the simple types byte for byte to the reference in ``gguf``, the others
by how far they are from what went in.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorKind
from numpy.typing import NDArray

from ..errors import QuantizerUnusable

QUANTIZED = (
    TensorKind.Q4_0,
    TensorKind.Q5_0,
    TensorKind.Q5_1,
    TensorKind.Q8_0,
    TensorKind.Q4_K,
    TensorKind.Q5_K,
    TensorKind.Q6_K,
)
_BYTE_FOR_BYTE = (TensorKind.Q4_0, TensorKind.Q5_0, TensorKind.Q8_0)
# Root mean square of the error over that of normally distributed weights, with room for another rounding.
_MOST_ERROR = {TensorKind.Q5_1: 0.05, TensorKind.Q4_K: 0.09, TensorKind.Q5_K: 0.05, TensorKind.Q6_K: 0.03}
_LIBRARY = "xllamacpp.abi3.so"


class Quantizer:
    """The library's function, tested. It lets the other threads run meanwhile."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises QuantizerUnusable."""
        try:
            self._chunk = library.ggml_quantize_chunk
        except AttributeError as error:
            raise QuantizerUnusable("it does not export ggml_quantize_chunk") from error
        self._chunk.restype = ctypes.c_size_t
        self._chunk.argtypes = [
            ctypes.c_int,  # type
            ctypes.c_void_p,  # source, float32
            ctypes.c_void_p,  # target
            ctypes.c_int64,  # first weight
            ctypes.c_int64,  # rows
            ctypes.c_int64,  # columns
            ctypes.c_void_p,  # importance matrix
        ]
        for kind in QUANTIZED:
            self._test(kind)

    def quantize(self, rows: NDArray[np.float32], kind: TensorKind) -> NDArray[np.uint8]:
        """``rows`` [n, columns], finite, columns a multiple of the type's block; bytes [n, bytes of a row]."""
        count, columns = rows.shape
        block, size_bytes = gguf.GGML_QUANT_SIZES[kind]
        assert columns % block == 0, "the caller chooses a type that fits"
        source = np.ascontiguousarray(rows, dtype=np.float32)
        target = np.empty((count, columns // block * size_bytes), np.uint8)
        written = self._chunk(int(kind), source.ctypes.data, target.ctypes.data, 0, count, columns, None)
        if written != target.nbytes:
            raise QuantizerUnusable(f"{kind.name} has {written} bytes where {target.nbytes} were expected")
        return target

    def _test(self, kind: TensorKind) -> None:
        rows = np.random.default_rng(1).standard_normal((4, 512)).astype(np.float32)
        found = self.quantize(rows, kind)
        if kind in _BYTE_FOR_BYTE:
            if not np.array_equal(found, gguf.quants.quantize(rows, kind)):
                raise QuantizerUnusable(f"{kind.name} is not what the reference makes")
            return
        error = gguf.quants.dequantize(found, kind) - rows
        relative = float(np.sqrt((error**2).mean() / (rows**2).mean()))
        if not relative <= _MOST_ERROR[kind]:
            raise QuantizerUnusable(
                f"{kind.name} is off by {relative:.3f}, {_MOST_ERROR[kind]} at most are known"
            )


_loading = threading.Lock()


def quantizer() -> Quantizer:
    """Raises QuantizerUnusable."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> Quantizer:
    spec = importlib.util.find_spec("xllamacpp")
    if spec is None or spec.origin is None:
        raise QuantizerUnusable("xllamacpp is not installed")
    try:
        library: Any = ctypes.CDLL(str(Path(spec.origin).with_name(_LIBRARY)))
    except OSError as error:
        raise QuantizerUnusable(str(error)) from error
    return Quantizer(library)
