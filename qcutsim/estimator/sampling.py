"""From outcome distributions to counts, and from counts to the tensors of a partition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.observables import MeasuredTerms

DIGITS = 12
"""Probabilities are rounded to these before sampling, so that counts do not hang on chunks."""


def sample(
    probabilities: FloatArray, shots: IntArray, generator: np.random.Generator
) -> FloatArray:
    """Relative frequencies of multinomial samples, shape (rows, settings, bases, outcomes).

    Probabilities are rounded first: a last digit that depends on how work was split must not
    change a count. ``shots`` has shape (rows, settings, bases).
    """
    rounded = np.maximum(np.round(probabilities, DIGITS), 0)
    rounded /= rounded.sum(axis=-1, keepdims=True)
    counts = generator.multinomial(shots, rounded)
    return counts / shots[..., None]


def spread_shots(total: int, subexperiments: int) -> IntArray:
    """A budget over subexperiments in order; the first ones take what is left over.

    Raises:
        InputError: there are fewer shots than subexperiments.
    """
    each, rest = divmod(total, subexperiments)
    if each == 0:
        raise InputError(
            f"a budget of {total} shots cannot be spread over {subexperiments} distinct "
            f"subexperiments; give total_shots of at least {subexperiments}, or cut less"
        )
    return each + (np.arange(subexperiments) < rest).astype(np.int64)


@dataclass(frozen=True, slots=True)
class PartitionData:
    """What a partition's subexperiments gave.

    Args:
        frequencies: (rows, settings, bases, outcomes), settings as in ``settings``.
        shots: (settings, bases); ``None`` for exact probabilities.
        terms: which subobservables are read off.
        settings: the joint settings that were run, ascending.
        sizes: number of local settings at each slot.
    """

    frequencies: FloatArray
    shots: IntArray | None
    terms: MeasuredTerms
    settings: IntArray
    sizes: tuple[int, ...]

    def tensor(self) -> FloatArray:
        """Mean of QPD sign times parity, shape (rows, subobservables, settings)."""
        signs = outcome_signs(self.terms.masks, len(self.terms.measured), with_qpd=True)
        by_sub = self.frequencies[:, :, self.terms.basis_of, :]
        return np.ascontiguousarray(np.einsum("rsuo,uo->rus", by_sub, signs))

    def covariance(self, tensor: FloatArray) -> FloatArray:
        """Unbiased covariance of ``tensor``, (rows, subobservables, subobservables, settings).

        Two subobservables covary if they are read off the same shots; settings never do.
        """
        masks, basis = self.terms.masks, self.terms.basis_of
        count = len(masks)
        if self.shots is None:
            return np.zeros((len(tensor), count, count, tensor.shape[2]))
        joint = np.zeros((len(tensor), count, count, tensor.shape[2]))
        width = len(self.terms.measured)
        for u in range(count):
            shared = np.flatnonzero(basis == basis[u])
            signs = outcome_signs(masks[u] ^ masks[shared], width, with_qpd=False)
            mean = self.frequencies[:, :, basis[u], :] @ signs.T
            product = tensor[:, u, None, :] * tensor[:, shared, :]
            joint[:, u, shared, :] = np.moveaxis(mean, 2, 1) - product
        shots = self.shots[:, basis].T
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance: FloatArray = joint / (shots[None, :, None, :] - 1.0)
        return covariance


def outcome_signs(masks: IntArray, measured: int, *, with_qpd: bool) -> FloatArray:
    """Sign of each outcome for each mask, shape (masks, outcomes)."""
    bits = np.arange(1 << measured)
    odd = np.bitwise_count(np.asarray(masks)[:, None] & bits[None, :]) & 1
    signs = 1.0 - 2.0 * odd
    return np.concatenate([signs, -signs if with_qpd else signs], axis=1)
