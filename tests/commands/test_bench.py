"""`cnnkit bench` as a process: rows in a format, errors with their exit codes."""

import json

import pytest

from tests.conftest import Run


@pytest.mark.network
def test_bench_draws_its_pictures_and_prints_rows(cnnkit: Run) -> None:
    result = cnnkit(
        "bench", "mobilenet_0.25", "--engines", "keras", "--seconds", "1", "--threads", "2",
        "--format", "jsonl",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["measure"] for row in rows] == ["peak", "network", "network", "decode", "files"]
    assert {row["weights"] for row in rows} == {"none"}
    assert rows[3]["note"].startswith("6 drawn pictures, 512 × 512, ")
    said = result.stderr.decode()
    assert said == "cnnkit: The weights of mobilenet_0.25 are not here; random ones are as fast.\n"


def test_an_engine_that_does_not_exist_is_a_usage_error(cnnkit: Run) -> None:
    result = cnnkit("bench", "patternnet", "--engines", "openvno")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Did you mean openvino" in result.stderr and b"Traceback" not in result.stderr


@pytest.mark.parametrize("engines", [",", "", " , "])
def test_no_engine_at_all_is_a_usage_error(cnnkit: Run, engines: str) -> None:
    result = cnnkit("bench", "patternnet", "--engines", engines)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Expected engines: all, or some of" in result.stderr


def test_a_comma_too_many_is_no_engine(cnnkit: Run) -> None:
    result = cnnkit("bench", "patternnet", "--engines", "keras,", "--images", "absent")
    assert b"No engine is called" not in result.stderr
