"""With shots, values scatter about the exact one as widely as their standard errors say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from circuits import chain, exact_values
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_addon_cutting.instructions import CutWire
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_aer.primitives import SamplerV2 as AerSampler
from scipy import stats

from qcutsim import DistributedEstimator, Limits
from qcutsim.errors import InputError

FALSE_ALARMS = 1e-4


@dataclass(frozen=True)
class Sampled:
    """A circuit without parameters, an observable, and how to estimate it."""

    circuit: QuantumCircuit
    observable: SparsePauliOp
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def pub(self):
        return self.circuit, self.observable

    @property
    def exact(self):
        return exact_values(self.circuit, [self.observable], np.zeros((1, 0))).item()

    def repeated(self, times, seed):
        """Values and standard errors of as many jobs of one estimator."""
        with estimator(seed=seed, **self.options) as made:
            data = [made.run([self.pub]).result()[0].data for _ in range(times)]
        return np.array([d.evs for d in data]), np.array([d.stds for d in data])


def estimator(**options):
    return DistributedEstimator(**{"backend": "batched", "pool": "inline", **options})


ANGLES = np.random.default_rng(12).uniform(-3, 3, (2, 4))
CHAIN = chain(4, *ANGLES)
ONE_TERM = SparsePauliOp("ZZZZ")
SEVERAL_TERMS = SparsePauliOp(["ZZZZ", "XXII", "IZZI", "IYIX", "IIII"], [0.7, -1.2, 0.4, 0.9, 2.0])


def with_cut_wires():
    circuit = QuantumCircuit(3)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.rx(0.4, 1)
    circuit.append(CutWire(), [1])
    circuit.cx(1, 2)
    circuit.ry(0.3, [1, 2])
    return circuit


def with_cut_rotations():
    circuit = QuantumCircuit(3)
    circuit.ry(0.9, [0, 1, 2])
    circuit.rzz(0.8, 0, 1)
    circuit.rxx(-2.1, 2, 1)
    circuit.rx(0.5, [0, 1, 2])
    return circuit


def two_in_superposition():
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    return circuit


ABCD = {"partition_labels": "ABCD"}
SAMPLED = {
    "each": Sampled(CHAIN, ONE_TERM, {**ABCD, "shots": 300}),
    "several terms": Sampled(CHAIN, SEVERAL_TERMS, {**ABCD, "shots": 300}),
    "total": Sampled(CHAIN, SEVERAL_TERMS, {**ABCD, "total_shots": 20_000}),
    "joint terms drawn": Sampled(CHAIN, ONE_TERM, {**ABCD, "shots": 200, "num_samples": 300}),
    "rotations": Sampled(
        with_cut_rotations(),
        SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]),
        {"partition_labels": "ABA", "shots": 200},
    ),
    "rotations, terms drawn": Sampled(
        with_cut_rotations(),
        SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]),
        {"partition_labels": "ABC", "shots": 200, "num_samples": 200},
    ),
    "wire": Sampled(
        with_cut_wires(), SparsePauliOp(["ZZZ", "IXY", "ZII"], [1, 0.5, 0.3]), {"shots": 200}
    ),
    "found cuts": Sampled(CHAIN, SEVERAL_TERMS, {"max_qubits": 3, "shots": 300}),
    "uncut": Sampled(CHAIN, SEVERAL_TERMS, {"shots": 300}),
}
SMALL_UPSTREAM = Sampled(
    chain(2, [0.4, 0.9], [0.3, 0.8]),
    SparsePauliOp(["ZZ", "XI"], [1.0, 0.5]),
    {"partition_labels": "AB", "pipeline": "upstream", "backend": "aer", "shots": 300},
)


def assert_scatter_is_as_reported(evs, stds, exact):
    """Chi-square of the z values, both tails: errors that are too large are wrong as well."""
    z = (evs - exact) / stds
    low, high = stats.chi2.ppf([FALSE_ALARMS / 2, 1 - FALSE_ALARMS / 2], z.size)
    assert low < np.sum(z**2) < high
    assert abs(z.mean()) * np.sqrt(z.size) < stats.norm.isf(FALSE_ALARMS / 2)


@pytest.mark.parametrize("case", SAMPLED.values(), ids=SAMPLED)
def test_sampled_values_agree_with_the_statevector_within_their_errors(case):
    """Mean and chi-square of z over 100 jobs, seed 1; false-alarm rate 2e-4 a case."""
    assert_scatter_is_as_reported(*case.repeated(100, seed=1), case.exact)


def test_upstream_values_agree_with_the_statevector_within_their_errors():
    """As above, over 25 jobs; false-alarm rate 2e-4."""
    evs, stds = SMALL_UPSTREAM.repeated(25, seed=1)
    assert_scatter_is_as_reported(evs, stds, SMALL_UPSTREAM.exact)


def relative_error(evs, stds, exact):
    """Root mean square of the standard errors over the spread about the exact value, less one."""
    return np.sqrt(np.mean(stds**2) / np.mean((evs - exact) ** 2)) - 1


@pytest.mark.parametrize("case", SAMPLED.values(), ids=SAMPLED)
def test_the_standard_error_is_the_spread_of_repeated_jobs(case):
    """Within 10 %, seed 2. The spread of 1000 normal values is known to 2.2 %, so a right error
    is taken for a wrong one at a rate of 1e-5 a case.
    """
    assert abs(relative_error(*case.repeated(1000, seed=2), case.exact)) < 0.1


def test_the_standard_error_holds_where_both_factors_of_a_value_vanish():
    """Two means of N shots about 0: their product has variance 1/N^2, and first order gives 0.

    Within 10 %, seed 3, of the spread and of 1/N. The spread of 4000 products of normal values is
    known to 2.2 % and the error is 6 % off by design, so the false-alarm rate is 7 %; it is that
    of another seed, as this one is fixed.
    """
    shots = 400
    case = Sampled(
        two_in_superposition(), SparsePauliOp("ZZ"), {"partition_labels": "AB", "shots": shots}
    )
    evs, stds = case.repeated(4000, seed=3)
    assert abs(relative_error(evs, stds, 0.0)) < 0.1
    assert np.sqrt(np.mean(stds**2)) == pytest.approx(1 / shots, rel=0.1)


def test_the_standard_error_of_drawn_terms_holds_to_first_order_too():
    """Within 10 %, seed 6, 1000 jobs; false-alarm rate 1e-5."""
    options = {**ABCD, "shots": 200, "num_samples": 100, "limits": Limits(variance_work=1)}
    case = Sampled(CHAIN, ONE_TERM, options)
    evs, stds = case.repeated(1000, seed=6)
    assert abs(relative_error(evs, stds, case.exact)) < 0.1


def test_the_standard_error_holds_where_all_first_orders_of_a_cut_value_vanish():
    """Then the variance is a sum of many products of means about 0, and their sum is certain.

    Within 10 %, seed 3, 2000 jobs; false-alarm rate 1e-5.
    """
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    circuit.rzz(2.0, 0, 1)
    circuit.sx(1)
    options = {"partition_labels": "AB", "shots": 1000}
    evs, stds = Sampled(circuit, SparsePauliOp("ZY"), options).repeated(2000, seed=3)
    assert abs(relative_error(evs, stds, 0.0)) < 0.1


@pytest.mark.parametrize(("options", "shots"), [({"shots": 50}, 50), ({"total_shots": 400}, 400)])
def test_shots_are_what_was_asked_for(options, shots):
    """The variance of an uncut Z is (1 - <Z>^2) / N, within 2 %; 100 jobs, seed 4.

    At 50 shots the mean over 100 jobs is known to 0.5 %: false-alarm rate 1e-4.
    """
    circuit = QuantumCircuit(1)
    circuit.ry(1.0, 0)
    _, stds = Sampled(circuit, SparsePauliOp("Z"), options).repeated(100, seed=4)
    expected = np.sin(1.0) / np.sqrt(shots)
    assert np.sqrt(np.mean(stds**2)) == pytest.approx(expected, rel=0.02)


def shifted_pub():
    """One free angle in each of three partitions: a shift in one leaves the others' shots alone."""
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(angles[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.rx(0.4, [0, 1, 2])
    values = np.array([2.16, -1.52, -2.15])
    shift = np.array([0, 0, np.pi / 2])
    return circuit, SparsePauliOp(["ZZZ", "IXZ"], [1, 0.5]), [values + shift, values - shift]


def covariances(times, seed, **options):
    """Values (jobs, 2) and reported covariances (jobs, 2, 2) of two shifted bindings."""
    with estimator(partition_labels="ABC", seed=seed, covariance=True, **options) as made:
        results = [made.run([shifted_pub()]).result() for _ in range(times)]
    evs = np.array([result[0].data.evs for result in results])
    reported = np.array([result.metadata["covariance"] for result in results])
    for result, matrix in zip(results, reported, strict=True):
        np.testing.assert_allclose(np.diag(matrix), result[0].data.stds ** 2, rtol=1e-12)
        np.testing.assert_array_equal(matrix, matrix.T)
    return evs, reported


@pytest.mark.parametrize("options", [{"shots": 200}, {"shots": 100, "num_samples": 200}], ids=str)
def test_the_covariance_of_shifted_bindings_is_that_of_repeated_jobs(options):
    """A z test of every entry over 1000 jobs, seed 5, at 4.5 sigma; false-alarm rate 2e-5 a case.

    The two share the shots of two partitions of three, so they covary, which the test must see.
    The spread of a gradient, half their difference, is within 10 % of what follows: rate 1e-5.
    """
    circuit, observable, values = shifted_pub()
    evs, reported = covariances(1000, seed=5, **options)
    deviations = evs - exact_values(circuit, [observable], np.array(values))[:, 0]
    differences = deviations[:, :, None] * deviations[:, None, :] - reported
    errors = differences.std(axis=0) / np.sqrt(len(evs))
    assert np.all(np.abs(differences.mean(axis=0)) < 4.5 * errors)
    assert abs(reported[:, 0, 1].mean()) > 9 * errors[0, 1], "it could be taken for zero"
    weights = np.array([0.5, -0.5])
    expected = np.sqrt(np.mean(weights @ reported @ weights))
    assert np.std(evs @ weights) == pytest.approx(expected, rel=0.1)


def test_the_covariance_reaches_over_pubs_in_their_order():
    """Entries are points, PUB after PUB; two PUBs give what one of two points gives."""
    circuit, observable, values = shifted_pub()
    with estimator(partition_labels="ABC", shots=200, seed=6, covariance=True) as made:
        apart = made.run([(circuit, observable, row) for row in values]).result()
    with estimator(partition_labels="ABC", shots=200, seed=6, covariance=True) as made:
        together = made.run([shifted_pub()]).result()
    evs = [result.data.evs.item() for result in apart]
    np.testing.assert_allclose(evs, together[0].data.evs, rtol=1e-12)
    np.testing.assert_allclose(
        apart.metadata["covariance"], together.metadata["covariance"], rtol=1e-9
    )


def jobs_of(**options):
    """Values of two jobs in turn of one estimator: several bindings, terms and partitions."""
    circuit, observable, values = shifted_pub()
    rows = np.array([*values, values[0]])
    pubs = [(circuit, ["ZZZ", observable], rows[:, None]), (CHAIN.copy(), "XZZY")]
    with estimator(max_qubits=2, shots=64, seed=8, **options) as made:
        jobs = [made.run(pubs).result() for _ in range(2)]
    return [np.concatenate([result.data.evs.reshape(-1) for result in job]) for job in jobs]


@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 1},
        {"chunk": 3},
        {"backend": "aer"},
        {"backend": "aer", "chunk": 3},
        {"pool": "threads:2"},
        {"pool": "threads:2", "chunk": 1},
        {"pool": "threads:2", "backend": "aer"},
        {"reconstruction": "tree"},
        {"reconstruction": "incremental", "pool": "threads:2", "chunk": 3},
        {"pool": "processes:2", "backend": "aer"},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_values_however_they_are_computed(options):
    """Counts are the same; how sums are ordered may show in the last digits."""
    for values, others in zip(jobs_of(), jobs_of(**options), strict=True):
        np.testing.assert_allclose(values, others, rtol=0, atol=1e-12)


def test_every_job_has_shots_of_its_own_and_the_same_seed_repeats_them_in_order():
    first, second = jobs_of()
    assert np.all(first[:2] != second[:2])
    repeated = jobs_of()
    np.testing.assert_array_equal(first, repeated[0])
    np.testing.assert_array_equal(second, repeated[1])


def test_other_seeds_give_other_values():
    pub = (CHAIN, ONE_TERM)
    values = []
    for seed in (1, 2, None, None):
        with estimator(partition_labels="ABCD", shots=100, seed=seed) as made:
            values.append(made.run([pub]).result()[0].data.evs.item())
    assert len(set(values)) == 4


def with_one_cut(name, *angles):
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, [0, 1])
    getattr(circuit, name)(*angles, 0, 1)
    circuit.rx(0.5, [0, 1])
    return circuit


