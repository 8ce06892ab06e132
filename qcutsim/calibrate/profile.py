"""The calibration profile: what the simulator knows of a machine and a pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from qcutsim.calibrate.effects import Effects
from qcutsim.calibrate.families import Family, Goodness
from qcutsim.calibrate.scales import Scale
from qcutsim.calibrate.tables import LONGEST_S, Array, QuantileTable, Sampler
from qcutsim.calibrate.tails import NaturalStragglers
from qcutsim.cell import key_of
from qcutsim.errors import ProfileError
from qcutsim.files import write_whole
from qcutsim.manifest import Manifest

PROFILE_SCHEMA = 2

Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Ratios = tuple[Annotated[float, msgspec.Meta(ge=0, le=1e6)], ...]
"""One a bootstrap draw: the mean in that draw over the mean of all observations."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TaskModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Service of one class of tasks by a worker that has the host to itself.

    ``service_s`` is wall time without injected delay, without what a query or round did to it and
    without stragglers; ``cpu_s`` the CPU time within it. ``family`` replaces the table where it
    predicts as well.
    """

    mid_circuit_measurements: Count
    width: AtLeastOne
    depth: Count
    subexperiments: AtLeastOne = 1
    service_s: QuantileTable
    cpu_s: QuantileTable
    family: Family | None = None
    goodness: Goodness | None = None
    bootstrap: Ratios = ()

    @property
    def features(self) -> tuple[int, int, int, int]:
        """As :attr:`qcutsim.workload.TaskClass.features`."""
        return (self.mid_circuit_measurements, self.width, self.depth, self.subexperiments)

    def at(self, probabilities: Array) -> Array:
        """Service times in seconds; same shape."""
        return self.sampler()(probabilities)

    def sampler(self) -> Sampler:
        """:meth:`at`, made ready for many calls."""
        return self.family.at if self.family else self.service_s.sampler()


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the workers of one host share: its cores, or one interpreter lock.

    n busy workers advance together at ``min(n, capacity)``, times ``efficiency`` where n > 1.
    Where neither cores nor CPU times are known the rate is ``learned``: ``rates[i]`` is that of
    ``sizes[i]`` busy workers, linear between them; beyond the largest nothing is known. Where it
    is ``unknown`` not even that, and only one worker can be simulated.
    """

    resource: Literal["cores", "lock", "learned", "unknown"]
    capacity: AtLeastOne
    efficiency: Annotated[float, msgspec.Meta(gt=0, le=1)]
    efficiency_from: str
    sizes: tuple[AtLeastOne, ...] = ()
    rates: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] = ()
    bootstrap: Ratios = ()


class PoolModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of pool: its tasks' service, and what the coordinator does for each task.

    Between a task's end and its worker's next start lie ``collect_s`` (end to collected, of which
    the coordinator works for ``collect_cpu_share``), ``dispatch_s`` (collected to the next task
    dispatched, all of it the coordinator's work) and ``start_s`` (dispatched to started).
    ``idle_gap_s`` is that gap as measured, for reference. ``dispatch_s_per_byte`` and
    ``collect_s_per_byte`` are what a byte of payload or result more than ``payload_bytes`` and
    ``result_bytes`` (the means) costs. ``waiting_share`` is the part of the service of a worker
    alone in which it got no CPU: more than a few per cent mean that other programs used the host.
    ``shared_wait_s`` is how much longer a worker of a larger pool is idle between two tasks
    although a core is free: the system wakes it where another one runs. ``cold_start_s`` is how
    much longer a worker's first task takes, ``warm_up`` the factors on the time of the first
    queries of a block. ``scale`` stands in for classes that were not calibrated.
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
    is_coarse: bool = False
    scale: Scale | None = None
    effects: Effects = Effects()
    stragglers: NaturalStragglers = NaturalStragglers()
    cold_start_s: QuantileTable | None = None
    warm_up: Ratios = ()
    payload_bytes: float = 0.0
    result_bytes: float = 0.0
    dispatch_s_per_byte: float = 0.0
    collect_s_per_byte: float = 0.0
    shared_wait_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)] = 0.0
    overhead_bootstrap: Ratios = ()


class StageModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage on the coordinator for one set of partition labels, and its work measure.

    ``partition_labels`` of one's own circuit stand after its name, as in ``ghz-0a1b2c3d AABB``.
    """

    partition_labels: str
    work: AtLeastOne
    seconds: QuantileTable
    family: Family | None = None
    goodness: Goodness | None = None
    bootstrap: Ratios = ()

    def at(self, probabilities: Array) -> Array:
        """Seconds of the stage; same shape."""
        return self.sampler()(probabilities)

    def sampler(self) -> Sampler:
        """:meth:`at`, made ready for many calls."""
        return self.family.at if self.family else self.seconds.sampler()


Stages = Annotated[tuple[StageModel, ...], msgspec.Meta(min_length=1)]


class CalibrationProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Service models of one pipeline on one machine, in seconds.

    The work measure of ``generate`` is subexperiments, of ``reconstruct`` coefficients x
    partitions x shots (the per-shot loop) or the steps of the contraction, of ``partition`` the
    number of partitions. ``scales`` has, for each stage, how its seconds grow with that measure.
    ``lacks`` names in words what the logs could not tell. ``discrepancy_sd`` is by how much the
    logarithm of a simulated makespan misses the measured one on the ``assessed`` configurations it
    was calibrated on, beyond what their queries' spread explains.
    """

    schema: int
    pipeline: str
    shots: AtLeastOne
    reconstruction: str | None = None
    allocation: str = "uniform"
    origin: Literal["measured", "simulated"]
    manifests: Annotated[tuple[Manifest, ...], msgspec.Meta(min_length=1)]
    only: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    queries: Count
    skipped_lines: Count
    stragglers: dict[str, float]
    cuts: tuple[Count, ...] = ()
    lacks: tuple[str, ...] = ()
    bootstrap_draws: Count = 0
    discrepancy_sd: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    assessed: Count = 0
    partition: Stages
    generate: Stages
    reconstruct: Stages
    scales: dict[str, Scale] = {}
    pools: dict[str, PoolModel]

    @property
    def key(self) -> str:
        """SHA-256 of the content."""
        return key_of(msgspec.to_builtins(self))

    def _repr_html_(self) -> str:
        from qcutsim.report import as_html  # a notebook asks from below; nothing else does

        return as_html(self)


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
