"""The arithmetic and the page of the benchmarks, on made-up rounds."""

from pathlib import Path

import pytest

from tests.benchmarks.cold_start import ColdStart
from tests.benchmarks.end_to_end import _command
from tests.benchmarks.figures import balance, median_balance, median_ratio, spread
from tests.benchmarks.machine import _processor
from tests.benchmarks.read_ahead import batches
from tests.benchmarks.report import Results, markdown, rates, starts, written
from tests.benchmarks.rounds import Measured, share
from tests.benchmarks.runners import CNNKIT, PEERS, STAGES

TABLE = {
    "resnet50": {
        runner.name: Measured(runner, [100.0 / number, 120.0 / number, 110.0 / number])
        for number, runner in enumerate((*CNNKIT, *PEERS, *STAGES), 1)
    }
}


def page(**changes: object) -> str:
    words: dict[str, object] = {
        "machine": ["a processor, 2 cores"],
        "command": "python -m x",
        "inputs": 64,
        "rounds": 3,
        "seconds": 1.5,
        "sizes": {"500×375": TABLE},
        "starts": [ColdStart("resnet50", True, [1.0, 2.0, 3.0], [4.0, 6.0, 6.0])],
    }
    return written(Results(**(words | changes)))  # type: ignore[arg-type]


def test_a_ratio_compares_rounds_and_not_medians() -> None:
    assert median_ratio([1.0, 10.0, 100.0], [2.0, 10.0, 50.0]) == 1.0


def test_two_equal_stages_in_balance_are_half_as_fast_together() -> None:
    assert balance(50.0, 100.0, 100.0) == pytest.approx(1.0)
    assert median_balance([50, 40, 45], [100, 100, 100], [100, 100, 100]) == pytest.approx(0.9)


def test_spread_is_relative_to_the_median() -> None:
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("rate", "seconds", "whole", "available", "pictures"),
    [
        (100.0, 3.0, 32, 512, 288),
        (1.0, 3.0, 32, 512, 32),
        (1000.0, 3.0, 32, 500, 480),
        (5.0, 3.0, 8, 512, 16),
        (5.0, 0.0, 8, 5000, 5000),
    ],
)
def test_a_runner_gets_what_it_answers_in_time(
    rate: float, seconds: float, whole: int, available: int, pictures: int
) -> None:
    assert share(rate, seconds, whole, available) == pictures


def test_the_first_row_is_the_measure_of_the_others() -> None:
    lines = rates(TABLE).splitlines()
    assert lines[0] == "|  | resnet50 |"
    assert lines[2].endswith("| 110 |")
    assert lines[3].endswith("| 55 (2×) |")
    assert len(lines) == 2 + len(CNNKIT) + len(PEERS)


def test_a_peer_that_is_not_installed_has_its_row() -> None:
    absent = Measured(PEERS[0], why_not="not installed")
    table = {"resnet50": {**TABLE["resnet50"], PEERS[0].name: absent}}
    assert f"| {PEERS[0].title} | not installed |" in rates(table)


def test_without_the_first_row_the_others_stand_alone() -> None:
    absent = Measured(CNNKIT[0], why_not="failed: no bfloat16")
    table = {"resnet50": {**TABLE["resnet50"], CNNKIT[0].name: absent}}
    text = page(sizes={"500×375": table})
    assert "| failed: no bfloat16 |" in text
    assert "| 55 |" in text
    assert text.count("| – |") == 1


def test_the_start_is_told_as_a_multiple_of_ours() -> None:
    assert starts([ColdStart("n", False, [1.0, 2.0], [4.0, 6.0])]).endswith(
        "| n | 1.50 | 5.00 | 3.5× | no |"
    )


def test_the_page_has_every_part_and_only_those_measured() -> None:
    text = page()
    assert text.count("\n## ") == 3
    assert "- a processor, 2 cores\n" in text
    assert "64 pictures a round, or what a runner answers in about 1.5 s" in text
    assert page(starts=(), seconds=0).count("\n## ") == 2


def test_a_table_has_its_rule_below_the_head() -> None:
    assert markdown([["a", "b"], ["c", "1"]]) == "| a | b |\n|---|---:|\n| c | 1 |"


def test_the_command_is_told_without_paths() -> None:
    told = _command(["--inputs", "64", "--peers", "/somewhere/python", "--out", "/tmp/x"])
    assert told == "python -m tests.benchmarks.end_to_end --inputs 64"


def test_the_processor_and_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: A Chip\nflags\t\t: fpu avx2 amx_bf16\n")
    model, words = _processor(file)
    assert model == "A Chip"
    assert words.startswith("has avx2, amx_bf16; lacks avx512f")
    assert _processor(tmp_path / "absent")[1] == "flags unknown"


def test_batches_read_ahead_keep_their_order() -> None:
    files = [str(number) for number in range(23)]
    read = list(batches(files, int, size=5, threads=3))
    assert [len(batch) for batch in read] == [5, 5, 5, 5, 3]
    assert [number for batch in read for number in batch] == list(range(23))