PRECISE = {
    "one cut": (with_one_cut("cx"), SparsePauliOp("YY"), "AB"),
    "one weak cut": (with_one_cut("rzz", 0.1), SparsePauliOp("YY"), "AB"),
    "chain": (CHAIN, ONE_TERM, "ABCD"),
    "several terms": (CHAIN, SEVERAL_TERMS, "AABB"),
    "wires": (with_cut_wires(), SparsePauliOp("ZXY"), None),
    "uncut": (CHAIN, SEVERAL_TERMS, None),
    "rotations": (with_cut_rotations(), SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]), "ABC"),
    "one large weight": (
        two_in_superposition(),
        SparsePauliOp(["ZI", "XI", "YI"], [1, 0.01, 0.01]),
        None,
    ),
}


@pytest.mark.parametrize(("circuit", "observable", "labels"), PRECISE.values(), ids=PRECISE)
def test_a_precision_is_kept(circuit, observable, labels):
    """Reported errors scatter themselves, so 2 % above is let pass."""
    with estimator(partition_labels=labels, seed=9) as made:
        (result,) = made.run([(circuit, observable)], precision=0.05).result()
    assert 0 < result.data.stds <= 0.05 * 1.02
    assert result.metadata["precision_asked"] == 0.05


def test_a_precision_of_zero_asks_for_exact_values():
    with estimator(partition_labels="ABCD", seed=9) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)], precision=0).result()
    exact = Sampled(CHAIN, ONE_TERM).exact
    assert result.data.evs == pytest.approx(exact, abs=1e-9)
    assert result.data.stds == 0
    assert result.metadata["shots_spent"] == 0


