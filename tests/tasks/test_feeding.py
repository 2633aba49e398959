"""Training pictures → the batches of every epoch."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.tasks import feeding
from cnnkit.tasks.feeding import Fed, Kept, Order, Rows

TRUTHS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


class Places:
    """A source whose inputs are the places themselves."""

    def __init__(self, bytes_each: int = 4) -> None:
        self.bytes_each = bytes_each
        self.asked: list[tuple[list[int], int | None]] = []

    def inputs(self, places: Any, epoch: int | None) -> Any:
        self.asked.append((places.tolist(), epoch))
        return places.astype(np.float32)[:, None]


def batches(fed: Fed, epoch: int, first: int = 0) -> list[list[int]]:
    return [
        batch.ravel().astype(int).tolist()
        for shown in fed.shown(epoch, first)
        for batch in shown.inputs
    ]


@given(TRUTHS, st.integers(1, 20), st.integers(0, 3), st.integers(0, 5))
def test_each_picture_once_in_an_epoch(truth: Any, size: int, seed: int, epoch: int) -> None:
    order = Order(truth, 5, size, seed)
    cut = order.batches(epoch)
    assert len(cut) == order.steps
    assert sorted(np.concatenate(cut).tolist()) == list(range(len(truth)))
    lengths = [len(each) for each in cut]
    assert set(lengths[:-1]) <= {size}
    # A batch normalisation sees no variance in one picture.
    assert lengths[-1] in (len(truth), 1 + size, *range(1 if size == 1 else 2, size + 1))
    assert size == 1 or len(truth) == 1 or min(lengths) > 1


@settings(deadline=None)  # the first example loads a framework
@given(TRUTHS, st.integers(1, 9), st.booleans(), st.integers(0, 30), st.sampled_from([0, 2]))
def test_batches_are_a_function_of_seed_epoch_and_step(
    truth: Any, size: int, balanced: bool, first: int, ahead: int
) -> None:
    order = Order(truth, 5, size, 7, balanced)
    whole = batches(Fed(Places(), order), 3)
    # Whatever was shown before, and however many come at once.
    fed = Fed(Places(1 << 30), Order(truth, 5, size, 7, balanced), ahead=ahead)
    batches(fed, 2)
    assert batches(fed, 3, first) == whole[first:]
    assert batches(fed, 3) == whole


def test_other_epochs_and_other_seeds_come_in_another_order() -> None:
    truth = np.arange(50) % 5
    told = {
        tuple(np.concatenate(Order(truth, 5, 8, seed).batches(epoch)))
        for seed in (1, 2)
        for epoch in (0, 1, 2)
    }
    assert len(told) == 6


@given(TRUTHS, st.integers(1, 9), st.integers(0, 3))
def test_a_balanced_epoch_shows_classes_alike(truth: Any, size: int, epoch: int) -> None:
    order = Order(truth, 5, size, 1, balanced=True)
    cut = order.batches(epoch)
    drawn = np.concatenate(cut)
    assert len(drawn) == len(truth)
    assert len(cut) == order.steps
    counts = Counter(truth[drawn].tolist())
    assert set(counts) == set(truth.tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    for label in counts:
        # All of a class before any comes again.
        times = Counter(drawn[truth[drawn] == label].tolist())
        members = int((truth == label).sum())
        assert max(times.values()) == -(-counts[label] // members)


@pytest.mark.parametrize(
    ("pictures", "size", "steps", "last"),
    [(9, 4, 2, 5), (10, 4, 3, 2), (8, 4, 2, 4), (1, 4, 1, 1), (3, 1, 3, 1), (5, 8, 1, 5)],
)
def test_a_rest_of_one_joins(pictures: int, size: int, steps: int, last: int) -> None:
    order = Order(np.zeros(pictures, np.int64), 1, size, 0)
    assert order.steps == len(order.batches(0)) == steps
    assert len(order.batches(0)[-1]) == last


def test_what_is_shown_of_a_picture() -> None:
    truth = np.array([2, 0, 1, 2, 2, 0, 1])
    weights = np.array([1, 2, 0.5], np.float32)
    fed = Fed(Places(), Order(truth, 3, 3, 0), class_weights=weights)
    groups = list(fed.shown(0, 0))
    assert [len(group.inputs) for group in groups] == [1, 1]
    assert [group.inputs.shape for group in groups] == [(1, 3, 1), (1, 4, 1)]
    for group in groups:
        places = group.inputs[..., 0].astype(int)
        np.testing.assert_array_equal(group.classes, np.eye(3)[truth[places]])
        np.testing.assert_array_equal(group.weights, weights[truth[places]])
        assert {part.dtype for part in group} == {np.dtype(np.float32)}
    plain = next(Fed(Places(), Order(truth, 3, 7, 0)).shown(0, 0))
    np.testing.assert_array_equal(plain.weights, np.ones((1, 7)))


@pytest.mark.parametrize("bytes_each", [4, 1 << 40])
def test_pairs_are_a_batch_and_then_the_same_batch_in_another_showing(bytes_each: int) -> None:
    truth = np.array([2, 0, 1, 2, 2, 0, 1])
    source = Places(bytes_each)
    weights = np.array([1, 2, 0.5], np.float32)
    fed = Fed(source, Order(truth, 3, 3, 0), class_weights=weights, paired=True)
    plain = [
        each for group in Fed(Places(), Order(truth, 3, 3, 0)).shown(4, 0) for each in group.inputs
    ]
    groups = list(fed.shown(4, 0))
    shown = [each for group in groups for each in group.inputs]
    assert fed.steps == 2
    for paired, once in zip(shown, plain, strict=True):
        np.testing.assert_array_equal(paired, np.concatenate([once, once]))
    for group in groups:
        places = group.inputs[..., 0].astype(int)
        np.testing.assert_array_equal(group.classes, np.eye(3)[truth[places]])
        np.testing.assert_array_equal(group.weights, weights[truth[places]])
    list(fed.shown(5, 0))
    assert {showing for _, showing in source.asked} == {8, 9, 10, 11}


def test_small_batches_come_many_at_once() -> None:
    truth = np.zeros(1001, np.int64)
    small = Fed(Places(4), Order(truth, 1, 10, 0))
    assert [len(each.inputs) for each in small.shown(0, 0)] == [64, 35, 1]
    large = Fed(Places(feeding._AT_ONCE // 25), Order(truth, 1, 10, 0))
    assert [len(each.inputs) for each in large.shown(0, 0)][:3] == [2, 2, 2]
    huge = Fed(Places(1 << 40), Order(truth, 1, 10, 0))
    assert {len(each.inputs) for each in huge.shown(0, 0)} == {1}


def test_many_classes_take_no_square_of_memory() -> None:
    order = Order(np.array([99_999, 0]), 100_000, 2, 0)
    made = order.one_hot(np.array([0, 1]))
    assert np.argwhere(made).tolist() == [[0, 99_999], [1, 0]]


def test_what_is_held_out_comes_in_order_and_unchanged() -> None:
    source = Places(feeding._AT_ONCE // 3)
    truth = np.zeros(8, np.int64)
    assert [each.ravel().tolist() for each in Kept(source, truth, 2).inputs()] == [
        [0, 1, 2], [3, 4, 5], [6, 7],
    ]  # fmt: skip
    assert [len(each) for each in Kept(source, truth, 5, ahead=1).inputs()] == [5, 3]
    assert {epoch for _, epoch in source.asked} == {None}
    assert list(Kept(source, truth[:0], 5).inputs()) == []


def test_views() -> None:
    """Each epoch shows each picture in one of its views; held out, in the first."""
    first = np.arange(40, dtype=np.float32)[:, None] * [1, 1]
    rows = Rows([first, first + 100, first + 200], seed=3)
    places = np.arange(40)
    np.testing.assert_array_equal(rows.inputs(places, None), first)
    shown = [rows.inputs(places, epoch) for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])
    np.testing.assert_array_equal(shown[0] % 100, first)
    assert {0, 1, 2} == set((shown[0][:, 0] // 100).astype(int))
    # Which one does not hang on what else is in the batch.
    np.testing.assert_array_equal(rows.inputs(places[5:9], 0), shown[0][5:9])
    assert rows.bytes_each == 8
    assert shown[0].dtype == np.float32
    np.testing.assert_array_equal(Rows([first]).inputs(places[::-1], 4), first[::-1])


def feeders() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("feed")]


def test_batches_that_are_prepared_ahead_come_in_order_and_stop() -> None:
    truth = np.zeros(100, np.int64)
    source = Places(1 << 30)
    fed = Fed(source, Order(truth, 1, 2, 0), ahead=1)
    coming: Iterator[Any] = fed.shown(0, 0)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert len(source.asked) <= feeding._AHEAD + 2
    assert not feeders()


def test_an_error_of_the_source_arrives() -> None:
    class Broken(Places):
        def inputs(self, places: Any, epoch: int | None) -> Any:
            if len(self.asked) == 3:
                raise ValueError("gone")
            return super().inputs(places, epoch)

    for ahead in (0, 1):
        fed = Fed(Broken(1 << 30), Order(np.zeros(20, np.int64), 1, 2, 0), ahead=ahead)
        got = []
        with pytest.raises(ValueError, match="gone"):
            for shown in fed.shown(0, 0):
                got.append(shown)  # noqa: PERF402 - what came before the error counts
        assert len(got) == 3
        assert not feeders()
