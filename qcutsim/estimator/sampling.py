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
        shots: (settings, bases), or (rows, settings, bases) where rows differ, and not whole
            where they are worth less than they are; ``None`` for exact probabilities.
        terms: which subobservables are read off.
        settings: the joint settings that were run, ascending.
        sizes: number of local settings at each slot.
    """

    frequencies: FloatArray
    shots: IntArray | FloatArray | None
    terms: MeasuredTerms
    settings: IntArray
    sizes: tuple[int, ...]

    def tensor(self) -> FloatArray:
        """Mean of QPD sign times parity, shape (rows, subobservables, settings)."""
        plus, minus = self._by_sign()
        means = walsh_hadamard(plus - minus)
        read = means[:, :, self.terms.basis_of, self.terms.masks]
        return np.ascontiguousarray(np.moveaxis(read, 2, 1))

    def covariance(self, tensor: FloatArray) -> FloatArray:
        """Unbiased covariance of ``tensor``, (rows, subobservables, subobservables, settings).

        Two subobservables covary if they are read off the same shots; settings never do. With
        one shot a subexperiment it cannot be told, and is not a number.
        """
        masks, basis = self.terms.masks, self.terms.basis_of
        count = len(masks)
        covariance = np.zeros((len(tensor), count, count, tensor.shape[2]))
        if self.shots is None:
            return covariance
        plus, minus = self._by_sign()
        means = walsh_hadamard(plus + minus)
        for number in range(len(self.terms.bases)):
            own = np.flatnonzero(basis == number)
            product = tensor[:, own, None, :] * tensor[:, None, own, :]
            joint = np.moveaxis(means[:, :, number, masks[own][:, None] ^ masks[own]], 1, 3)
            shots = self.shots[..., number].reshape(-1, 1, 1, tensor.shape[2])
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = (joint - product) / (shots - 1.0)
            covariance[:, own[:, None], own, :] = scaled
        return covariance

    def _by_sign(self) -> tuple[FloatArray, FloatArray]:
        """Frequencies with QPD sign + and -, each (rows, settings, bases, measured outcomes)."""
        half = self.frequencies.shape[-1] // 2
        return self.frequencies[..., :half], self.frequencies[..., half:]


def walsh_hadamard(array: FloatArray) -> FloatArray:
    """Sum over outcomes z of (-1)^(ones in mask & z) times the array, for every mask.

    Along the last axis, whose length is a power of two; in n log n steps.
    """
    size = array.shape[-1]
    result = np.ascontiguousarray(array).reshape(-1, size)
    width = 1
    while width < size:
        pairs = result.reshape(len(result), -1, 2, width)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        result = np.stack([low + high, low - high], axis=2).reshape(len(result), size)
        width *= 2
    return result.reshape(array.shape)


def outcome_signs(masks: IntArray, measured: int) -> FloatArray:
    """QPD sign times parity of each outcome for each mask, shape (masks, outcomes)."""
    bits = np.arange(1 << measured)
    odd = np.bitwise_count(np.asarray(masks)[:, None] & bits[None, :]) & 1
    signs = 1.0 - 2.0 * odd
    return np.concatenate([signs, -signs], axis=1)
