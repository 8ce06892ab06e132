"""Which queries of a log are used: ``--only workers<=2``, ``--hold-out cuts=3``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec

from qcutsim.errors import InputError
from qcutsim.records import QueryRecord

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_TEST = re.compile(r"\s*(\w+)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*")
_FIELDS = {
    f.name: get_args(f.type)[0] if get_origin(f.type) is Annotated else f.type
    for f in msgspec.structs.fields(QueryRecord)
}


def query_filter(tests: Sequence[str], *, flag: str = "--only") -> Callable[[QueryRecord], bool]:
    """A predicate that holds where every test does; a test is ``field OP value``.

    ``flag`` is what errors call the place where a test was given.

    >>> query_filter(["workers<=2", "pool=threads"])  # doctest: +ELLIPSIS
    <function ...>

    Raises:
        InputError: a test is not of that form, or names a field that queries do not have.
    """
    checks = [_check(test, flag) for test in tests]
    return lambda query: all(check(query) for check in checks)


def _check(test: str, flag: str) -> Callable[[QueryRecord], bool]:
    found = _TEST.fullmatch(test)
    if found is None:
        raise InputError(f"{flag} {test!r}: expected FIELD OP VALUE, as in 'workers<=2'")
    name, symbol, text = found.groups()
    if _FIELDS.get(name) not in (int, float, str):
        usable = sorted(n for n, kind in _FIELDS.items() if kind in (int, float, str))
        raise InputError(f"{flag} {test!r}: no field {name!r}; there are: {', '.join(usable)}")
    try:
        value = _FIELDS[name](text)
    except ValueError:
        sort = "whole number" if _FIELDS[name] is int else "number"
        raise InputError(f"{flag} {test!r}: {name!r} is a {sort}, {text!r} is not") from None
    compare = _COMPARE[symbol]
    return lambda query: compare(getattr(query, name), value)
