"""Results as rows: the same numbers in CSV, Parquet, JSONL and a data frame."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from builders import make_profile, make_scenario, query_record, run_record, write_log

from qcutsim import read_queries, read_results, read_study, simulate_scenario
from qcutsim.errors import InputError
from qcutsim.results import result_rows
from qcutsim.rows import export_rows

SCENARIO = make_scenario(queries=2)
HOSTILE = 'a "quoted", name\nof two lines'


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    simulate_scenario(SCENARIO, make_profile(make_scenario()), out, with_tasks=True)
    return out


def test_a_simulated_cell_is_a_row_with_its_configuration_and_intervals(study):
    rows = list(result_rows(study))
    cells = read_study(study).cells
    assert len(rows) == len(cells) == 8
    for row, cell in zip(rows, cells, strict=True):
        assert row["workers"] == cell.configuration["workers"]
        assert row["makespan_s"] == cell.makespan_s.estimate
        assert row["makespan_s_low"] == cell.makespan_s.low
        assert row["share_execute"] == cell.stage_shares["execute"].estimate
        assert all(isinstance(v, (str, bool, int, float, type(None))) for v in row.values())


def test_every_format_holds_the_same(study, tmp_path):
    rows = list(result_rows(study))
    for ending in ("csv", "parquet", "jsonl"):
        assert export_rows(result_rows(study), tmp_path / f"cells.{ending}") == len(rows)
    assert pq.read_table(tmp_path / "cells.parquet").to_pylist() == rows
    lines = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    with (tmp_path / "cells.csv").open(newline="") as file:
        texts = list(csv.DictReader(file))
    assert texts == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    frame = read_results(study)
    assert list(frame["makespan_s"]) == [row["makespan_s"] for row in rows]


def test_a_study_brings_its_table_as_parquet(study):
    assert pq.read_table(study / "statistics.parquet").to_pylist() == list(result_rows(study))


def test_queries_and_tasks_of_a_log_are_rows_too(study):
    log = study / "simulated.jsonl"
    logs = list(read_queries([log]))
    queries, tasks = read_results(study, "queries"), read_results(log, "tasks")
    assert list(queries["total_s"]) == [one.query.total_s for one in logs]
    assert len(tasks) == sum(len(one.tasks) for one in logs)
    assert isinstance(tasks, pd.DataFrame)


def test_a_name_with_quotes_and_lines_comes_back_from_csv(tmp_path):
    log = write_log(tmp_path / "run.jsonl", run_record(), query_record(dataset=HOSTILE))
    export_rows(result_rows(log), tmp_path / "q.csv")
    with (tmp_path / "q.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["dataset"] == HOSTILE


def test_a_run_without_queries_yet_writes_no_table(tmp_path):
    log = write_log(tmp_path / "run.jsonl", run_record())
    with pytest.raises(InputError, match="there are no rows to write"):
        export_rows(result_rows(log), tmp_path / "q.csv")
    assert not (tmp_path / "q.csv").exists()


def test_cells_of_a_log_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no simulated study"):
        list(result_rows(tmp_path, "cells"))


def test_a_folder_that_holds_no_results_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds neither run\.jsonl nor simulated\.jsonl"):
        list(result_rows(tmp_path))


def test_an_ending_that_says_nothing_is_refused(study, tmp_path):
    with pytest.raises(InputError, match=r"name it \.csv, \.parquet or \.jsonl"):
        export_rows(result_rows(study), tmp_path / "cells.xlsx")


def test_nan_is_kept_as_a_number(tmp_path):
    export_rows([{"a": math.nan}, {"a": 1.0}], tmp_path / "a.parquet")
    first, second = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert math.isnan(first["a"])
    assert second["a"] == 1.0
