"""Is what a plan chooses near the best that was measured?

    python benchmarks/planning.py [LOG ...] [--replications N] [--seed N]

Calibrates on the calibration part of the logs (``qcutsim.validation.CALIBRATED_ON``; by default of
those that come with the source), asks questions whose every answer was measured, lets the plan
choose, and prints how much longer its choice took than the best one. Target: within 10 %. Questions
overlap: one configuration answers several of them.

What is measured is told in three ways, which do not agree on what is best: the median over all
queries (the makespan of ``qcutsim compare``), their mean (what a plan judges by: the time of all
queries), and the median over the rounds of their mean. Under the seed of the log a simulation meets
the very stragglers that were injected; ``--seed`` takes others, under which the median of queries
of which about half meet a straggler is another matter.

Beside it the rule of thumb (the largest pool, processes, eager), and what choosing by one half of
the measured rounds makes of the other half: nobody who measured everything does better.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from measured import print_machine

from qcutsim.calibrate import CalibrationProfile, calibrate_logs
from qcutsim.cell import Cell
from qcutsim.logreader import read_records
from qcutsim.planner import recommend
from qcutsim.records import QueryRecord, RunRecord
from qcutsim.scenario import Scenario
from qcutsim.validation import CALIBRATED_ON, committed_logs
from qcutsim.weighing import Terms, Weighing

TARGET = 0.10


@dataclass(frozen=True, slots=True)
class Measured:
    """A configuration and the times of its queries by round, in seconds."""

    scenario: Scenario
    cell: Cell
    rounds_s: tuple[tuple[float, ...], ...]

    def median_s(self, parity: int | None = None) -> float:
        """Over the queries of all rounds, or of those of one parity."""
        rounds = self.rounds_s if parity is None else self.rounds_s[parity::2]
        return float(np.median([seconds for own in rounds for seconds in own]))

    def mean_s(self) -> float:
        """Over the queries of all rounds."""
        return float(np.mean([seconds for own in self.rounds_s for seconds in own]))

    def by_round_s(self) -> float:
        """The median round, by the mean of its queries."""
        return float(np.median([np.mean(own) for own in self.rounds_s]))

    @property
    def shown(self) -> str:
        work, pool = self.cell.workload, self.cell.pool
        return (
            f"{work.partition_labels} {work.pipeline} {pool.workers} {pool.kind} "
            f"{self.cell.policy['kind']}"
        )


def read_measured(logs: Sequence[Path]) -> list[Measured]:
    """Every configuration of the logs; cold and failed queries do not count."""
    times: dict[str, dict[int, list[float]]] = {}
    scenarios: list[Scenario] = []
    for log in logs:
        for record in read_records(log):
            if isinstance(record, RunRecord):
                scenarios.append(Scenario.from_resolved(record.scenario))
            elif isinstance(record, QueryRecord) and record.outcome == "ok" and not record.is_cold:
                own = times.setdefault(record.cell, {})
                own.setdefault(record.repetition, []).append(record.total_s)
    found = {}
    for scenario in scenarios:
        for cell in scenario.cells:
            if cell.key in times:
                rounds = tuple(tuple(own) for _, own in sorted(times[cell.key].items()))
                found[cell.key] = Measured(scenario, cell, rounds)
    if unknown := times.keys() - found.keys():
        raise SystemExit(f"measured, and in no scenario of the logs: {', '.join(sorted(unknown))}")
    return list(found.values())


def questions(measured: Sequence[Measured]) -> Iterator[tuple[str, list[Measured]]]:
    """What a person may ask, with all measured answers; several each."""
    groups: dict[str, list[Measured]] = {}
    for one in measured:
        cell, work = one.cell, one.cell.workload
        law = cell.stragglers
        quiet = law.probability == 0
        stragglers = "" if quiet else f", stragglers {law.probability:g} x {law.delay_s:g} s"
        pipeline = f"{work.pipeline} {work.partition_labels}{stragglers}"
        groups.setdefault(f"{pipeline}: pool, workers, policy", []).append(one)
        groups.setdefault(f"{pipeline}, {cell.pool.kind}: workers, policy", []).append(one)
        groups.setdefault(
            f"{work.partition_labels}{stragglers}: pipeline, pool, workers, policy", []
        ).append(one)
        if quiet:
            for qubits in range(1, 3):
                if all(work.partition_labels.count(x) <= qubits for x in work.partition_labels):
                    name = f"{work.pipeline}, at most {qubits} qubits: cuts, pool, workers"
                    groups.setdefault(name, []).append(one)
    for name, own in groups.items():
        if len(own) > 1:
            yield name, own


@dataclass(frozen=True, slots=True)
class Answer:
    """What was chosen of the measured ``own``, and how far it is above the best of them."""

    question: str
    own: tuple[Measured, ...]
    chosen: Measured

    @property
    def best(self) -> Measured:
        return min(self.own, key=Measured.median_s)

    @property
    def excess(self) -> float:
        return self.chosen.median_s() / self.best.median_s() - 1

    @property
    def excess_by_round(self) -> float:
        return self.chosen.by_round_s() / min(one.by_round_s() for one in self.own) - 1

    @property
    def excess_of_mean(self) -> float:
        return self.chosen.mean_s() / min(one.mean_s() for one in self.own) - 1

    @property
    def rule_of_thumb(self) -> float:
        """Excess of the largest pool."""
        taken = max(
            self.own,
            key=lambda one: (
                one.cell.pool.workers,
                one.cell.pool.kind == "processes",
                one.cell.policy["kind"] == "eager",
                one.cell.workload.pipeline == "planned",
            ),
        )
        return taken.median_s() / self.best.median_s() - 1

    @property
    def held_out(self) -> float:
        """Excess of choosing by half of the rounds, on the other half; mean over both halves."""
        excess = []
        for parity in (0, 1):
            chosen = min(self.own, key=lambda one: one.median_s(parity))
            best_s = min(one.median_s(1 - parity) for one in self.own)
            excess.append(chosen.median_s(1 - parity) / best_s - 1)
        return float(np.mean(excess))


def answers(
    measured: Sequence[Measured],
    profiles: Sequence[CalibrationProfile],
    replications: int,
    seed: int | None = None,
) -> list[Answer]:
    """Each question put to the plan; every configuration is simulated once."""
    by_pipeline = {profile.pipeline: profile for profile in profiles}
    terms = Terms(replications=replications, extrapolate=True)
    scenario = measured[0].scenario
    scenario = replace(scenario, seed=scenario.seed if seed is None else seed)
    weighing = Weighing(scenario, by_pipeline, terms)
    of = {setting.cell.key: setting for setting in weighing.weigh(one.cell for one in measured)}
    known = {one.cell.key: one for one in measured}
    found = []
    for question, own in questions(measured):
        search = recommend(weighing, [of[one.cell.key] for one in own if one.cell.key in of])
        found.append(Answer(question, tuple(own), known[search.recommended.cell.key]))
    return found


def calibrated(logs: Sequence[Path], measured: Sequence[Measured]) -> list[CalibrationProfile]:
    """A profile of each pipeline, from the calibration part only."""
    pipelines = sorted({one.cell.workload.pipeline for one in measured})
    return [calibrate_logs(logs, only=[f"pipeline={name}", *CALIBRATED_ON]) for name in pipelines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", type=Path)
    parser.add_argument("--replications", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of the simulation; default: that of the log")
    arguments = parser.parse_args()
    logs = arguments.logs or committed_logs()
    print_machine("numba")
    measured = read_measured(logs)
    print(f"{len(measured)} configurations were measured")
    profiles = calibrated(logs, measured)
    found = answers(measured, profiles, arguments.replications, arguments.seed)
    for one in found:
        print(
            f"{one.question} ({len(one.own)} measured): chosen {one.chosen.shown} "
            f"{one.chosen.median_s():.4g} s, best {one.best.shown} {one.best.median_s():.4g} s: "
            f"{100 * one.excess:+.1f} % (by rounds {100 * one.excess_by_round:+.1f} %)"
        )
    columns = {
        "chosen, median over queries": [one.excess for one in found],
        "chosen, mean over queries": [one.excess_of_mean for one in found],
        "chosen, median over rounds": [one.excess_by_round for one in found],
        "rule of thumb, median over queries": [one.rule_of_thumb for one in found],
        "best of half the rounds, likewise": [one.held_out for one in found],
    }
    for name, values in columns.items():
        excess = np.array(values)
        print(
            f"{name}: over the best by {100 * np.median(excess):.1f} % in median, "
            f"{100 * excess.max():.1f} % at most; within {100 * TARGET:.0f} %: "
            f"{int(np.sum(excess <= TARGET))} of {len(found)} questions"
        )


if __name__ == "__main__":
    main()
