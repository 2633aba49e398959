"""Labels of pictures → classes of a network, by name."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.errors import UsageError
from cnnkit.tasks.truths import truths

FLOWERS = (("daisy", "daisy"), ("wild_rose", "wild_rose"), ("tulip", "tulip"))
CRANES = (
    ("n01440764", "tench"), ("n02012849", "crane"), ("n03126707", "crane"), ("n1", "black_swan")
)  # fmt: skip


def test_labels_and_ids_are_found_in_any_order() -> None:
    found = truths("m", CRANES, ["n03126707", "tench", "black_swan", "n02012849"])
    assert found.places == {"n03126707": 2, "tench": 0, "black_swan": 3, "n02012849": 1}
    assert found.names == ("tench", "crane (n02012849)", "crane (n03126707)", "black_swan")
    assert found.name("n03126707") == "crane (n03126707)"


def test_case_and_blanks_are_forgiven_and_told(caplog: pytest.LogCaptureFixture) -> None:
    found = truths("m", FLOWERS, ["Daisy", "WILD rose", "tulip"])
    assert [found.places[each] for each in ("Daisy", "WILD rose", "tulip")] == [0, 1, 2]
    assert "another spelling (2): Daisy as daisy, WILD rose as wild_rose" in caplog.text


def test_accents_may_stand_apart_from_their_letters() -> None:
    classes = (("caf\u00e9", "caf\u00e9"), ("x", "x"))
    assert truths("m", classes, ["cafe\u0301"]).places == {"cafe\u0301": 0}


def test_the_very_name_wins_over_an_id_and_over_a_spelling() -> None:
    classes = (("2", "1"), ("1", "2"), ("Rose", "Rose"), ("rose", "rose"))
    found = truths("m", classes, ["1", "2", "rose", "Rose"])
    assert found.places == {"1": 0, "2": 1, "rose": 3, "Rose": 2}


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("crane", r"n02012849 \(crane\) or n03126707 \(crane\)"),
        ("CRANE", r"n02012849 .* n03126707"),
    ],
)
def test_a_name_of_two_classes_is_refused(label: str, meant: str) -> None:
    with pytest.raises(UsageError, match=meant):
        truths("m", CRANES, [label, "tench"])


def test_what_has_no_counterpart_is_told(caplog: pytest.LogCaptureFixture) -> None:
    found = truths("m", FLOWERS, ["weed\n", "daisy"])
    assert found.places == {"weed\n": -1, "daisy": 0}
    assert found.name("weed\n") == "weed\n"
    for part in ("1 of the network's 3 classes", "not know, all its pictures are wrong: 'weed\\n'",
                 "without a picture (2): wild_rose, tulip"):  # fmt: skip
        assert part in caplog.text


def test_where_all_is_well_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    truths("m", FLOWERS, ["tulip", "wild_rose", "daisy"])
    truths("m", CRANES, [identity for identity, _ in CRANES])
    assert not caplog.records


def test_no_class_that_is_known_is_an_error_that_names_both() -> None:
    with pytest.raises(UsageError) as caught:
        truths("runs/my run", FLOWERS, ["cat", "0", "1"])  # never by index
    for part in ("daisy, wild_rose, tulip", "cat, 0, 1", "cnnkit labels 'runs/my run'"):
        assert part in str(caught.value)
    many = tuple((str(i), f"class {i}") for i in range(99))
    with pytest.raises(UsageError, match=r"class 4, … \(99 in all\)\. Received: cat\."):
        truths("m", many, ["cat"])


@given(st.sets(st.text(min_size=1), min_size=1, max_size=8), st.randoms())
def test_every_order_of_any_names_gives_the_same_places(names: set[str], random: object) -> None:
    own = sorted(names)
    classes = tuple((name, name) for name in own)
    shuffled = list(own)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    logging.getLogger("cnnkit").setLevel(logging.ERROR)
    assert truths("m", classes, shuffled).places == {name: own.index(name) for name in own}
