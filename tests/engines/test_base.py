"""The face of every engine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine, choose
from cnnkit.errors import UnknownName


class Echo(Engine):
    """Answers with the first pixel, and remembers the shapes that it was given."""

    name = "echo"

    def __init__(self, batch_size: int) -> None:
        super().__init__(precision="float32", batch_size=batch_size, in_flight=2)
        self.shapes: set[int] = set()

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        self.shapes.add(len(pixels))
        return (pixels[:, 0, 0, :1].astype(np.float32),)


@given(count=st.integers(1, 40), batch_size=st.integers(1, 9))
def test_any_number_of_pictures_goes_through_two_shapes(count: int, batch_size: int) -> None:
    engine = Echo(batch_size)
    pixels = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(3, axis=3)
    assert engine.predict(pixels)[0][:, 0].tolist() == list(range(count))
    assert engine.shapes <= {1, batch_size}


def test_unknown_engines_get_near_misses() -> None:
    with pytest.raises(UnknownName, match="Did you mean keras"):
        choose("keros", "auto")  # type: ignore[arg-type]
