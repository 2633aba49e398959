"""Names that can be read, whatever is in them, and pictures of the size that is wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.outputs.strips import readable, shortened, within
from tests.conftest import picture


def test_joiners_stay() -> None:
    assert readable("👩\u200d🚀 می\u200cخواهم") == "👩\u200d🚀 می\u200cخواهم"


@given(st.text(st.characters(), max_size=30))
def test_readable_text_can_be_written_and_keeps_names_apart(text: str) -> None:
    seen = readable(text)
    assert seen.encode("utf-8").decode("utf-8") == seen
    assert seen.isprintable() or not text.isprintable()
    assert readable(text + "\n") != readable(text + "\\n")


@pytest.mark.parametrize("longest", range(1, 12))
def test_shortened(longest: int) -> None:
    assert shortened("0123456789", longest) == "0123456789" or longest < 10
    assert len(shortened("0123456789", longest)) == min(longest, 10)
    assert shortened("0123456789", 5) == "01…89"


def test_within() -> None:
    image = picture(64, 48)
    assert within(image, 64) is image
    assert within(image, 100) is image
    assert within(image, 128, enlarge=True).size == (128, 96)
    assert within(image, 32).size == (32, 24)
