"""What a query of the planned pipeline may cost, apart from its plan."""

from __future__ import annotations

from collections.abc import Sequence

from qcutsim.errors import InputError
from qcutsim.estimator.counts import show_count
from qcutsim.estimator.plan import CutPlan, Limits
from qcutsim.estimator.units import Unit
from qcutsim.estimator.workoptions import SAMPLED_RECONSTRUCTIONS, WorkOptions


def check_joint_terms(plan: CutPlan, options: WorkOptions, *, is_sample: bool) -> None:
    """Raises ``InputError`` where a strategy would sum over more joint terms than the limit."""
    kind, limits = options.reconstruction.kind, options.limits
    sums_terms = not is_sample and kind in SAMPLED_RECONSTRUCTIONS
    if sums_terms and plan.coefficients > limits.joint_terms:
        count = show_count(plan.coefficients)
        raise InputError(
            f"reconstruction {kind!r} sums over {count} joint terms "
            f"(limit {limits.joint_terms:,}); take 'contracted', draw num_samples, or raise "
            "limits.joint_terms"
        )


def check_memory(plan: CutPlan, units: Sequence[Unit], bindings: int, limits: Limits) -> None:
    """Raises ``InputError`` where outcomes and covariances of all rows take more than the limit.

    They live at one time.
    """
    needed = 0
    for unit in units:
        terms = plan.partitions[unit.partitions[0][0]].terms
        each = unit.bases * unit.template.program.outcomes + len(terms.masks) ** 2
        needed += 8 * len(unit.values) * len(unit.settings) * each
    limit = 4 * limits.memory_bytes
    if needed > limit:
        raise InputError(
            f"the outcomes of {bindings:,} bindings take {needed / 2**30:.1f} GiB "
            f"(limit {limit / 2**30:.1f} GiB, four times limits.memory_bytes); send fewer "
            "bindings a job, measure fewer terms, or make partitions narrower"
        )
