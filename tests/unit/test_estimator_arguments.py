"""What DistributedEstimator takes, what it refuses, and what a result tells."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.primitives import BaseSamplerV2, StatevectorSampler
from qiskit.primitives.containers import PrimitiveResult
from qiskit.providers import JobStatus
from qiskit_aer.noise import NoiseModel

from qcutsim import DistributedEstimator, Limits
from qcutsim.errors import ExecutionError, InputError
from qcutsim.estimator.arguments import UNSET
from qcutsim.learning import model_circuit
from qcutsim.logreader import read_records
from qcutsim.records import QueryRecord, RunRecord, TaskRecord
from qcutsim.workload import WorkloadShape


def estimator(**options: object) -> DistributedEstimator:
    defaults = {"partition_labels": "AB", "shots": 100, "backend": "batched", "seed": 3}
    return DistributedEstimator(**{"pool": "inline", **defaults, **options})


class Stubborn(BaseSamplerV2):
    """A sampler whose seed cannot be replaced."""

    seed = 3

    def run(self, pubs: object, *, shots: int | None = None) -> None:
        raise NotImplementedError


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def model(qubits: int = 4) -> QuantumCircuit:
    feature_map, ansatz = model_circuit(qubits)
    return feature_map.compose(ansatz)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "shots is 0; expected a whole number of at least 1"),
        ({"shots": 10.5}, r"shots is 10\.5"),
        ({"shots": True}, "shots is True"),
        ({"shots": 10**19}, "shots is 10000000000000000000"),
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"partition_labels": 5}, "partition_labels is 5; expected one label a qubit"),
        ({"partition_labels": [[1], [2]]}, "one label a qubit"),
        ({"pool": 4}, "pool is 4; expected 'inline'"),
        ({"noise_model": "x", "backend": "aer"}, "expected a qiskit_aer NoiseModel"),
        ({"device": "cuda", "backend": "aer"}, "belongs to backend='batched'"),
        ({"backend": Stubborn()}, "Stubborn has a fixed seed.*give it none"),
        ({"shots": None, "total_shots": -1}, "total_shots is -1"),
        ({"shots": 10, "total_shots": 10}, "shots and total_shots were both given"),
        ({"max_qubits": 1}, "partition_labels and max_qubits were both given"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"num_samples": 10, "reconstruction": "tree"}, "num_samples draws some"),
        ({"reconstruction": "magic"}, "'magic' is not known; expected one of contracted"),
        ({"pipeline": "fast"}, "expected 'planned' or 'upstream'"),
        ({"backend": "qpu"}, "expected 'aer', 'batched' or a BaseSamplerV2"),
        ({"noise_model": NoiseModel()}, "noise_model belongs to backend='aer'"),
        ({"pass_manager": object()}, "pass_manager belongs to a sampler"),
        ({"device": "abacus"}, "device 'abacus' cannot be used.*take 'cpu'"),
        ({"pool": "cluster"}, "pool is 'cluster'"),
        ({"pipeline": "upstream"}, "'upstream' does not take backend 'batched'"),
        (
            {"pipeline": "upstream", "backend": "aer", "num_samples": 3},
            "'upstream' does not take num_samples",
        ),
        ({"backend": StatevectorSampler(), "pool": "processes:1"}, "cannot leave the process"),
        ({"policy": {"kind": "batched", "size": 0}}, r"policy 'batched': .*`size`|>= 1"),
        ({"policy": {"kind": "eager", "size": 3}}, "policy 'eager': .*unknown field `size`"),
        ({"policy": {"size": 3}}, "expected a kind, or .*kinds: batched, eager"),
        ({"policy": 7}, "policy is 7; expected a kind"),
        ({"window": 0}, "window is 0"),
        ({"timeout": 0}, "timeout is 0; expected a number of seconds above 0"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"timeout": "soon"}, "timeout is 'soon'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_does(options, message):
    with pytest.raises(InputError, match=message):
        estimator(**options)


def test_a_policy_that_is_not_installed_is_refused_by_name():
    with pytest.raises(InputError, match=r"'random'.*eager"):
        estimator(policy="random")


@pytest.mark.parametrize(
    ("pubs", "message"),
    [
        ([(bell(), "ZZZ")], "a PUB cannot be read"),
        ([(model(2), "ZZ")], "a PUB cannot be read"),
        ([(model(2), "ZZ", [float("nan")] * 6)], "not finite"),
        (bell(), r"run takes a list of PUBs"),
    ],
)
def test_pubs_that_cannot_be_read_are_refused_when_they_are_given(pubs, message):
    with pytest.raises(InputError, match=message):
        estimator().run(pubs)


@pytest.mark.parametrize("precision", [float("nan"), float("inf"), -0.1])
def test_a_precision_that_is_no_error_is_refused(precision):
    with pytest.raises(InputError, match=r"precision|PUB cannot be read"):
        estimator(shots=UNSET).run([(bell(), "ZZ")], precision=precision)


@pytest.mark.parametrize(("make", "value"), [(lambda a: 1 / a, 0.0), (lambda a: a.log(), -1.0)])
def test_an_angle_without_a_value_is_refused_with_where(make, value):
    a = Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.rx(make(a), 0)
    with pytest.raises(InputError, match=rf"no value at a={value:g}|not finite"):
        estimator(partition_labels=None).run([(circuit, "Z", [value])]).result()


def test_a_circuit_may_be_changed_once_its_job_has_begun():
    circuit = bell()
    with estimator(pool="threads:1", shots=None) as one:
        job = one.run([(circuit, "ZZ")])
        circuit.x(0)
        assert float(job.result()[0].data.evs) == pytest.approx(1)


def test_gates_of_one_name_that_differ_are_told_apart():
    class Mine(Gate):
        def __init__(self, matrix: np.ndarray) -> None:
            super().__init__("mine", 1, [])
            self._matrix = matrix

        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return self._matrix

    values = []
    one = estimator(partition_labels=None, shots=None)
    for matrix in (np.eye(2), np.array([[0, 1], [1, 0]])):
        circuit = QuantumCircuit(1)
        circuit.append(Mine(matrix.astype(complex)), [0])
        values.append(float(one.run([(circuit, "Z")]).result()[0].data.evs))
    assert values == pytest.approx([1, -1])


def test_a_precision_is_reached_for_every_observable_of_a_job():
    """Bases share the shots of a partition, which the budget allows for."""
    circuit = bell()
    circuit.ry(0.4, 0)
    one = estimator(partition_labels=None, shots=UNSET)
    observables = ["XX", "YY", "ZZ", "XY", "YX", {"XI": 1.0, "YI": 0.01, "ZI": 0.01}]
    (result,) = one.run([(circuit, observables)], precision=0.02).result()
    assert result.data.stds.max() < 0.021


def test_many_terms_and_qubits_are_no_trouble():
    """120 terms in one basis: means and covariances by one transform, not term by term."""
    qubits = 12
    circuit = QuantumCircuit(qubits)
    circuit.ry(0.3, range(qubits))
    pairs = [(i, j) for i in range(qubits) for j in range(i)]
    terms = {"".join("Z" if q in pair else "I" for q in range(qubits)): 1.0 for pair in pairs}
    (result,) = estimator(partition_labels=None, shots=50).run([(circuit, terms)]).result()
    assert abs(result.data.evs - len(pairs) * np.cos(0.3) ** 2) < 6 * result.data.stds


def test_numbers_beyond_any_float_are_shown_as_powers_of_ten():
    circuit = QuantumCircuit(500)
    for qubit in range(499):
        circuit.cx(qubit, qubit + 1)
    options = {"partition_labels": range(500)}
    assert "10^388.3" in str(estimator(**options).plan(circuit, "Z" * 500))
    with pytest.raises(InputError, match=r"sums over 10\^388\.3 joint terms"):
        estimator(reconstruction="vectorised", **options).run([(circuit, "Z" * 500)]).result()
    upstream = estimator(pipeline="upstream", backend="aer", **options)
    with pytest.raises(InputError, match=r"would generate 10\^391"):
        upstream.run([(circuit, "Z" * 500)]).result()


def test_a_partition_that_is_too_wide_is_refused_before_its_state_is_made():
    circuit = QuantumCircuit(70)
    circuit.h(range(70))
    for pipeline in ({}, {"pipeline": "upstream", "backend": "aer"}):
        one = estimator(partition_labels=None, **pipeline)
        with pytest.raises(InputError, match="70 qubits, whose state takes"):
            one.run([(circuit, "Z" * 70)]).result()


def test_a_job_too_large_for_memory_is_refused_with_what_to_do():
    one = estimator(partition_labels="ABCD", limits=Limits(memory_bytes=2000))
    values = np.random.default_rng(1).uniform(0, 6, (100, 12))
    with pytest.raises(InputError, match=r"100 bindings take.*fewer bindings a job"):
        one.run([(model(), "ZZZZ", values)]).result()


def test_a_sample_of_joint_terms_runs_only_the_settings_it_needs():
    """All-to-all on 8 qubits has 5^7 settings a partition; 20 draws need 20 of them at most."""
    circuit = QuantumCircuit(8)
    circuit.ry(0.5, range(8))
    for a in range(8):
        for b in range(a):
            circuit.rzz(0.1, a, b)
    one = estimator(partition_labels="ABCDEFGH", backend="aer", num_samples=20)
    (result,) = one.run([(circuit, "Z" * 8)]).result()
    assert result.metadata["subexperiments_executed"] <= 8 * 20
    with pytest.raises(InputError, match="78,125 settings"):
        estimator(
            partition_labels="ABCDEFGH", backend="aer", limits=Limits(subexperiments=10_000)
        ).run([(circuit, "Z" * 8)]).result()


def test_terms_of_weight_zero_are_never_drawn():
    circuit = QuantumCircuit(2)
    circuit.rzz(Parameter("a"), 0, 1)
    one = estimator(num_samples=10, shots=None)
    (result,) = one.run([(circuit, "ZZ", [0.0])]).result()
    assert (float(result.data.evs), float(result.data.stds)) == (1.0, 0.0)


def test_a_plan_without_values_takes_cut_angles_at_their_worst():
    circuit = QuantumCircuit(2)
    circuit.rzz(Parameter("a"), 0, 1)
    assert estimator().plan(circuit, "ZZ").accounting.sampling_overhead == pytest.approx(9)
    at_zero = estimator().plan(circuit, "ZZ", [0.0])
    assert at_zero.accounting.sampling_overhead == pytest.approx(1)


@pytest.mark.parametrize("name", ["cu", "rzx", "xx_plus_yy", "crz"])
def test_a_gate_whose_parameter_its_local_operations_need_is_refused_by_name(name):
    circuit = QuantumCircuit(2)
    gate = get_standard_gate_name_mapping()[name]
    circuit.append(type(gate)(*(Parameter(f"p{i}") for i in range(len(gate.params)))), [0, 1])
    values = np.full(circuit.num_parameters, 0.3)
    with pytest.raises(InputError, match=f"'{name}' has a free parameter"):
        estimator().run([(circuit, "ZZ", values)]).result()
    uncut = estimator(partition_labels="AA", shots=None).run([(circuit, "ZZ", values)]).result()
    bound = estimator(shots=None).run([(circuit.assign_parameters(values), "ZZ")]).result()
    assert float(uncut[0].data.evs) == pytest.approx(float(bound[0].data.evs))


def test_an_error_of_the_evaluation_comes_with_the_result():
    job = estimator(partition_labels="ABC").run([(bell(), "ZZ")])
    assert job.status() is JobStatus.ERROR
    with pytest.raises(InputError, match="name 3 qubits"):
        job.result()


def test_no_pub_is_an_empty_result():
    result = estimator().run([]).result()
    assert isinstance(result, PrimitiveResult)
    assert len(result) == 0


def test_a_closed_estimator_says_so():
    one = estimator()
    one.close()
    one.close()
    with pytest.raises(InputError, match="the estimator is closed"):
        one.run([(bell(), "ZZ")])


def test_an_observable_of_identities_needs_no_shots():
    for pipeline in ({}, {"pipeline": "upstream", "backend": "aer"}):
        (result,) = estimator(**pipeline).run([(bell(), {"II": 1.5})]).result()
        assert (float(result.data.evs), float(result.data.stds)) == (1.5, 0.0)
        assert result.metadata["subexperiments_executed"] == 0


def test_a_gradient_runs_only_the_partitions_that_hold_the_parameter():
    """8 parameters by parameter shift at 3 cuts: 17 x 864 circuits upstream, 300 here."""
    circuit = model()
    values = np.linspace(0.1, 1.2, circuit.num_parameters)
    weights = [i for i, p in enumerate(circuit.parameters) if p.vector.name != "x"]
    shifted = [values + sign * np.pi / 2 * np.eye(12)[i] for i in weights for sign in (1, -1)]
    pubs = [(circuit, "ZZZZ", values), *((circuit, "ZZZZ", row) for row in shifted)]
    result = estimator(partition_labels="ABCD").run(pubs).result()
    metadata = result[0].metadata
    assert metadata["coefficients"] == 216
    assert metadata["subexperiments_distinct"] == 60
    assert metadata["subexperiments_executed"] == 300
    assert metadata["shots_spent"] == 300 * 100
    assert metadata["shots_asked"] == 17 * 60 * 100


def test_a_plan_tells_the_cost_before_anything_runs(tmp_path):
    report = estimator(partition_labels="ABCD").plan(model(), "ZZZZ")
    assert report.accounting.distinct == 60
    assert report.shots == 6000
    assert report.expected_stds is None
    assert [cuts for _, _, cuts, _ in report.partitions] == [1, 2, 2, 1]
    assert report.shape.tasks == len(report.shape.task_classes())
    assert report.shape.subexperiments == 60
    assert "60 distinct" in str(report)
    path = report.write_shape(tmp_path / "shape.json")
    assert WorkloadShape.__name__ == type(report.shape).__name__
    assert b'"pipeline": "planned"' in path.read_bytes()


def test_the_plan_of_the_upstream_pipeline_tells_what_it_generates():
    one = estimator(partition_labels="ABC", pipeline="upstream", backend="aer")
    report = one.plan(model(3), "ZZZ")
    assert report.accounting.generated == 3 * 36
    assert report.accounting.distinct == 35
    assert report.shots == 3 * 36 * 100


def test_what_upstream_would_generate_is_limited():
    one = estimator(
        partition_labels="ABC",
        pipeline="upstream",
        backend="aer",
        limits=Limits(subexperiments=107),
    )
    with pytest.raises(InputError, match=r"would generate 108 subexperiments.*'planned'"):
        one.run([(model(3), "ZZZ", np.zeros(9))]).result()


def test_a_plan_does_not_change_what_the_next_job_draws():
    plain, planned = estimator(), estimator()
    planned.plan(bell(), "ZX")
    values = [float(e.run([(bell(), "ZX")]).result()[0].data.evs) for e in (plain, planned)]
    assert values[0] == values[1]


def test_the_expected_error_is_that_of_the_exact_distributions():
    """An uncut |+> measured in Z has variance 1 / shots."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    report = estimator(partition_labels=None, shots=400).plan(circuit, "Z")
    assert report.expected_stds == pytest.approx([0.05])
    assert report.nominal_variance == pytest.approx(1 / 400)


