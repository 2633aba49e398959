"""Processes that make copies: the same bytes as here, whatever becomes of them."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import pytest
from PIL import ImageFile

import cnnkit.tasks.processes
import cnnkit.tasks.variations
from cnnkit.images.augment import Augmentation
from cnnkit.records import Skipped
from cnnkit.tasks.processes import Processes, _Process
from cnnkit.tasks.variations import Order, Skip, Variation, Way, made_here
from tests.conftest import PATIENCE, ROOT, picture
from tests.tasks.copies import TURNED, digests, manifest, run, states, two_classes

WAY = Way(Augmentation.of(TURNED), 0, "fast", None, None, 95, labelled=False)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnnkit.tasks.processes, "_PATIENCE", 0.001)


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes(2, threading.Event()) as processes:
        time.sleep(0.01)
        yield processes


def order(path: Path, way: Way = WAY, suffix: str = ".png") -> Order:
    return Order(str(path), "0" * 64, (1, 2, 5), suffix, way)


def ready(processes: Processes, first: Order) -> list[int]:
    """Their process identifiers, once both take orders."""
    end = time.monotonic() + 60
    while not processes._all or processes._idle.qsize() < len(processes._all):
        processes.variations(first)
        assert time.monotonic() < end
    return [each._process.pid for each in processes._all]


def test_they_make_what_is_made_here(processes: Processes, tmp_path: Path) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    wanted = order(tmp_path / "a.png")
    ready(processes, wanted)
    assert processes.variations(wanted) == made_here(wanted, threading.Event())
    assert [each.copy for each in processes.variations(wanted)] == [1, 2, 5]


def test_what_cannot_be_copied_is_said_as_here(processes: Processes, tmp_path: Path) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    ready(processes, order(tmp_path / "a.png"))
    for wanted in (
        order(tmp_path / "torn.jpg"),
        order(tmp_path / "none.jpg"),
        order(tmp_path / "a.png", Way(WAY.augmentation, 0, "fast", None, (99, 9), 95, False)),
    ):
        with pytest.raises(Skip) as there:
            processes.variations(wanted)
        with pytest.raises(Skip) as here:
            made_here(wanted, threading.Event())
        assert there.value.record == here.value.record


def test_one_that_was_killed_is_replaced_and_its_order_made_again(
    processes: Processes, tmp_path: Path
) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    wanted = order(tmp_path / "a.png")
    for process in ready(processes, wanted):
        os.kill(process, signal.SIGKILL)
    made = made_here(wanted, threading.Event())
    assert [processes.variations(wanted) for _ in range(4)] == [made] * 4


def test_a_picture_that_ends_every_process_is_told_and_the_others_are_made(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    fatal, harmless = order(tmp_path / "fatal.png"), order(tmp_path / "a.png")
    before = ready(processes, harmless)
    answer = _Process.answer

    def killed(process: _Process, wanted: Order) -> list[Variation]:
        if wanted is fatal:
            process._process.kill()
        return answer(process, wanted)

    monkeypatch.setattr(_Process, "answer", killed)
    with pytest.raises(Skip, match="SIGKILL") as skip:
        processes.variations(fatal)
    assert (skip.value.record.path, skip.value.record.kind) == (fatal.path, "crashed")
    assert processes.variations(harmless) == made_here(harmless, threading.Event())
    assert len(set(ready(processes, harmless)) - set(before)) > 0


def test_an_answer_that_was_half_read_is_not_taken_for_the_next(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    wanted = order(tmp_path / "a.png")
    ready(processes, wanted)

    def torn(pipe: IO[bytes]) -> None:
        pipe.read(10)
        raise MemoryError

    made = made_here(wanted, threading.Event())
    with monkeypatch.context() as patch:
        patch.setattr(pickle, "load", torn)
        assert processes.variations(wanted) == made
    assert [processes.variations(wanted) for _ in range(4)] == [made] * 4


def test_what_may_have_ended_a_process_is_never_made_here(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor while all of them are being replaced."""
    picture(60, 40).save(tmp_path / "a.png")
    harmless = order(tmp_path / "a.png")
    fatal = [order(tmp_path / f"fatal-{number}.png") for number in range(12)]
    ready(processes, harmless)
    answer = _Process.answer
    here: list[str] = []

    def killed(process: _Process, wanted: Order) -> list[Variation]:
        if wanted in fatal:
            process._process.kill()
        return answer(process, wanted)

    monkeypatch.setattr(_Process, "answer", killed)
    monkeypatch.setattr(
        cnnkit.tasks.processes, "made_here", lambda wanted, stop: here.append(wanted.path)
    )

    def ended(wanted: Order) -> str:
        with pytest.raises(Skip) as skip:
            processes.variations(wanted)
        return skip.value.record.kind

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ended, fatal)) == ["crashed"] * 12
    assert here == []


