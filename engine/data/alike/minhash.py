"""MinHash at scale: which pairs of texts may be alike.

It only proposes: 192 permutations in 48 bands of 4 propose a pair of Jaccard 0.5 with probability
0.95, of 0.6 with 0.998, of 0.8 with 1; the agreement of the whole signatures then rules out 7 in
100 pairs of 0.5, 1 of 0.53. Memory is about 400 bytes a text, and time is linear even
where a million texts share one form: a large bucket is not paired off, its members are only
compared with its first and with those next to them in the order of the following band.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.data.alike.codes import Codes, batches, mix, run_starts
from engine.data.alike.normalise import SHINGLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.data.alike.codes import Hashes, Places

    Pairs = tuple[NDArray[np.uint64], NDArray[np.uint8]]

PERMUTATIONS = 192  # the lowest byte of each is kept, to estimate the likeness of any two texts
_BAND = 4
_BANDS = PERMUTATIONS // _BAND
_SEED = 20_240_601
_TEXTS = 4096  # at once through rensa, whose digests are read as lists
_GLANCE = 64  # permutations that each pair is tested by first
_LEAST_GLANCE = 20  # agreements of them; a pair of Jaccard 0.5 has fewer once in a thousand times
_SMALL = 5  # buckets up to this size are compared in full
_BESIDE = 2  # neighbours that each member of a larger bucket is compared with
_LEAST = 86  # agreements; a pair of Jaccard 0.53 has fewer once in a hundred times
_BEST = 16  # pairs kept of a text, those with the most agreements first
_PENDING = 4_000_000  # pairs between two tidyings
_STEP = 16_384
_ONES = 0x0101_0101_0101_0101


def candidates(texts: list[str]) -> tuple[Places, Places, NDArray[np.uint8]]:
    """Return pairs of texts that may be alike: the earlier, the later, agreements of 192.

    They stand in the order of the later text, for each the likeliest first.
    """
    import numpy as np

    glance, rest, bands = signatures(texts)
    found: list[Pairs] = []
    pending = 0
    for band in range(_BANDS):
        pairs = agreeing_pairs(bucket_pairs(bands, band), glance, rest)
        found.append(pairs)
        pending += len(pairs[0])
        if pending > _PENDING:
            found, pending = [best_pairs(found)], 0
    codes, agreements = best_pairs(found)
    return (
        (codes & np.uint64(0xFFFF_FFFF)).astype(np.int64),
        (codes >> np.uint64(32)).astype(np.int64),
        agreements,
    )


def pieces(batch: Codes) -> tuple[Hashes, Places]:
    """Return the hashes of all shingles of a batch, and where each text's begin.

    The same pieces as `normalise.shingles`, repeats included.
    """
    import numpy as np

    rows, lone = batch.rows(), batch.unspaced()
    ends = batch.starts[1:][rows]
    begin = np.arange(len(rows))
    end = begin + np.where(lone, 2, SHINGLE)
    mixed = np.bincount(rows[lone], minlength=len(batch.starts) - 1) > 0
    end = np.where(mixed[rows] & ~lone, np.minimum(end, ends), end)
    whole = end <= ends
    begin, end, rows = begin[whole], end[whole], rows[whole]
    counts = np.bincount(rows, minlength=len(batch.starts) - 1)
    bare = np.flatnonzero(counts == 0)
    if len(bare):
        order = np.argsort(np.concatenate([rows, bare]), kind="stable")
        begin = np.concatenate([begin, batch.starts[bare]])[order]
        end = np.concatenate([end, batch.starts[bare + 1]])[order]
        counts[bare] = 1
    return mix(batch.stretch(begin, end)), np.concatenate([[0], np.cumsum(counts)])


def signatures(
    texts: list[str],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint32]]:
    """Return for each text a byte of the first 64 permutations, of the rest; and the bands."""
    import numpy as np
    from rensa import RMinHash  # type: ignore[import-untyped]

    glance = np.empty((len(texts), _GLANCE), dtype=np.uint8)
    rest = np.empty((len(texts), PERMUTATIONS - _GLANCE), dtype=np.uint8)
    bands = np.empty((_BANDS, len(texts)), dtype=np.uint32)
    for batch in batches(texts):
        hashes, offsets = pieces(batch)
        for start in range(0, len(offsets) - 1, _TEXTS):
            own = offsets[start : start + _TEXTS + 1]
            flat = hashes[own[0] : own[-1]]
            matrix = RMinHash.digest_matrix_from_flat_token_hashes(
                flat, (own - own[0]).astype(np.uint64), num_perm=PERMUTATIONS, seed=_SEED
            )
            digests = np.array(matrix.to_rows(), dtype=np.uint64)
            place = slice(batch.first + start, batch.first + start + len(digests))
            glance[place] = digests[:, :_GLANCE] & np.uint64(0xFF)
            rest[place] = digests[:, _GLANCE:] & np.uint64(0xFF)
            bands[:, place] = _band_hashes(digests).T
    return glance, rest, bands


def _band_hashes(digests: Hashes) -> Hashes:
    import numpy as np

    grouped = digests.reshape(len(digests), _BANDS, _BAND)
    hashes: Hashes = grouped[:, :, 0]
    for place in range(1, _BAND):
        hashes = mix(hashes + np.uint64(place)) ^ grouped[:, :, place]
    return np.asarray(mix(hashes) >> np.uint64(32))


def bucket_pairs(bands: NDArray[np.uint32], band: int) -> Hashes:
    """Return the pairs to look at among texts with the same hash of a band, as later<<32|earlier.

    Within a bucket the texts stand in the order of the next band's hash, so those that agree in
    both stand side by side.
    """
    import numpy as np

    none = np.empty(0, dtype=np.uint64)
    if bands.shape[1] < 2:
        return none
    # one number of each text: the band's hash, as much of the next one as fits, its own number
    width = np.uint64((bands.shape[1] - 1).bit_length())
    following = bands[(band + 1) % _BANDS].astype(np.uint64) >> width
    numbers = np.arange(bands.shape[1], dtype=np.uint64)
    keys = (bands[band].astype(np.uint64) << np.uint64(32)) | (following << width) | numbers
    keys.sort()
    order = (keys & ((np.uint64(1) << width) - np.uint64(1))).astype(np.int64)
    keys >>= np.uint64(32)
    twin = keys[1:] == keys[:-1]
    member = np.append(twin, False)
    member[1:] |= twin
    order, keys = order[member], keys[member]
    if not len(order):
        return none
    starts = run_starts(keys)
    sizes = np.diff(np.append(starts, len(order)))
    firsts = np.repeat(np.minimum.reduceat(order, starts), sizes)
    small = np.repeat(sizes <= _SMALL, sizes)
    found = [_coded(firsts, order)]
    for step in range(1, _SMALL):
        beside = keys[step:] == keys[:-step]
        if step > _BESIDE:
            beside &= small[step:]
        found.append(_coded(order[:-step][beside], order[step:][beside]))
    return np.concatenate(found)


def _coded(one: Places, other: Places) -> Hashes:
    import numpy as np

    low, high = np.minimum(one, other), np.maximum(one, other)
    apart = low != high
    return np.asarray(
        (high[apart].astype(np.uint64) << np.uint64(32)) | low[apart].astype(np.uint64)
    )


def agreeing_pairs(pairs: Hashes, glance: NDArray[np.uint8], rest: NDArray[np.uint8]) -> Pairs:
    """Return the pairs whose signatures agree often enough, with how often.

    Most pairs fail at the first glance, which takes one line of the processor's cache a text.
    """
    import numpy as np

    found: list[Pairs] = []
    for start in range(0, len(pairs), _STEP):
        part = pairs[start : start + _STEP]
        counts = _agreements(part, glance)
        likely = counts >= _LEAST_GLANCE
        part = part[likely]
        counts = counts[likely] + _agreements(part, rest)
        enough = counts >= _LEAST
        found.append((part[enough], counts[enough]))
    none = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint8)
    codes, agreements = zip(none, *found, strict=True)
    return np.concatenate(codes), np.concatenate(agreements)


def _agreements(pairs: Hashes, signatures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import numpy as np

    one = signatures[(pairs & np.uint64(0xFFFF_FFFF)).astype(np.int64)]
    other = signatures[(pairs >> np.uint64(32)).astype(np.int64)]
    # up to 24 sums of 8 bytes each side by side, then the 8 added up by a multiplication
    sums = (one == other).view(np.uint64).sum(axis=1, dtype=np.uint64)
    return np.asarray((sums * np.uint64(_ONES)) >> np.uint64(56), dtype=np.uint8)


def best_pairs(found: list[Pairs]) -> Pairs:
    """Return each pair once, and of each later text only the likeliest."""
    import numpy as np

    codes = np.concatenate([pair[0] for pair in found])
    agreements = np.concatenate([pair[1] for pair in found])
    codes, once = np.unique(codes, return_index=True)
    agreements = agreements[once]
    later = codes >> np.uint64(32)
    order = np.lexsort((codes, 255 - agreements, later))
    codes, agreements, later = codes[order], agreements[order], later[order]
    starts = run_starts(later)
    rank = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    best = rank < _BEST
    return codes[best], agreements[best]