def test_a_variance_that_is_too_much_work_is_to_first_order_and_says_so():
    options = {"partition_labels": "ABCD", "shots": 4000}
    one = estimator(limits=Limits(variance_work=10), **options)
    other = estimator(**options)
    pub = (model(), "ZZZZ", np.linspace(0.1, 1.2, 12))
    first, exact = one.run([pub]).result()[0], other.run([pub]).result()[0]
    assert first.metadata["is_first_order"]
    assert not exact.metadata["is_first_order"]
    assert first.data.evs == exact.data.evs
    assert float(first.data.stds) == pytest.approx(float(exact.data.stds), rel=0.1)


def test_the_log_holds_every_query_and_task(tmp_path):
    log = tmp_path / "run.jsonl"
    with estimator(log=log, chunk=4) as one:
        one.run([(bell(), "ZZ")]).result()
        one.run([(bell(), ["ZZ", "XX"])]).result()
    run, *records = read_records(log)
    assert isinstance(run, RunRecord)
    queries = [r for r in records if isinstance(r, QueryRecord)]
    tasks = [r for r in records if isinstance(r, TaskRecord)]
    assert [q.query for q in queries] == [0, 1]
    assert [q.executed for q in queries] == [10, 20]
    assert sum(t.subexperiments for t in tasks) == 30
    assert all(q.reconstruction == "contracted" and q.reconstruction_work > 0 for q in queries)
    assert queries[0].pool == "inline"


def test_a_log_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(InputError, match="cannot append to this log"):
        estimator(log=tmp_path / "missing" / "run.jsonl")


def test_a_cancelled_job_says_so():
    with estimator(pool="threads:1") as one:
        circuit = model()
        values = np.random.default_rng(1).uniform(0, 6, (20_000, 12))
        job = one.run([(circuit, "ZZZZ", values)])
        job.cancel()
        with pytest.raises(ExecutionError, match="cancelled"):
            job.result()
        assert job.cancelled()


def test_parameters_of_a_circuit_go_by_its_own_order():
    b, a = Parameter("b"), Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.ry(b, 0)
    circuit.rz(a, 0)
    one = estimator(partition_labels=None, shots=None)
    (result,) = one.run([(circuit, "Z", [0.3, 0.9])]).result()  # a, b: sorted by name
    assert float(result.data.evs) == pytest.approx(np.cos(0.9))
