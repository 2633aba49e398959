"""Batches keep the order, do not wait for what may never come, and do not run ahead."""

import random
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.images.batches import Batch, batched
from cnnkit.images.geometry import Pixels
from cnnkit.records import Skipped

pytestmark = pytest.mark.timeout(60)
# Long enough for a loaded machine to hand over what is ready.
SOON = 20


def pixels_of(path: str) -> Pixels | Skipped:
    """One view of one pixel that tells the path's number; every seventh cannot be read."""
    number = int(path)
    if number % 7 == 6:
        return Skipped(path, "damaged", "every seventh")
    return np.full((1, 1, 1, 3), number % 251, np.uint8)


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def flat(batches: list[Batch]) -> list[tuple[str, Pixels | Skipped]]:
    return [pair for b in batches for pair in zip(b.paths, b.pictures, strict=True)]


def agrees(pairs: list[tuple[str, Pixels | Skipped]], paths: list[str]) -> bool:
    """Whether each path stands in its place, with its own picture."""
    return [path for path, _ in pairs] == paths and all(
        picture == pixels_of(path)
        if isinstance(picture, Skipped)
        else np.array_equal(picture, np.asarray(pixels_of(path)))
        for path, picture in pairs
    )


def decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("decode")]


def eventually(condition: object) -> bool:
    """Whether a condition (a function) holds before long."""
    assert callable(condition)
    end = time.monotonic() + SOON
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


class TestOrder:
    def test_it_is_kept_whatever_decoding_takes(self) -> None:
        rng = random.Random(0)

        def load(path: str) -> Pixels | Skipped:
            time.sleep(rng.random() / 100)
            return pixels_of(path)

        batches = list(batched(numbers(60), load, size=8, threads=6))
        assert agrees(flat(batches), numbers(60))

    @settings(max_examples=25, deadline=None)
    @given(
        count=st.integers(0, 40),
        size=st.integers(1, 12),
        threads=st.integers(1, 4),
        ahead=st.none() | st.integers(1, 9),
    )
    def test_nothing_is_lost_or_added(
        self, count: int, size: int, threads: int, ahead: int | None
    ) -> None:
        given = batched(iter(numbers(count)), pixels_of, size=size, threads=threads, ahead=ahead)
        batches = list(given)
        assert agrees(flat(batches), numbers(count))
        assert all(len(b.paths) <= size for b in batches)
        assert not any(not (a.paths or b.paths) for a, b in pairwise(batches)), "said twice"

    def test_full_batches_and_a_short_last_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cnnkit.images.batches.PATIENCE", SOON)
        ready = threading.Event()

        def load(path: str) -> Pixels | Skipped:
            ready.wait(SOON)
            return pixels_of(path)

        def source() -> Iterator[str]:
            yield from numbers(10)
            ready.set()

        batches = batched(source(), load, size=4, threads=10, ahead=10)
        assert [len(b.paths) for b in batches if b.paths] == [4, 4, 2]

    def test_an_empty_source(self) -> None:
        assert list(batched([], pixels_of, size=4, threads=2)) == []

    def test_pixels_are_the_readable_ones(self) -> None:
        batch = Batch(numbers(8), [pixels_of(path) for path in numbers(8)])
        assert batch.pixels()[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 7]


class TestSlowSources:
    def test_a_batch_is_handed_on_while_the_source_pauses(self) -> None:
        goes_on = threading.Event()

        def source() -> Iterator[str]:
            yield from numbers(3)
            assert goes_on.wait(SOON)
            yield "3"

        batches = batched(source(), pixels_of, size=32, threads=2)
        start = time.monotonic()
        paths: list[str] = []
        while len(paths) < 3:
            paths += next(batches).paths
        assert time.monotonic() - start < SOON / 2
        assert not goes_on.is_set()
        assert paths == numbers(3)
        goes_on.set()
        assert agrees(flat(list(batches)), ["3"])

    def test_a_batch_is_handed_on_while_a_picture_takes_long(self) -> None:
        goes_on = threading.Event()

        def load(path: str) -> Pixels | Skipped:
            assert path != "2" or goes_on.wait(SOON)
            return pixels_of(path)

        batches = batched(numbers(3), load, size=32, threads=4)
        paths: list[str] = []
        while len(paths) < 2:
            paths += next(batches).paths
        assert paths == numbers(2)
        goes_on.set()
        assert [path for b in batches for path in b.paths] == ["2"]

    def test_it_says_so_when_the_next_picture_is_not_there_yet(self) -> None:
        goes_on = threading.Event()

        def load(path: str) -> Pixels | Skipped:
            assert path != "4" or goes_on.wait(SOON)
            return pixels_of(path)

        batches = batched(numbers(5), load, size=4, threads=4)
        paths: list[str] = []
        while len(paths) < 4:
            paths += next(batches).paths
        assert next(batches).paths == []
        goes_on.set()
        assert [b.paths for b in batches] == [["4"]]


