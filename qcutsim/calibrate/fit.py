"""From logs to a profile.

Service times come from pools of one worker, where nothing is shared; what sharing costs comes
from larger ones. Cold queries tell how a worker starts, and nothing else.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from qcutsim.calibrate.families import choose_family
from qcutsim.calibrate.poolfit import fit_pool, lacks_of
from qcutsim.calibrate.profile import PROFILE_SCHEMA, CalibrationProfile, PoolModel, StageModel
from qcutsim.calibrate.resampling import DRAWS, Resampling
from qcutsim.calibrate.samples import QuerySample, Samples, manifests_of, thinned_note
from qcutsim.calibrate.scales import Scale, fit_stage_scale
from qcutsim.calibrate.selection import query_filter
from qcutsim.calibrate.tables import QuantileTable
from qcutsim.calibrate.warmup import fit_warm_up, is_warm
from qcutsim.errors import CalibrationError
from qcutsim.logreader import SkipReport, read_queries
from qcutsim.records import QueryRecord, RunRecord

_STAGES = ("partition", "generate", "reconstruct")


def calibrate_logs(
    logs: Iterable[str | os.PathLike[str]],
    *,
    only: Sequence[str] = (),
    hold_out: Sequence[str] = (),
    skipped: SkipReport | None = None,
) -> CalibrationProfile:
    """Fit a profile to the warm queries of one or more logs of one pipeline.

    Args:
        logs: JSONL logs; without task records the models are coarser, and the profile says so.
        only: tests on query fields, all of which must hold, as ``"workers<=2"``.
        hold_out: queries for which all of these hold are left out, as ``"cuts=3"``.
        skipped: collects the lines that could not be read.

    Raises:
        LogError: a log cannot be read.
        InputError: a test is malformed.
        CalibrationError: the logs lack what a model needs; the message says which run to add.
    """
    chosen, held_out = query_filter(only), query_filter(hold_out, flag="--hold-out")
    skipped = SkipReport() if skipped is None else skipped
    samples = Samples()
    for log in read_queries(logs, skipped):
        query = log.query
        if query.outcome == "ok" and chosen(query) and not (hold_out and held_out(query)):
            samples.add(log)
    return _fit(samples, tuple(only), tuple(hold_out), skipped.count)


def _fit(
    samples: Samples, only: tuple[str, ...], hold_out: tuple[str, ...], skipped_lines: int
) -> CalibrationProfile:
    warm = samples.all_warm
    if not warm:
        raise CalibrationError(
            "no warm, successful query is left to calibrate on"
            + (f" once only {' and '.join(only)} is kept" if only else "")
            + (f" once {' and '.join(hold_out)} is held out" if hold_out else "")
            + "; run a scenario first with 'qcutsim run'"
        )
    pipeline, shots, reconstruction, allocation = _one_kind(warm)
    _refuse_mixtures(samples.runs)
    warm_up = {kind: fit_warm_up(own) for kind, own in _by_pool(warm).items()}
    steady = [sample for sample in warm if is_warm(sample, warm_up[sample.query.pool])]
    resampling = Resampling(steady)
    pools = dict(_pools(samples, steady, shots, warm_up))
    stages = {name: _stage_models(name, steady, resampling) for name in _STAGES}
    delays = np.concatenate([sample.delay_s for sample in warm])
    delayed = delays[delays > 0]
    lacks = [line for kind, pool in pools.items() for line in lacks_of(kind, pool)]
    note = thinned_note(samples)
    return CalibrationProfile(
        schema=PROFILE_SCHEMA,
        pipeline=pipeline,
        shots=shots,
        reconstruction=reconstruction,
        allocation=allocation,
        origin=samples.runs[0].origin,
        manifests=manifests_of(samples.runs),
        only=only,
        held_out=hold_out,
        queries=samples.queries,
        skipped_lines=skipped_lines,
        stragglers={
            "share": len(delayed) / len(delays) if len(delays) else 0.0,
            "mean_delay_s": float(delayed.mean()) if len(delayed) else 0.0,
        },
        cuts=tuple(sorted({sample.query.cuts for sample in warm})),
        lacks=(*lacks, *([note] if note else [])),
        bootstrap_draws=DRAWS,
        partition=stages["partition"],
        generate=stages["generate"],
        reconstruct=stages["reconstruct"],
        scales={name: _stage_scale(models) for name, models in stages.items()},
        pools=pools,
    )


def _one_kind(warm: Sequence[QuerySample]) -> tuple[str, int, str, str]:
    names = ("pipeline", "shots", "reconstruction", "allocation")
    kinds = {tuple(getattr(sample.query, name) for name in names) for sample in warm}
    if len(kinds) > 1:
        found = ", ".join(
            f"{pipeline} at {shots} shots, reconstruction {reconstruction}, allocation {allocation}"
            for pipeline, shots, reconstruction, allocation in sorted(kinds)
        )
        raise CalibrationError(
            f"the logs mix pipelines, shots, reconstructions or allocations ({found}); choose one "
            "with --only 'pipeline=...', --only 'shots=...', --only 'reconstruction=...' or --only "
            "'allocation=...'"
        )
    (kind,) = kinds
    return kind


def _by_pool(samples: Sequence[QuerySample]) -> dict[str, list[QuerySample]]:
    found: dict[str, list[QuerySample]] = {}
    for sample in samples:
        found.setdefault(sample.query.pool, []).append(sample)
    return found


def _pools(
    samples: Samples,
    steady: Sequence[QuerySample],
    shots: int,
    warm_up: Mapping[str, tuple[float, ...]],
) -> Iterator[tuple[str, PoolModel]]:
    cores = samples.runs[0].manifest.machine.cores
    for kind, own in _by_pool(steady).items():
        cold = [sample for sample in samples.cold if sample.query.pool == kind]
        pool = fit_pool(kind, own, cold, cores, shots, Resampling(own))
        yield kind, msgspec.structs.replace(pool, warm_up=warm_up[kind])


def _refuse_mixtures(runs: Sequence[RunRecord]) -> None:
    origins = sorted({run.origin for run in runs})
    if len(origins) > 1:
        raise CalibrationError(
            "the logs hold both measured and simulated runs; calibrate on one sort at a time"
        )
    machines = {run.manifest.machine for run in runs}
    if len(machines) > 1:
        found = "; ".join(sorted(f"{m.processor}, {m.cores} cores" for m in machines))
        raise CalibrationError(
            f"the logs come from different machines ({found}); calibrate on each by itself"
        )


def _stage_models(
    stage: str, warm: Sequence[QuerySample], resampling: Resampling
) -> tuple[StageModel, ...]:
    seen: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, sample in enumerate(warm):
        seen[_work(stage, sample.query), sample.query.labels].append(number)
    found = []
    for (work, labels), numbers in sorted(seen.items()):
        seconds = np.array([_seconds(stage, warm[number].query) for number in numbers])
        sums, counts = np.zeros(len(warm)), np.zeros(len(warm))
        sums[numbers], counts[numbers] = seconds, 1.0
        family, goodness = choose_family(seconds)
        found.append(
            StageModel(
                partition_labels=labels,
                work=work,
                seconds=QuantileTable.of(seconds),
                family=family,
                goodness=goodness,
                bootstrap=resampling.ratios(sums, counts),
            )
        )
    return tuple(found)


def _work(stage: str, query: QueryRecord) -> int:
    if stage == "partition":
        return len(set(query.partition_labels)) or 1
    if stage == "generate":
        return max(query.subexperiments, 1)
    return max(query.reconstruction_work, 1)


def _seconds(stage: str, query: QueryRecord) -> float:
    """Of a stage; what passes between the stages of a query counts as generation."""
    seconds: float = getattr(query, f"{stage}_s")
    if stage == "generate":
        stages_s = query.partition_s + query.generate_s + query.execute_s + query.reconstruct_s
        seconds += max(query.total_s - stages_s, 0.0)
    return seconds


def _stage_scale(models: Sequence[StageModel]) -> Scale:
    return fit_stage_scale([m.work for m in models], [m.seconds.median for m in models])