def test_nobody_waits_for_one_that_does_not_answer(tmp_path: Path) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    wanted, stop = order(tmp_path / "a.png"), threading.Event()
    with Processes(2, stop) as processes, ThreadPoolExecutor(1) as pool:
        time.sleep(0.01)
        for process in ready(processes, wanted):
            os.kill(process, signal.SIGSTOP)
        asked = pool.submit(processes.variations, wanted)
        time.sleep(0.2)
        assert not asked.done()
        stop.set()
        with pytest.raises(Skip):
            asked.result(PATIENCE)


def test_what_pillow_is_told_holds_in_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(60, 40).save(tmp_path / "a.jpg", quality=95)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-300])
    torn = order(tmp_path / "a.jpg")
    picture(60, 40).save(tmp_path / "b.png")
    for willing in (False, True):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", willing)
        with Processes(2, threading.Event()) as processes:
            time.sleep(0.01)
            ready(processes, order(tmp_path / "b.png"))
            with nullcontext() if willing else pytest.raises(Skip):
                assert len(processes.variations(torn)) == 3


def test_giants_are_made_here_one_at_a_time(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(60, 40).save(tmp_path / "a.png")
    wanted = order(tmp_path / "a.png")
    made = made_here(wanted, threading.Event())
    monkeypatch.setattr(cnnkit.tasks.variations, "_GIANT", 100)
    assert processes.variations(wanted) == made
    assert not cnnkit.tasks.variations._one_giant.locked()


def test_a_folder_is_the_same_for_any_number_of_jobs(tmp_path: Path) -> None:
    photos = two_classes(tmp_path / "photos")
    for number in range(60):
        picture(40, 30, seed=number).save(photos / "cats" / f"more-{number}.jpg")
    for jobs in (1, 2, 5):
        records = run(photos, tmp_path / str(jobs), copies=30, jobs=jobs)
        assert set(states(records)) == {"made"}
    assert manifest(tmp_path / "1") == manifest(tmp_path / "2") == manifest(tmp_path / "5")
    assert digests(tmp_path / "1") == digests(tmp_path / "2") == digests(tmp_path / "5")


def test_a_picture_too_large_for_its_format_is_told_and_the_others_are_made(
    tmp_path: Path,
) -> None:
    photos = two_classes(tmp_path / "photos")
    picture(17_000, 2).save(tmp_path / "wide.png")
    (tmp_path / "wide.png").rename(photos / "wide.webp")
    for jobs in (1, 2):
        records = run(photos, tmp_path / str(jobs), copies=3, jobs=jobs)
        assert states(records).count("made") == 12
        [told] = [each for each in records if isinstance(each, Skipped)]
        assert (told.path, told.kind) == (str(photos / "wide.webp"), "too_large")
        assert "WEBP holds at most 16,383" in told.message


@pytest.mark.parametrize("answers", [0, 3])
def test_a_script_that_ends_in_the_middle_of_it(tmp_path: Path, answers: int) -> None:
    """Whatever the interpreter has put away by then, it ends as any other; nothing is left."""
    photos = two_classes(tmp_path / "photos")
    (tmp_path / "script.py").write_text(
        "import cnnkit, cnnkit.tasks.processes as processes\n"
        "processes._PATIENCE = 0.001\n"
        f"copies = cnnkit.augment({str(photos)!r}, out='out', copies=400, jobs=2, shear_range=9)\n"
        f"print([next(copies).state for _ in range({answers})])\n"
    )
    (tmp_path / "signal.py").write_text("raise SystemError('not of the standard library')\n")
    done = subprocess.run(
        [sys.executable, "-P", "script.py"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{['made'] * answers}\n"), done.stderr
    assert done.stderr == ""


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    photos = two_classes(tmp_path / "photos")
    (tmp_path / "script.py").write_text(
        "import cnnkit, cnnkit.tasks.processes as processes\n"
        "processes._PATIENCE = 0.001\n"
        "print('begins', flush=True)\n"
        f"copies = cnnkit.augment({str(photos)!r}, out='out', copies=400, jobs=2, shear_range=9)\n"
        "print(len(list(copies)))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "begins\n1600\n"), done.stderr