class TestReadAhead:
    def test_it_is_bounded(self) -> None:
        loaded: list[str] = []

        def load(path: str) -> Pixels | Skipped:
            loaded.append(path)
            return pixels_of(path)

        batches = batched((str(n) for n in range(10_000)), load, size=4, threads=2)
        assert loaded == []
        next(batches)
        time.sleep(0.5)
        # One batch given, two waiting, and what the feeder holds in its hand.
        assert 4 <= len(loaded) <= 4 + 2 * 4 + 2
        batches.close()

    def test_it_keeps_every_thread_busy(self) -> None:
        all_at_once = threading.Barrier(24)

        def load(path: str) -> Pixels | Skipped:
            all_at_once.wait(timeout=SOON)
            return pixels_of(path)

        given = batched(numbers(4 * 24), load, size=1, threads=24)
        assert agrees(flat(list(given)), numbers(4 * 24))

    def test_it_can_be_set(self) -> None:
        loaded: list[str] = []

        def load(path: str) -> Pixels | Skipped:
            loaded.append(path)
            return pixels_of(path)

        batches = batched((str(n) for n in range(10_000)), load, size=2, threads=2, ahead=20)
        next(batches)
        assert eventually(lambda: len(loaded) >= 20)
        time.sleep(0.2)
        assert len(loaded) <= 2 + 20 + 2
        batches.close()


class TestErrors:
    def test_one_in_the_source_comes_after_what_came_before_it(self) -> None:
        def source() -> Iterator[str]:
            yield from numbers(5)
            raise ZeroDivisionError("in the source")

        got: list[Batch] = []
        with pytest.raises(ZeroDivisionError, match="in the source"):
            for batch in batched(source(), pixels_of, size=3, threads=2):
                got.append(batch)  # noqa: PERF402
        assert agrees(flat(got), numbers(5))

    def test_one_in_loading_comes_after_what_came_before_it(self) -> None:
        def load(path: str) -> Pixels | Skipped:
            if path == "5":
                raise ZeroDivisionError("in loading")
            return pixels_of(path)

        got: list[Batch] = []
        with pytest.raises(ZeroDivisionError, match="in loading"):
            for batch in batched(numbers(9), load, size=4, threads=2):
                got.append(batch)  # noqa: PERF402
        assert agrees(flat(got), numbers(5))
        assert eventually(lambda: not decoders())

    def test_an_interruption_in_the_source_crosses_over(self) -> None:
        def source() -> Iterator[str]:
            yield "0"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(batched(source(), pixels_of, size=4, threads=2))


class TestClosing:
    def test_early_closing_ends_the_threads_and_the_source(self) -> None:
        closed = threading.Event()

        def source() -> Iterator[str]:
            try:
                yield from (str(n) for n in range(10_000))
            finally:
                closed.set()

        batches = batched(source(), pixels_of, size=4, threads=3)
        next(batches)
        assert decoders()
        batches.close()
        assert eventually(lambda: not decoders())
        assert closed.wait(SOON)

    def test_the_end_ends_them_too(self) -> None:
        list(batched(numbers(10), pixels_of, size=4, threads=3))
        assert eventually(lambda: not decoders())

    def test_a_source_that_never_returns_keeps_nobody(self) -> None:
        never = threading.Event()

        def source() -> Iterator[str]:
            yield "0"
            never.wait()

        batches = batched(source(), pixels_of, size=4, threads=1)
        assert next(batches).paths == ["0"]
        start = time.monotonic()
        batches.close()
        assert time.monotonic() - start < SOON / 2
        assert all(t.daemon for t in threading.enumerate() if t.name == "paths")
        never.set()
