"""Draws are a function of seed, content and copy, and distributed as Keras's own."""

import hashlib
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.images.augment import Augmentation, Drawn, draw, varies
from tests.images.augment.keras_reference import BLOG, generator

ALL = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 7,
    "shear_range": 10,
    "zoom_range": [0.5, 1.2],
    "horizontal_flip": True,
    "vertical_flip": True,
    "brightness_range": [0.5, 1.5],
    "channel_shift_range": 9,
}
LISTED = ALL | {"width_shift_range": [-3, 1.5, 8], "height_shift_range": [0.1, -0.4]}
PIXELS = ALL | {"width_shift_range": 12.0, "height_shift_range": 1, "zoom_range": 0.3}
HEIGHT, WIDTH, DRAWS = 120, 200, 5000
KNOWN: dict[str, Any] = {
    "theta": -36.121696505950695,
    "tx": -3.0,
    "ty": 5.59134864375066,
    "shear": 3.86659563486913,
    "zx": 0.5906209382061072,
    "zy": 1.0064930900120515,
    "flip_horizontal": False,
    "flip_vertical": True,
    "channel_shift_intensity": 8.399894624132443,
    "brightness": 0.7564804796971462,
}


def one(augmentation: Augmentation, seed: int = 0, content: str = "ab12", copy: int = 0) -> Drawn:
    return draw(augmentation, seed=seed, content=content, copy=copy, height=HEIGHT, width=WIDTH)


def columns(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {key: np.array([record[key] for record in records], float) for key in records[0]}


class TestKeys:
    def test_known_numbers(self) -> None:
        # They are to stay for ever: a published seed names certain pictures.
        drawn = one(Augmentation.of(ALL), seed=3, content="9f86d081884c7d65", copy=2)
        assert asdict(drawn) == drawn.parameters() == pytest.approx(KNOWN)
        # By hand, from the first eight bytes of the stream.
        stream = hashlib.shake_256(b"cnnkit augment 3 9f86d081884c7d65 2").digest(8)
        share = (int.from_bytes(stream, "little") >> 11) / 2**53
        assert drawn.theta == pytest.approx(-40 + 80 * share)

    def test_each_of_the_three_matters(self) -> None:
        augmentation = Augmentation.of(BLOG)
        draws = [
            one(augmentation),
            one(augmentation, seed=1),
            one(augmentation, content="ab13"),
            one(augmentation, copy=1),
            one(augmentation, seed=-1),
            one(augmentation, seed=10**30),
        ]
        assert len(set(draws)) == len(draws)
        assert one(augmentation) == draws[0]

    def test_order_and_process_do_not_matter(self) -> None:
        augmentation = Augmentation.of(BLOG)
        draws = [one(augmentation, copy=copy) for copy in range(20)]
        assert [one(augmentation, copy=copy) for copy in reversed(range(20))] == draws[::-1]
        script = (
            "from cnnkit.images.augment import Augmentation, draw\n"
            f"augmentation = Augmentation.of({BLOG!r})\n"
            "print(draw(augmentation, seed=0, content='ab12', copy=7, height=120, width=200))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert done.stdout.decode().strip() == repr(draws[7])

    def test_one_parameter_does_not_change_another(self) -> None:
        turned = one(Augmentation.of({"rotation_range": 40}))
        assert turned.theta == one(Augmentation.of(ALL)).theta
        assert turned == Drawn(theta=turned.theta)

    def test_numpys_global_generator_is_left_alone(self) -> None:
        before = np.random.get_state()[1].tolist()  # type: ignore[index]
        one(Augmentation.of(ALL))
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index]

    def test_nothing_varies_by_default(self) -> None:
        assert one(Augmentation()) == Drawn()
        assert not Drawn().moves
        assert Drawn(zy=1.1).moves

    @given(st.integers(), st.text("0123456789abcdef", max_size=64), st.integers(0, 2**40))
    def test_draws_lie_within_their_ranges(self, seed: int, content: str, copy: int) -> None:
        drawn = one(Augmentation.of(ALL), seed, content, copy)
        assert abs(drawn.theta) <= 40
        assert abs(drawn.ty) <= 0.2 * WIDTH
        assert abs(drawn.tx) in range(7)
        assert abs(drawn.shear) <= 10
        assert 0.5 <= min(drawn.zx, drawn.zy) <= max(drawn.zx, drawn.zy) <= 1.2
        assert abs(drawn.channel_shift_intensity or 0) <= 9
        assert 0.5 <= (drawn.brightness or 0) <= 1.5


@pytest.mark.network
@pytest.mark.parametrize("given", [ALL, LISTED, PIXELS], ids=["all", "listed", "pixels"])
def test_distributions_are_those_of_get_random_transform(given: dict[str, Any]) -> None:
    augmentation = Augmentation.of(given)
    keras = generator(augmentation)
    np.random.seed(5)
    theirs = columns([keras.get_random_transform((HEIGHT, WIDTH, 3)) for _ in range(DRAWS)])
    ours = columns([asdict(one(augmentation, copy=copy)) for copy in range(DRAWS)])
    assert list(ours) == list(theirs)
    for key, drawn in ours.items():
        wanted, spread = theirs[key], theirs[key].std()
        # 5 standard errors of a mean, of a second moment and of a fourth.
        assert abs(drawn.mean() - wanted.mean()) <= 5 * spread * np.sqrt(2 / DRAWS), key
        for power in (2, 4):
            of_ours, of_theirs = drawn**power, wanted**power
            error = of_theirs.std() * np.sqrt(2 / DRAWS)
            assert abs(of_ours.mean() - of_theirs.mean()) <= 5 * error + 1e-9, (key, power)
        assert np.allclose(
            [drawn.min(), drawn.max()],
            [wanted.min(), wanted.max()],
            atol=0.01 * np.ptp(wanted) + 1e-9,
        ), key
    assert (
        np.abs(
            np.corrcoef([values for values in ours.values() if values.std()])
            - np.eye(sum(bool(values.std()) for values in ours.values()))
        ).max()
        < 0.08
    )


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({}, False),
        ({"fill_mode": "reflect", "cval": 9, "interpolation_order": 0}, False),
        ({"rotation_range": 0}, False),
        ({"width_shift_range": 1}, False),
        ({"zoom_range": [0.7, 0.7], "brightness_range": [2, 2]}, False),
        ({"width_shift_range": 2}, True),
        ({"height_shift_range": [5]}, True),
        ({"rotation_range": 1e-6}, True),
        ({"vertical_flip": True}, True),
        ({"horizontal_flip": True}, True),
        ({"channel_shift_range": 1}, True),
    ],
)
def test_whether_anything_varies(wanted: dict[str, Any], answer: bool) -> None:
    assert varies(Augmentation.of(wanted)) is answer
