"""Names in the order in which a person counts."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnnkit.records.order import natural_key


def test_numbers_by_their_value() -> None:
    names = ["img1", "img2", "img010", "img10", "img10a", "img100", "imgx"]
    shuffled = [names[i] for i in (5, 2, 6, 0, 3, 1, 4)]
    assert sorted(shuffled, key=natural_key) == names


@given(st.lists(st.text()))
def test_any_names_can_be_ordered_and_only_equal_ones_tie(names: list[str]) -> None:
    keys = sorted(map(natural_key, set(names)))
    assert len({str(key) for key in keys}) == len(set(names))


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 3))
@example(0, 0, 1)
def test_digits_compare_as_the_numbers_they_stand_for(one: int, two: int, zeros: int) -> None:
    keys = natural_key(f"a{'0' * zeros}{one}"), natural_key(f"a{two}")
    if one != two:
        assert (keys[0] < keys[1]) == (one < two)
    else:
        assert (keys[0] < keys[1]) == (zeros > 0)


@pytest.mark.parametrize("digits", [4_301, 100_000])
def test_a_number_that_python_would_not_read_is_a_name_as_well(digits: int) -> None:
    assert natural_key("9" * digits) < natural_key("1" + "0" * digits)
