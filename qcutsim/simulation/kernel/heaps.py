"""Binary heaps over arrays: ordered by key, then by sequence number."""

from __future__ import annotations

from typing import Any

from numba import njit

Array = Any


@njit(cache=True, nogil=True)
def push(
    keys: Array, numbers: Array, items: Array, size: int, key: float, number: int, item: int
) -> int:
    """Add an entry to a heap of ``size``; returns the new size."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if keys[above] < key or (keys[above] == key and numbers[above] < number):
            break
        keys[place], numbers[place], items[place] = keys[above], numbers[above], items[above]
        place = above
    keys[place], numbers[place], items[place] = key, number, item
    return size + 1


@njit(cache=True, nogil=True)
def pop(keys: Array, numbers: Array, items: Array, size: int) -> int:
    """Take the least entry out of a heap of ``size`` > 0; returns the new size."""
    size -= 1
    key, number, item = keys[size], numbers[size], items[size]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            keys[other] < keys[below]
            or (keys[other] == keys[below] and numbers[other] < numbers[below])
        ):
            below = other
        if key < keys[below] or (key == keys[below] and number < numbers[below]):
            break
        keys[place], numbers[place], items[place] = keys[below], numbers[below], items[below]
        place = below
    keys[place], numbers[place], items[place] = key, number, item
    return size
