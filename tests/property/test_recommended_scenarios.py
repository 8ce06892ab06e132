"""Whatever is asked, a plan recommends what a scenario file can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.analysis import Targets
from qcutsim.calibrate import load_profile
from qcutsim.planner import scenario_text, search_settings
from qcutsim.scenario import load_scenario

ROOT = Path(__file__).parents[2]
PROFILES = [
    load_profile(ROOT / "calibration" / f"iris-{name}.json") for name in ("planned", "upstream")
]


def optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Scenarios of one configuration, or that sweep reconstructions."""
    planned = optional(
        allocation=st.sampled_from(["uniform", "variance"]),
        reconstruction=st.sampled_from(["contracted", "vectorised", "auto"]),
        chunk=st.sampled_from([1, 2, 8]),
    )
    work = draw(st.one_of(planned.map(lambda of: of | {"pipeline": "planned"}), st.just({})))
    work |= {"partition_labels": draw(st.sampled_from(["AABB", "ABBC"]))}
    work |= {"shots": draw(st.sampled_from([10, 1024]))}
    rest = draw(
        optional(
            window=st.just(2),
            timeout_s=st.just(60.0),
            stragglers=st.just({"probability": 0.1, "delay_s": 0.05}),
            pool=optional(cancel=st.sampled_from(["none", "sleep_only", "kill"])),
            queries=st.just(2),
        )
    )
    rest["pool"] = rest.get("pool", {}) | {"restart_s": 0.1}  # a simulation may have to know
    return {"name": "a", "seed": 3, "workload": work, **rest}


@settings(max_examples=15)
@given(
    questions(),
    st.sampled_from([None, 0.03, 5.0]),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([["planned"], ["planned", "upstream"], ["upstream"]]),
)
def test_what_is_recommended_is_a_scenario(tmp_path_factory, question, error, speed, pipelines):
    """All of the front, since any of it may be recommended."""
    path = tmp_path_factory.mktemp("plan") / "s.yaml"
    path.write_text(yaml.safe_dump(question))
    search = search_settings(
        load_scenario(path),
        [profile for profile in PROFILES if profile.pipeline in pipelines],
        targets=Targets(error=error),
        workers=[1, 2],
        speed=speed,
        replications=1,
        extrapolate=True,
    )
    for setting in (search.recommended, *search.front):
        path.write_text(scenario_text(msgspec.structs.replace(search, recommended=setting)))
        assert load_scenario(path).cells == (setting.cell,)