def test_without_shots_and_precision_the_error_is_at_most_that_of_qiskit():
    with estimator(partition_labels="ABCD", seed=9) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    assert 0 < result.data.stds <= 0.015625
    assert result.metadata["precision_asked"] is None


@pytest.mark.parametrize("shots", [{"shots": 10}, {"total_shots": 500}, {"shots": None}])
def test_given_shots_win_over_a_precision_which_is_on_record(shots):
    with estimator(**shots, seed=9) as made:
        plain, asked = (
            made.run([(CHAIN, ONE_TERM)], precision=precision).result()[0]
            for precision in (None, 0.001)
        )
    assert asked.metadata["precision_asked"] == 0.001
    assert plain.metadata["precision_asked"] is None
    spent = {"shots": shots.get("shots") or 0, "total_shots": 500}[next(iter(shots))]
    assert asked.metadata["shots_spent"] == plain.metadata["shots_spent"] == spent


def test_each_pub_of_a_job_has_its_own_precision():
    pubs = [(CHAIN, ONE_TERM, None, precision) for precision in (0.1, 0.02, 0)]
    with estimator(partition_labels="AABB", seed=9) as made:
        rough, fine, exact = made.run(pubs, precision=0.5).result()
    assert exact.data.stds == 0 < fine.data.stds <= 0.02 < rough.data.stds <= 0.1


