"""MinHash signatures and locality-sensitive hashing over them, with numpy: linear in the texts.

Measured against the library that is written in Rust for this (rensa 0.5): the same time for signatures within tens
of percent, since numpy's loops are as native, and one dependency fewer. datasketch 2.0 takes some twenty times as
long.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from hone_trainer.datasets.shingles import Shingles

_SEED = 20261125  # fixed: the same texts fall into the same groups on every machine
_MOST_HASHES = (
    72  # signing takes as long as there are hashes, and 65 show 99.4 % of pairs at a threshold of 0.8
)
_MISSED = 0.01  # share of the pairs exactly at the threshold that no band may show
_WINDOW = 3  # neighbours within a bucket that a text is compared with, so that a crowded bucket stays linear
_THREADS = min(4, os.cpu_count() or 1)
_TEXTS_A_BLOCK = 256  # triples of so many texts stay in the processor's cache while all hashes pass over them

_ESTIMATE_DEVIATIONS = 3.0  # of an estimate below the threshold: what it puts lower is not looked at

Signatures = NDArray[np.uint32]  # [texts, bands * rows]
Pairs = NDArray[np.int64]  # [pairs, 2]


def bands_and_rows(threshold: float) -> tuple[int, int]:
    """The most selective banding that shows 99 % of pairs at ``threshold`` (Leskovec et al., section 3.4)."""
    if threshold >= 1:
        return 1, 12
    chosen = (1, 1)
    for rows in range(1, 13):
        bands = math.ceil(math.log(_MISSED) / math.log1p(-(threshold**rows)))
        if bands * rows > _MOST_HASHES:
            break
        chosen = (bands, rows)
    return chosen


def sign(shingles: Shingles, threshold: float) -> Signatures:
    """One signature a text, of as many hashes as ``threshold`` needs."""
    flat, starts = shingles.flat, shingles.starts
    texts = len(starts) - 1
    bands, rows = bands_and_rows(threshold)
    rng = np.random.default_rng(_SEED)
    factors = rng.integers(1, 2**32, bands * rows, dtype=np.uint32) | np.uint32(1)
    added = rng.integers(0, 2**32, bands * rows, dtype=np.uint32)
    signatures = np.empty((texts, len(factors)), np.uint32)

    def sign_block(first: int) -> None:
        last = min(first + _TEXTS_A_BLOCK, texts)
        block = (flat[starts[first] : starts[last]] >> np.uint64(32)).astype(np.uint32)
        offsets = starts[first:last] - starts[first]
        hashed = np.empty_like(block)
        for number in range(len(factors)):
            np.multiply(block, factors[number], out=hashed)
            np.add(hashed, added[number], out=hashed)
            signatures[first:last, number] = np.minimum.reduceat(hashed, offsets)

    # numpy's loops let other threads run.
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(sign_block, range(0, texts, _TEXTS_A_BLOCK)))
    return signatures


def candidates(signatures: Signatures, threshold: float) -> Iterator[Pairs]:
    """Pairs that share a band, by band; a pair may come again. At most ``_WINDOW + 1`` pairs a text and band."""
    bands, rows = bands_and_rows(threshold)
    keys = _band_keys(signatures, bands, rows)
    for band in range(bands):
        own, after, then = (keys[(band + step) % bands] for step in range(3))
        # Within a bucket, texts that also agree elsewhere stand side by side: the window finds them in a crowd.
        order = np.lexsort((then, after, own))
        ordered = own[order]
        places = np.arange(len(order))
        opens = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(order) else np.empty(0, bool)
        bucket_first = np.maximum.accumulate(np.where(opens, places, 0))
        for back in range(1, _WINDOW + 1):
            near = places[back:][places[back:] - back >= bucket_first[back:]]
            yield np.stack([order[near - back], order[near]], axis=1)
        far = places[places - bucket_first > _WINDOW]
        yield np.stack([order[bucket_first[far]], order[far]], axis=1)


def candidates_across(signatures: Signatures, second_from: int, threshold: float) -> Iterator[Pairs]:
    """Pairs of a text before ``second_from`` and one from there on, by band: with the next of the others on either
    side within the bucket, so at most two pairs a text and band."""
    bands, rows = bands_and_rows(threshold)
    keys = _band_keys(signatures, bands, rows)
    for band in range(bands):
        own, after, then = (keys[(band + step) % bands] for step in range(3))
        order = np.lexsort((then, after, own))
        ordered, places = own[order], np.arange(len(order))
        second = order >= second_from
        before = np.maximum.accumulate(np.where(second, places, -1))
        behind = np.minimum.accumulate(np.where(second, places, len(order))[::-1])[::-1]
        for neighbour in (before, behind):
            asking = places[~second & (neighbour >= 0) & (neighbour < len(order))]
            met = neighbour[asking]
            same = ordered[met] == ordered[asking]
            yield np.stack([order[asking[same]], order[met[same]]], axis=1)


def _band_keys(signatures: Signatures, bands: int, rows: int) -> list[NDArray[np.uint64]]:
    keys = []
    for band in range(bands):
        key = np.zeros(len(signatures), np.uint64)
        for column in range(band * rows, (band + 1) * rows):
            key = (key ^ signatures[:, column]) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        keys.append(key)
    return keys


def likely(signatures: Signatures, pairs: Pairs, threshold: float) -> Pairs:
    """The pairs that may reach ``threshold``, as far as their signatures tell."""
    deviation = math.sqrt(threshold * (1 - threshold) / signatures.shape[1])
    return pairs[_estimated(signatures, pairs) >= threshold - _ESTIMATE_DEVIATIONS * deviation]


def _estimated(signatures: Signatures, pairs: Pairs) -> NDArray[np.float64]:
    agreeing = np.empty(len(pairs), np.float64)
    for first in range(0, len(pairs), 1 << 16):
        left, right = pairs[first : first + (1 << 16)].T
        agreeing[first : first + len(left)] = (signatures[left] == signatures[right]).mean(axis=1)
    return agreeing
