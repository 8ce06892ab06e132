"""The first queries of a block are slower: caches, clocks and plans are cold.

What that comes to is learned from long blocks; service times are then taken from later queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from qcutsim.calibrate.samples import QuerySample

FIRST_QUERIES = 5
"""So many queries of a block count as its warm-up."""

FEWEST_BLOCKS = 3
"""A warm-up is learned from at least so many blocks of twice that length."""


def fit_warm_up(samples: Sequence[QuerySample]) -> tuple[float, ...]:
    """Factor on the time of the first, second, ... query of a block; empty where not known."""
    blocks: dict[tuple[int, int, str], list[QuerySample]] = defaultdict(list)
    for sample in samples:
        if not sample.delay_s.any():
            block = (sample.run, sample.query.repetition, sample.query.cell)
            blocks[block].append(sample)
    ratios: dict[int, list[float]] = defaultdict(list)
    for block_samples in blocks.values():
        later = [s.query.total_s for s in block_samples if s.query.index >= FIRST_QUERIES]
        if len(later) < FIRST_QUERIES:
            continue
        usual_s = float(np.median(later))
        for sample in block_samples:
            if sample.query.index < FIRST_QUERIES and usual_s > 0:
                ratios[sample.query.index].append(sample.query.total_s / usual_s)
    if len(ratios) < FIRST_QUERIES or min(map(len, ratios.values())) < FEWEST_BLOCKS:
        return ()
    factors = [float(np.median(ratios[index])) for index in range(FIRST_QUERIES)]
    # It only fades: what rises again is noise.
    return tuple(float(f) for f in np.maximum(np.minimum.accumulate(factors), 1.0))


def is_warm(sample: QuerySample, warm_up: Sequence[float]) -> bool:
    """Whether a query comes after its block's warm-up, as far as that is known."""
    return sample.query.index >= len(warm_up)