def test_a_budget_below_one_shot_a_subexperiment_is_refused():
    with estimator(partition_labels="ABCD", total_shots=500, seed=9) as made:
        distinct = made.run([(CHAIN, ONE_TERM)]).result()[0].metadata["subexperiments_distinct"]
    for total_shots in (1, distinct - 1):
        with (
            estimator(partition_labels="ABCD", total_shots=total_shots) as made,
            pytest.raises(InputError, match=f"{total_shots} shots.*at least {distinct}"),
        ):
            made.run([(CHAIN, ONE_TERM)]).result()
    with estimator(partition_labels="ABCD", total_shots=distinct) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    assert result.metadata["shots_spent"] == distinct


SAMPLERS = {
    "statevector": lambda: StatevectorSampler(seed=np.random.default_rng(11)),
    "statevector, fixed seed": lambda: StatevectorSampler(seed=11),
    "aer, fixed seed": lambda: AerSampler(seed=11),
    "backend, fixed seed": lambda: BackendSamplerV2(
        backend=AerSimulator(), options={"seed_simulator": 11}
    ),
}


@pytest.mark.parametrize(
    ("name", "pool"),
    [*((name, "inline") for name in SAMPLERS), ("statevector", "threads:1")],
)
def test_a_sampler_may_be_the_backend(name, pool):
    """Mean and chi-square of z over 30 jobs, seed 11; false-alarm rate 2e-4 a case."""
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, [0, 1])
    circuit.cp(0.8, 1, 0)
    circuit.rx(0.5, [0, 1])
    observable = SparsePauliOp(["ZZ", "XI"], [1, -0.5])
    options = {"partition_labels": "AB", "backend": SAMPLERS[name](), "pool": pool, "shots": 200}
    case = Sampled(circuit, observable, options)
    assert_scatter_is_as_reported(*case.repeated(30, seed=11), case.exact)


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_a_sampler_is_given_every_binding(make):
    """A z test at 4.5 sigma of 12 values, controlled rotations among the gates.

    False-alarm rate 1e-4 a case.
    """
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    circuit.ry(angles[0], [0, 1, 2])
    circuit.crx(angles[1], 0, 1)
    circuit.cx(1, 2)
    circuit.cp(angles[2] * angles[0], 0, 1)
    circuit.rx(0.4, [0, 1, 2])
    rows = np.random.default_rng(1).uniform(-3, 3, (6, 3))
    observables = [SparsePauliOp(["ZZZ", "IXY"], [1, 0.5]), SparsePauliOp("YXI")]
    with estimator(partition_labels="AAB", backend=make(), shots=1000, seed=1) as made:
        data = made.run([(circuit, observables, rows[:, None])]).result()[0].data
    exact = exact_values(circuit, observables, rows)
    assert np.all(np.abs(data.evs - exact) < 4.5 * data.stds)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if "fixed" in name])
