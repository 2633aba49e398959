"""Pictures that look like photographs."""

import numpy as np
import pytest

from cnnkit.images.drawn import CLASSES
from cnnkit.images.drawn.studio import photograph


@pytest.mark.parametrize("name", CLASSES)
def test_every_texture_hangs_on_the_wall(name: str) -> None:
    room = photograph(name, 0, 0, 64)
    assert room.shape == (64, 64, 3)
    assert room.dtype == np.uint8
    assert room.std() > 5


def test_a_room_is_a_function_of_its_arguments() -> None:
    once, again, other = (photograph("brick", 1, index, 48) for index in (0, 0, 1))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_light_falls_off_into_the_corner_and_the_floor_is_wood() -> None:
    room = photograph("gradient", 0, 0, 128).astype(float)
    floor = room[115:].mean((0, 1))
    assert floor[0] > floor[1] > floor[2]  # brown
    assert room[:40, :60].mean() > room[:40, 100:].mean()  # the lamp is on the left
