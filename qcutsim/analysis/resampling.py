"""Bootstrap of the median of a configuration's queries, which were measured in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 400
FEWEST_QUERIES = 5
"""Fewer do not tell how far their median is known."""


def resampled_medians(
    rounds: Sequence[Sequence[float]], seed: int, resamples: int = RESAMPLES
) -> FloatArray:
    """Medians of resampled queries, by the two-stage bootstrap.

    Rounds are drawn with replacement, and in each the queries likewise, since queries of one round
    have in common what else the machine did (Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, 3.8).

    Args:
        rounds: the values of each round; none of them empty.
        seed: of the draws.
        resamples: how many medians.

    Returns:
        The medians, shape (resamples,).

    Raises:
        ValueError: there is no round.
    """
    if not rounds:
        raise ValueError("no round to draw from")
    lengths = np.array([len(values) for values in rounds])
    padded = np.full((len(rounds), lengths.max()), np.nan)
    for row, values in zip(padded, rounds, strict=True):
        row[: len(values)] = values
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(rounds), size=(resamples, len(rounds)))
    own = lengths[chosen][:, :, None]
    place = (rng.random((*chosen.shape, padded.shape[1])) * own).astype(np.int64)
    drawn = padded[chosen[:, :, None], place]
    drawn[np.arange(padded.shape[1]) >= own] = np.nan
    drawn = np.sort(drawn.reshape(resamples, -1), axis=1)  # NaN last
    counts = own.sum(axis=(1, 2))
    row = np.arange(resamples)
    middle: FloatArray = (drawn[row, (counts - 1) // 2] + drawn[row, counts // 2]) / 2
    return middle
