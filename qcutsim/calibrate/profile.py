"""The calibration profile: what the simulator knows of a machine and a pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from qcutsim.calibrate.tables import LONGEST_S, QuantileTable
from qcutsim.cell import key_of
from qcutsim.errors import ProfileError
from qcutsim.files import write_whole
from qcutsim.manifest import Manifest

PROFILE_SCHEMA = 1

Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TaskModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Service of one class of subexperiment by a worker that has the host to itself.

    ``service_s`` is wall time without injected delay, ``cpu_s`` the CPU time within it.
    """

    mid_circuit_measurements: Count
    width: AtLeastOne
    depth: Count
    service_s: QuantileTable
    cpu_s: QuantileTable

    @property
    def features(self) -> tuple[int, int, int]:
        """As :attr:`qcutsim.workload.TaskClass.features`."""
        return (self.mid_circuit_measurements, self.width, self.depth)


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the workers of one host share: its cores, or one interpreter lock.

    n busy workers advance together at ``min(n, capacity)``, times ``efficiency`` where n > 1.
    """

    resource: Literal["cores", "lock"]
    capacity: AtLeastOne
    efficiency: Annotated[float, msgspec.Meta(gt=0, le=1)]
    efficiency_from: str


class PoolModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of pool: its tasks' service, and what the coordinator does for each task.

    Between a task's end and its worker's next start lie ``collect_s`` (end to collected, of which
    the coordinator works for ``collect_cpu_share``), ``dispatch_s`` (collected to the next task
    dispatched, all of it the coordinator's work) and ``start_s`` (dispatched to started).
    ``idle_gap_s`` is that gap as measured, for reference. ``waiting_share`` is the part of the
    service of a worker alone in which it got no CPU: more than a few per cent mean that other
    programs used the host.
    """

    workers: Annotated[tuple[AtLeastOne, ...], msgspec.Meta(min_length=1)]
    sharing: Sharing
    collect_s: QuantileTable
    collect_cpu_share: Share
    dispatch_s: QuantileTable
    start_s: QuantileTable
    idle_gap_s: QuantileTable
    coordinator_cpu_per_task_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)]
    waiting_share: Share
    tasks: Annotated[tuple[TaskModel, ...], msgspec.Meta(min_length=1)]


class StageModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage on the coordinator for one set of partition labels, and its work measure."""

    partition_labels: str
    work: AtLeastOne
    seconds: QuantileTable


Stages = Annotated[tuple[StageModel, ...], msgspec.Meta(min_length=1)]


class CalibrationProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Service models of one pipeline on one machine, in seconds.

    The work measure of ``generate`` is subexperiments, of ``reconstruct`` coefficients x
    partitions x shots (the per-shot loop), of ``partition`` 1.
    """

    schema: int
    pipeline: str
    shots: AtLeastOne
    origin: Literal["measured", "simulated"]
    manifests: Annotated[tuple[Manifest, ...], msgspec.Meta(min_length=1)]
    only: tuple[str, ...]
    queries: Count
    skipped_lines: Count
    stragglers: dict[str, float]
    partition: Stages
    generate: Stages
    reconstruct: Stages
    pools: dict[str, PoolModel]

    @property
    def key(self) -> str:
        """SHA-256 of the content."""
        return key_of(msgspec.to_builtins(self))


def save_profile(profile: CalibrationProfile, path: str | os.PathLike[str]) -> Path:
    """Write the profile as indented JSON, replacing the file whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    return write_whole(Path(path), msgspec.json.format(msgspec.json.encode(profile), indent=1))


def load_profile(path: str | os.PathLike[str]) -> CalibrationProfile:
    """Read a profile.

    Raises:
        ProfileError: it is missing, not a profile, or of another schema version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot be read ({error.strerror}); make one with 'qcutsim calibrate'"
        ) from None
    try:
        plain: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProfileError(f"{path}: not JSON: {error}") from None
    if not isinstance(plain, dict) or "schema" not in plain:
        raise ProfileError(f"{path}: not a calibration profile: field 'schema' is missing")
    if plain["schema"] != PROFILE_SCHEMA:
        raise ProfileError(
            f"{path}: field 'schema' is {plain['schema']!r}; this version of qcutsim reads "
            f"{PROFILE_SCHEMA}; calibrate again from the logs"
        )
    try:
        return msgspec.convert(plain, CalibrationProfile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{path}: not a calibration profile: {error}") from None
