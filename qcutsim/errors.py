"""The exceptions qcutsim raises on purpose.

* QcutsimError             - anything a caller may want to catch
    * InputError           - something the user gave is wrong: exit code 2
        * ScenarioError    - a scenario YAML
        * LogError         - a JSONL log
        * ProfileError     - a calibration profile or a workload shape
        * CalibrationError - logs that are sound but do not hold what a model needs
    * MissingExtraError    - an optional dependency is not installed: exit code 2
    * ExecutionError       - a query could not be executed (its worker's error is in the message)
        * QueryFailedError - its tasks were tried, and what became of them is known
    * PolicyError          - a dispatch policy raised, or it or a driver broke the rules (a bug)
"""

from __future__ import annotations

from typing import Any


class QcutsimError(Exception):
    """Base of every exception that qcutsim raises on purpose."""


class InputError(QcutsimError):
    """Something the user gave is wrong; the message says what, where, and what is right."""


class ScenarioError(InputError):
    """A scenario file, or what it asks for, is wrong.

    Attributes:
        problems: all that was found, each as ``file:line:column: what``.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class LogError(InputError):
    """A JSONL log cannot be used."""


class ProfileError(InputError):
    """A calibration profile or a workload shape cannot be used."""


class CalibrationError(InputError):
    """The logs hold too little for a model; the message says which runs would supply it."""


class MissingExtraError(QcutsimError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self._given = package, extra
        super().__init__(
            f"this needs the package '{package}', which is not installed; "
            f"install the extra with: pip install 'qcutsim[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._given  # so that it can pass between processes


class ExecutionError(QcutsimError):
    """A query failed; the message carries the error of the worker that ran it last."""


class QueryFailedError(ExecutionError):
    """A query failed for its tasks; where it was evaluated, ``outcome`` tells how far it came."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.execution: Any = None
        self.outcome: Any = None


class PolicyError(QcutsimError):
    """The dispatcher was fed an impossible event, or its policy raised or chose the impossible."""
