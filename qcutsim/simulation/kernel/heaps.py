"""Binary heaps within the two arrays of state: ordered by key, then by sequence number."""

from __future__ import annotations

from qcutsim.simulation.kernel.compiled import compiled, inlined
from qcutsim.simulation.kernel.memory import Array


@inlined
def rise(
    whole: Array,
    real: Array,
    keys: int,
    numbers: int,
    items: int,
    place: int,
    key: float,
    number: int,
) -> int:
    """Move down what comes after an entry that rises from ``place``; returns where it belongs."""
    while place > 0:
        above = (place - 1) >> 1
        other = real[keys + above]
        if other < key or (other == key and whole[numbers + above] < number):
            break
        real[keys + place] = other
        whole[numbers + place] = whole[numbers + above]
        whole[items + place] = whole[items + above]
        place = above
    return place


@inlined
def push(
    whole: Array,
    real: Array,
    keys: int,
    numbers: int,
    items: int,
    size: int,
    key: float,
    number: int,
    item: int,
) -> int:
    """Add an entry to a heap of ``size``, whose columns begin at the places given.

    Returns the new size.
    """
    place = rise(whole, real, keys, numbers, items, size, key, number)
    real[keys + place] = key
    whole[numbers + place] = number
    whole[items + place] = item
    return size + 1


@inlined
def pop(whole: Array, real: Array, keys: int, numbers: int, items: int, size: int) -> int:
    """Take the least entry out of a heap of ``size`` > 0; returns the new size."""
    return remove(whole, real, keys, numbers, items, size, 0)


@inlined
def remove(
    whole: Array, real: Array, keys: int, numbers: int, items: int, size: int, place: int
) -> int:
    """Take the entry at ``place`` out of a heap of ``size`` > 0; returns the new size."""
    size -= 1
    key, number, item = real[keys + size], whole[numbers + size], whole[items + size]
    place = rise(whole, real, keys, numbers, items, place, key, number)
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            real[keys + other] < real[keys + below]
            or (
                real[keys + other] == real[keys + below]
                and whole[numbers + other] < whole[numbers + below]
            )
        ):
            below = other
        least = real[keys + below]
        if key < least or (key == least and number < whole[numbers + below]):
            break
        real[keys + place] = least
        whole[numbers + place] = whole[numbers + below]
        whole[items + place] = whole[items + below]
        place = below
    real[keys + place] = key
    whole[numbers + place] = number
    whole[items + place] = item
    return size


@compiled
def place_of(whole: Array, items: int, size: int, least: int, most: int) -> int:
    """Where in a heap an item from ``least`` to ``most`` stands; -1: nowhere."""
    for place in range(size):
        if least <= whole[items + place] <= most:
            return place
    return -1


@compiled
def replace_least(keys: Array, numbers: Array, size: int, key: float, number: int) -> None:
    """Take the least entry out of a heap of its own arrays and put another one in."""
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
        keys[place], numbers[place] = keys[below], numbers[below]
        place = below
    keys[place], numbers[place] = key, number
