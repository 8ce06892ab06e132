"""The JSONL log of an estimator: a run, then every query with its tasks."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.estimator.estimate import QueryOutcome
from qcutsim.estimator.pipeline import Query
from qcutsim.manifest import collect_manifest
from qcutsim.records import SCHEMA, LogWriter, QueryRecord, RunRecord, append_records


class EstimatorLog:
    """Appends to a log.

    Its first record is written at once, so that a path that cannot be written is told early.

    Args:
        path: of the log.
        configuration: of the estimator; its hash tells configurations apart.
    """

    def __init__(self, path: str | os.PathLike[str], configuration: dict[str, Any]) -> None:
        self._path = Path(path).absolute()
        self._configuration = configuration
        self._policy: dict[str, Any] = configuration["policy"]
        encoded = msgspec.json.encode(configuration, order="sorted")
        self._key = hashlib.sha256(encoded).hexdigest()
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        run = RunRecord(
            schema=SCHEMA,
            run=f"{self._key[:12]}-{started_at}",
            origin="measured",
            manifest=collect_manifest(),
            scenario={"name": "estimator", **configuration},
            scenario_key=self._key,
            seed=configuration["seed"],
            started_at=started_at,
        )
        with LogWriter(self._path) as writer:
            writer.write(run)

    def write(self, number: int, query: Query, outcome: QueryOutcome) -> None:
        """Append a query and its tasks. Raises ``LogError`` where it cannot be written."""
        accounting, shape = outcome.accounting, outcome.shape
        query_record = QueryRecord(
            query=number,
            **outcome.record_fields(),
            cell=self._key,
            repetition=0,
            index=number,
            dataset="caller",
            partition_labels=query.cut.shown,
            observable=shape.observable,
            shots=query.shots.each or 0,
            allocation=query.shots.allocation,
            bindings=query.bindings,
            request="estimate",
            pipeline=shape.pipeline,
            subexperiments=accounting.distinct,
            executed=accounting.executed,
            pool=self._configuration["pool"],
            workers=self._configuration["workers"],
            policy=self._policy["kind"],
            policy_parameters={k: v for k, v in self._policy.items() if k != "kind"},
            cancel=self._configuration["cancel"],
            window=self._configuration["window"],
            timeout_s=self._configuration["timeout_s"],
            straggler_probability=0.0,
            straggler_delay_s=0.0,
            precision=query.shots.precision,
        )
        append_records(self._path, [*outcome.task_records(number), query_record])