def test_a_sampler_with_a_fixed_seed_repeats_estimators_but_not_partitions_or_jobs(name):
    """Two vanishing factors: from one randomness their product would have the mean 1/N.

    The mean of 200 values of spread 1/N is 5 sigma below 0.35/N; false-alarm rate 1e-6.
    """
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rz(0.3, 1)
    shots = 100
    values = []
    for _ in range(2):
        with estimator(
            partition_labels="AB", backend=SAMPLERS[name](), shots=shots, seed=4
        ) as made:
            jobs = [made.run([(circuit, "ZZ")]).result()[0].data.evs for _ in range(200)]
        values.append(np.array(jobs))
    np.testing.assert_array_equal(*values)
    assert len(set(values[0].tolist())) > 20
    assert abs(values[0].mean()) < 0.35 / shots


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_exact_values_cannot_be_had_from_a_sampler(make):
    for asked in ({"shots": None}, {}):
        with (
            estimator(backend=make(), **asked) as made,
            pytest.raises(InputError, match="exact values cannot be had"),
        ):
            made.run([(CHAIN, ONE_TERM)], precision=0).result()


STRENGTH = 0.2


def noisy_pair():
    """A noise model whose CX depolarises, and a circuit whose one CX makes a Bell pair."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(STRENGTH, 2), "cx")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return noise, circuit


@pytest.mark.parametrize(("labels", "left"), [("AA", 1 - STRENGTH), ("AB", 1.0)])
def test_noise_damps_what_the_noisy_gate_makes_and_nothing_where_it_is_cut(labels, left):
    """Bell correlations XX = ZZ = -YY = 1, of which depolarising leaves 1 - p.

    Mean and chi-square of z over 20 jobs a term, seed 13; false-alarm rate 2e-4 each.
    """
    noise, circuit = noisy_pair()
    options = {"partition_labels": labels, "backend": "aer", "noise_model": noise, "shots": 300}
    for term, sign in (("ZZ", 1), ("XX", 1), ("YY", -1)):
        evs, stds = Sampled(circuit, SparsePauliOp(term), options).repeated(20, seed=13)
        assert_scatter_is_as_reported(evs, stds, sign * left)


def test_noise_is_seeded_like_everything_else():
    noise, circuit = noisy_pair()
    options = {"backend": "aer", "noise_model": noise, "shots": 50}
    case = Sampled(circuit, SparsePauliOp(["ZZ", "XX"], [1, 0.5]), options)
    (first, _), (second, _), (other, _) = (case.repeated(3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) > 1
    assert set(first) != set(other)


def test_exact_values_cannot_be_had_with_noise():
    noise, circuit = noisy_pair()
    with (
        estimator(backend="aer", noise_model=noise, shots=None) as made,
        pytest.raises(InputError, match="exact values cannot be had"),
    ):
        made.run([(circuit, "ZZ")]).result()
