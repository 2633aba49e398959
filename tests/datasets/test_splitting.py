"""Splits: nothing on both sides, the right share of each class, and no dependence on accidents."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.datasets.splitting import Split, folds, split
from cnnkit.errors import UsageError
from cnnkit.records import Example


def content(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()


def alone(count: int, label: str = "a") -> tuple[list[Example], list[str]]:
    """So many pictures of one class that have nothing to do with one another."""
    examples = [Example(f"{label}/{number}.jpg", label) for number in range(count)]
    return examples, [content(example.path) for example in examples]


Pictures = tuple[list[Example], list[str]]


def joined(one: Pictures, two: Pictures) -> Pictures:
    return one[0] + two[0], one[1] + two[1]


def sides(found: Split) -> list[str]:
    return [example.split for example in found.examples]


@dataclass(frozen=True)
class Given:
    examples: list[Example]
    contents: list[str]
    bound: list[tuple[int, ...]]

    def clusters(self) -> list[set[int]]:
        """By spreading labels until nothing changes: slow, and plain."""
        name = list(range(len(self.examples)))
        same = [
            {i for i, one in enumerate(values) if one == value}
            for values in (self.contents, [e.group for e in self.examples])
            for value in set(values) - {""}
        ]
        ties = [*same, *map(set, self.bound)]
        while True:
            before = list(name)
            for tie in ties:
                least = min((name[i] for i in tie), default=0)
                for i in tie:
                    name[i] = least
            if name == before:
                return [{i for i, n in enumerate(name) if n == each} for each in set(name)]


@st.composite
def labelled(draw: st.DrawFn, *, mixed: bool = True, splits: Sequence[str] = ("",)) -> Given:
    count = draw(st.integers(1, 30))
    places = st.integers(0, count - 1)
    labels = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    bound = draw(st.lists(st.lists(places, max_size=4).map(tuple), max_size=5))
    copies = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count))
    groups = draw(st.lists(st.sampled_from(["", "", "", "g", "h"]), min_size=count, max_size=count))
    if not mixed:
        bound = [tuple(i for i in tie if labels[i] == labels[tie[0]]) for tie in bound]
        groups = [group and group + label for group, label in zip(groups, labels, strict=True)]
    examples = [
        Example(f"{number}.jpg", label, draw(st.sampled_from(splits)), group)
        for number, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]
    contents = [
        content((copy, "" if mixed else label)) for copy, label in zip(copies, labels, strict=True)
    ]
    return Given(examples, contents, bound)


class TestSplit:
    @given(labelled(), st.floats(0.01, 0.99), st.integers(0, 5))
    def test_clusters_stay_together_and_no_class_is_lost(
        self, given_: Given, share: float, seed: int
    ) -> None:
        found = split(given_.examples, given_.contents, given_.bound, share=share, seed=seed)
        for cluster in given_.clusters():
            assert len({found.examples[i].split for i in cluster}) == 1
        for label in {example.label for example in given_.examples}:
            mine = [e.split for e in found.examples if e.label == label]
            assert "train" in mine
            assert set(mine) <= {"train", "val"}
        together = sum(len(c) for c in given_.clusters() if len(c) > 1)
        assert (found.kept_together, found.straddling) == (together, ())
        assert [replace(e, split="") for e in found.examples] == given_.examples

    @given(labelled(mixed=False), st.floats(0.01, 0.99), st.integers(0, 5))
    def test_each_class_gives_its_share(self, given_: Given, share: float, seed: int) -> None:
        found = split(given_.examples, given_.contents, given_.bound, share=share, seed=seed)
        of = defaultdict[str, list[set[int]]](list)
        for cluster in given_.clusters():
            of[given_.examples[min(cluster)].label].append(cluster)
        for clusters in of.values():
            sizes = [len(cluster) for cluster in clusters]
            drawn = sum(len(c) for c in clusters if found.examples[min(c)].split == "val")
            assert (drawn > 0) == (len(clusters) > 1)
            assert drawn < sum(sizes)
            if max(sizes) == 1 and len(sizes) > 1:
                wanted = min(max(share * len(sizes), 1), len(sizes) - 1)
                assert abs(drawn - wanted) <= 0.5 + 1e-9
            elif len(clusters) > 1:
                assert abs(drawn - share * sum(sizes)) <= max(sizes)

    @given(labelled(), st.randoms(use_true_random=False), st.integers(0, 3))
    def test_neither_names_nor_order_matter(self, given_: Given, random: Any, seed: int) -> None:
        order = list(range(len(given_.examples)))
        random.shuffle(order)
        place = {old: new for new, old in enumerate(order)}
        renamed = [
            replace(
                given_.examples[old],
                path=f"elsewhere/{random.random()}",
                group=given_.examples[old].group and f"z{given_.examples[old].group}",
            )
            for old in order
        ]
        bound = [tuple(place[i] for i in reversed(tie)) for tie in reversed(given_.bound)]
        one = split(given_.examples, given_.contents, given_.bound, seed=seed)
        two = split(renamed, [given_.contents[old] for old in order], bound, seed=seed)
        assert [sides(one)[old] for old in order] == sides(two)
        if len(order) > 4:
            for count in (2, 3):
                try:
                    first = folds(
                        given_.examples, given_.contents, given_.bound, count=count, seed=seed
                    )
                except UsageError:
                    continue
                second = folds(
                    renamed, [given_.contents[old] for old in order], bound, count=count, seed=seed
                )
                for mine, yours in zip(first, second, strict=True):
                    assert [sides(mine)[old] for old in order] == sides(yours)

    @given(labelled(mixed=False), labelled(mixed=False), st.integers(0, 3))
    def test_other_classes_do_not_matter(self, one: Given, two: Given, seed: int) -> None:
        others = [replace(e, label=f"o{e.label}", group=e.group and "o") for e in two.examples]
        contents = [*one.contents, *(content(("o", c)) for c in two.contents)]
        shift = len(one.examples)
        bound = [*one.bound, *(tuple(i + shift for i in tie) for tie in two.bound)]
        before = split(one.examples, one.contents, one.bound, seed=seed)
        after = split([*one.examples, *others], contents, bound, seed=seed)
        assert sides(after)[:shift] == sides(before)

    @pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
    def test_the_share_is_exact_where_all_are_alone(self, share: float) -> None:
        pictures, contents = joined(alone(200), alone(40, "b"))
        drawn = Counter(e.label for e in split(pictures, contents, [], share=share).examples
                        if e.split == "val")  # fmt: skip
        assert drawn == {"a": round(200 * share), "b": round(40 * share)}

    def test_few_move_where_a_class_grows(self) -> None:
        moved = []
        for seed in range(10):
            pictures, _ = alone(1100)
            contents = [content((seed, example.path)) for example in pictures]
            before = sides(split(pictures[:1000], contents[:1000], []))
            after = sides(split(pictures, contents, []))
            moved.append(sum(a != b for a, b in zip(before, after, strict=False)))
        assert 0 < np.mean(moved) < 8

    def test_another_seed_is_another_draw(self) -> None:
        pictures, contents = alone(100)
        draws = [sides(split(pictures, contents, [], seed=seed)) for seed in (0, 1, 0)]
        assert draws[0] == draws[2] != draws[1]

    @pytest.mark.parametrize("count, drawn", [(1, 0), (2, 1), (3, 1), (7, 1), (8, 2), (10, 2)])
    def test_small_classes(self, count: int, drawn: int) -> None:
        found = split(*alone(count), [])
        assert sides(found).count("val") == drawn

    def test_a_large_cluster_is_drawn_only_if_that_helps(self) -> None:
        pictures, contents = alone(20)
        for seed in range(20):
            found = split(pictures, contents, [range(15)], seed=seed)
            assert set(sides(found)[:15]) == {"train"}
            assert sides(found).count("val") == 4

    def test_two_large_clusters_give_the_smaller_one(self) -> None:
        pictures, contents = alone(20)
        for seed in range(5):
            found = split(pictures, contents, [range(12), range(12, 20)], seed=seed)
            assert sides(found) == ["train"] * 12 + ["val"] * 8
            assert found.kept_together == 20

    def test_groups_of_all_classes_are_shared_out(self) -> None:
        pictures = [Example(f"{i}.jpg", "ab"[i % 2], group=f"patient {i // 4}") for i in range(400)]
        contents = [content(i) for i in range(400)]
        found = split(pictures, contents, [])
        assert Counter(e.label for e in found.examples if e.split == "val") == {"a": 40, "b": 40}

    def test_a_class_that_would_cost_another_its_last_gives_none(self) -> None:
        pictures = [Example("1", "a"), Example("2", "b"), Example("3", "a"), Example("4", "c")]
        found = split(pictures, [content(i) for i in range(4)], [(0, 1), (2, 3)])
        assert sides(found) == ["train"] * 4

    def test_unreadable_files_are_not_equal(self) -> None:
        pictures, _ = alone(4)
        found = split(pictures, ["", "", "", ""], [], share=0.5)
        assert (sides(found).count("val"), found.kept_together) == (2, 0)

    def test_bound_may_be_an_array(self) -> None:
        found = split(*alone(4), np.array([[0, 3], [1, 2]]), share=0.5)
        assert sides(found)[0] == sides(found)[3] != sides(found)[1] == sides(found)[2]

    def test_nothing_at_all(self) -> None:
        assert split([], [], []) == Split((), 0, ())

    @pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
    def test_a_share_out_of_range(self, share: float) -> None:
        with pytest.raises(UsageError, match="share between 0 and 1"):
            split(*alone(3), [], share=share)

    def test_what_does_not_fit_together(self) -> None:
        pictures, contents = alone(3)
        with pytest.raises(UsageError, match=r"one content per example, 3\. Received: 2"):
            split(pictures, contents[:2], [])
        for place in (-1, 3):
            with pytest.raises(UsageError, match=f"0 to 2. Received: {place}"):
                split(pictures, contents, [(0, place)])
        with pytest.raises(UsageError, match="Received: 'dev'"):
            split([Example("a", "b", "dev")], [""], [])


class TestGivenSplits:
    @given(labelled(splits=("train", "val", "test", "")), st.integers(0, 3))
    def test_what_is_given_is_not_moved(self, given_: Given, seed: int) -> None:
        found = split(given_.examples, given_.contents, given_.bound, seed=seed)
        has_val = any(example.split == "val" for example in given_.examples)
        for before, after in zip(given_.examples, found.examples, strict=True):
            assert after.split in ("train", "val", "test")
            if before.split and (has_val or before.split == "test"):
                assert after.split == before.split
        self._straddling(given_, found)

    @staticmethod
    def _straddling(given_: Given, found: Split) -> None:
        """The definition: each that has one of its cluster on an earlier side is named once."""
        rank = {"train": 0, "val": 1, "test": 2}
        late = set()
        of = {i: cluster for cluster in given_.clusters() for i in cluster}
        for i, cluster in of.items():
            ranks = [rank[found.examples[j].split] for j in cluster]
            if rank[found.examples[i].split] > min(ranks):
                late.add(i)
        assert [later for _, later in found.straddling] == sorted(late)
        for earlier, later in found.straddling:
            assert earlier in of[later]
            assert rank[found.examples[earlier].split] < rank[found.examples[later].split]

    def test_train_alone_gives_its_share(self) -> None:
        pictures, contents = alone(50)
        given_ = [replace(e, split="train" if i < 40 else "test") for i, e in enumerate(pictures)]
        found = split(given_, contents, [])
        assert Counter(sides(found)) == {"train": 32, "val": 8, "test": 10}
        assert sides(found)[40:] == ["test"] * 10
        # Which ones is no question of what they were called before.
        assert sides(split(pictures[:40], contents[:40], [])) == sides(found)[:40]

    def test_twins_across_given_sides_are_reported_with_their_own_twin(self) -> None:
        pictures, contents = alone(6)
        given_ = [
            replace(e, split=side)
            for e, side in zip(
                pictures, ["train", "train", "val", "val", "test", "test"], strict=True
            )
        ]
        contents[5] = contents[1]
        found = split(given_, contents, [(0, 1), (1, 2), (3, 4)])
        assert found.straddling == ((1, 2), (3, 4), (1, 5))
        assert sides(found) == [e.split for e in given_]
        assert found.kept_together == 0

    def test_the_undecided_go_with_their_own_kind(self) -> None:
        given_ = [Example(str(i), "a", s) for i, s in enumerate(["val", "", "test", "", "", ""])]
        contents = [content(i) for i in range(6)]
        found = split(given_, contents, [(0, 1), (2, 3)])
        assert sides(found) == ["val", "val", "test", "test", "train", "train"]
        assert (found.kept_together, found.straddling) == (4, ())

    def test_a_twin_of_a_test_picture_is_never_drawn(self) -> None:
        pictures, contents = alone(10)
        given_ = [replace(e, split="test" if i == 9 else "train") for i, e in enumerate(pictures)]
        found = split(given_, contents, [(0, 9)], share=0.9)
        assert sides(found)[0] == "train"
        assert found.straddling == ((0, 9),)


class TestFolds:
    @settings(deadline=None)
    @given(labelled(splits=("", "train", "val", "test")), st.integers(2, 5), st.integers(0, 3))
    def test_each_picture_is_tested_once_and_nothing_straddles(
        self, given_: Given, count: int, seed: int
    ) -> None:
        try:
            found = folds(given_.examples, given_.contents, given_.bound, count=count, seed=seed)
        except UsageError:
            return
        assert len(found) == count
        tested = Counter(
            i for fold in found for i, e in enumerate(fold.examples) if e.split == "val"
        )
        assert set(tested.values()) <= {1}
        for fold in found:
            assert "val" in sides(fold)
            for cluster in given_.clusters():
                own = {fold.examples[i].split for i in cluster}
                assert len(own) == 1 or "val" not in own
            for label in {e.label for e in fold.examples if e.split == "val"}:
                assert any(e.label == label and e.split == "train" for e in fold.examples)
            for before, after in zip(given_.examples, fold.examples, strict=True):
                assert before.split != "test" or after.split == "test"

    @given(labelled(mixed=False), st.integers(2, 4))
    def test_only_a_class_of_one_cluster_is_never_tested(self, given_: Given, count: int) -> None:
        try:
            found = folds(given_.examples, given_.contents, given_.bound, count=count)
        except UsageError:
            return
        tested = {i for fold in found for i, side in enumerate(sides(fold)) if side == "val"}
        number = Counter(given_.examples[min(c)].label for c in given_.clusters())
        assert tested == {i for i, e in enumerate(given_.examples) if number[e.label] > 1}

    @pytest.mark.parametrize("count", [2, 5, 7])
    def test_classes_are_dealt_evenly(self, count: int) -> None:
        pictures, contents = joined(alone(53), alone(31, "b"))
        found = folds(pictures, contents, [], count=count)
        for label, number in (("a", 53), ("b", 31)):
            sizes = [
                sum(e.split == "val" and e.label == label for e in fold.examples) for fold in found
            ]
            assert sum(sizes) == number
            assert max(sizes) - min(sizes) <= 1
        whole = [sides(fold).count("val") for fold in found]
        assert max(whole) - min(whole) <= 1

    @pytest.mark.parametrize("count", [-1, 0, 1, 4])
    def test_more_than_there_are_is_an_error(self, count: int) -> None:
        with pytest.raises(UsageError, match=rf"3 clusters at most. Received: {count}\."):
            folds(*alone(3), [], count=count)
        assert len(folds(*alone(3), [], count=3)) == 3

    def test_a_class_of_one_leaves_no_fold_empty(self) -> None:
        pictures, contents = alone(2)
        extra = [Example("b.jpg", "b"), Example("c.jpg", "c")]
        found = folds([*pictures, *extra], [*contents, content("b"), content("c")], [], count=2)
        assert sorted(sides(fold)[:2] for fold in found) == [["train", "val"], ["val", "train"]]
        assert all(sides(fold)[2:] == ["train", "train"] for fold in found)
