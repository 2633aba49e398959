"""A short slice of the benchmarks, so that they go on running; the figures come of `make bench`."""

from pathlib import Path

import pytest

from tests.benchmarks import cold_start, rounds
from tests.benchmarks.pictures import prepare
from tests.benchmarks.rounds import Worker, alternate
from tests.benchmarks.runners import CNNKIT, PEERS, STAGES, Runner

BY_NAME = {runner.name: runner for runner in (*CNNKIT, *STAGES, *PEERS)}


@pytest.mark.real
@pytest.mark.network
def test_classify_is_faster_than_one_picture_at_a_time(photos: Path, tmp_path: Path) -> None:
    files = prepare(photos, tmp_path / "pictures", "500×375", 96)
    with (
        Worker(BY_NAME["keras"], "mobilenet_1.0", 2, Path("absent")) as ours,
        Worker(BY_NAME["one"], "mobilenet_1.0", 2, Path("absent")) as theirs,
    ):
        fast, slow = alternate([ours, theirs], files, rounds=1, seconds=1.0)
    assert (fast.why_not, slow.why_not) == ("", "")
    assert fast.rates[0] > 2 * slow.rates[0]


@pytest.mark.real
def test_decoding_is_measured_and_every_picture_has_its_size(photos: Path, tmp_path: Path) -> None:
    files = prepare(photos, tmp_path / "pictures", "2000×1500", 32)
    with Worker(BY_NAME["decode"], "mobilenet_1.0", 2, Path("absent")) as worker:
        (row,) = alternate([worker], files, rounds=2, seconds=0.1)
    assert len(row.rates) == 2


def test_a_peer_that_is_not_there_is_said_to_be_missing() -> None:
    with Worker(BY_NAME["torch"], "resnet50", 1, Path("no/such/python")) as absent:
        assert absent.why_not == "not installed"
        (row,) = alternate([absent], [], rounds=1, seconds=1.0)
    assert (row.why_not, row.rates) == ("not installed", [])


def test_a_worker_without_its_package_is_said_to_be_missing() -> None:
    lacking = Runner("lacking", "Lacking", "no_such_module")
    with Worker(lacking, "resnet50", 1, Path("absent")) as absent:
        assert absent.why_not == "not installed"


def test_a_worker_that_fails_leaves_its_last_words() -> None:
    unknown = Runner("decode", "Decoding", "our_stages", ("decode",))
    with Worker(unknown, "no_such_network", 1, Path("absent")) as broken:
        assert broken.why_not.startswith("failed: ")
        assert "no_such_network" in broken.why_not


def test_the_plain_script_is_a_program() -> None:
    compile(cold_start.SCRIPT, "script", "exec")
    assert rounds.share(10.0, 3.0, 32, 512) == 32
