"""An augmentation is checked before it draws anything, and the message says what to write."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.images.augment import Augmentation, draw, read_augmentation
from cnnkit.images.augment.parameters import OF_TENSORS, PARAMETERS
from tests.conftest import ROOT
from tests.images.augment.keras_reference import BLOG, generator

REFUSED: tuple[tuple[str, Any], ...] = (
    ("rotation_range", 1e9),
    ("rotation_range", -1),
    ("rotation_range", "40"),
    ("rotation_range", True),
    ("rotation_range", [1, 2]),
    ("rotation_range", float("nan")),
    ("rotation_range", float("inf")),
    ("rotation_range", 10**400),
    ("width_shift_range", -0.2),
    ("width_shift_range", 10**9),
    ("width_shift_range", []),
    ("width_shift_range", ["1"]),
    ("width_shift_range", [[1]]),
    ("width_shift_range", [1, float("nan")]),
    ("width_shift_range", True),
    ("height_shift_range", "all"),
    ("height_shift_range", {"a": 1}),
    ("shear_range", 90),
    ("zoom_range", -1),
    ("zoom_range", 1),
    ("zoom_range", 1.5),
    ("zoom_range", [0, 1]),
    ("zoom_range", [1.2, 0.8]),
    ("zoom_range", [1, 1, 1]),
    ("zoom_range", [0.5, float("inf")]),
    ("zoom_range", "0.2"),
    ("horizontal_flip", 1),
    ("horizontal_flip", "yes"),
    ("vertical_flip", None),
    ("brightness_range", 0.5),
    ("brightness_range", [-1, 1]),
    ("brightness_range", [1, 0.5]),
    ("brightness_range", [1, True]),
    ("channel_shift_range", 256),
    ("fill_mode", "mirror"),
    ("fill_mode", "Nearest"),
    ("fill_mode", ["nearest"]),
    ("fill_mode", 0),
    ("cval", -1),
    ("cval", "0"),
    ("interpolation_order", 6),
    ("interpolation_order", 1.0),
    ("interpolation_order", True),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


class TestOf:
    def test_the_blogs_set(self) -> None:
        augmentation = Augmentation.of(BLOG)
        assert augmentation.zoom_range == (0.8, 1.2)
        assert augmentation.rotation_range == 40.0
        assert augmentation.horizontal_flip
        assert not augmentation.vertical_flip
        assert augmentation.brightness_range is None
        assert hash(augmentation) == hash(Augmentation.of(BLOG))

    def test_kinds_of_shifts_are_kept_apart(self) -> None:
        augmentation = Augmentation.of({"width-shift-range": 5, "height_shift_range": [1, 0.5]})
        assert (augmentation.width_shift_range, augmentation.height_shift_range) == (5, (1, 0.5))
        assert type(Augmentation.of({"width_shift_range": 5.0}).width_shift_range) is float

    @pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda part: str(part)[:20])
    def test_nonsense_is_refused(self, name: str, value: Any) -> None:
        with pytest.raises(UsageError, match=rf"^{name}: expected .+\. Received: .+\.$") as caught:
            Augmentation.of({name: value})
        assert len(str(caught.value)) < 300

    def test_an_unknown_key_has_near_misses(self) -> None:
        with pytest.raises(UnknownName, match="Did you mean rotation_range"):
            Augmentation.of({"rotation": 40})

    def test_two_spellings_of_one_key(self) -> None:
        with pytest.raises(UsageError, match="once"):
            Augmentation.of({"zoom_range": 0.1, "zoom-range": 0.2})

    @pytest.mark.parametrize("name", OF_TENSORS)
    def test_what_acts_on_tensors_is_named(self, name: str) -> None:
        with pytest.raises(UsageError, match=f"{name} belongs to the tensors"):
            Augmentation.of({name: 1})

    @pytest.mark.network
    def test_keras_takes_it_as_it_is(self) -> None:
        keras = generator(Augmentation.of(BLOG))
        for name, value in asdict(Augmentation.of(BLOG)).items():
            mine = list(value) if name == "zoom_range" else value
            assert getattr(keras, name) == mine

    @pytest.mark.network
    def test_every_parameter_of_keras_is_known(self) -> None:
        import inspect

        theirs = inspect.signature(type(generator(Augmentation()))).parameters
        assert set(theirs) == {*PARAMETERS, *OF_TENSORS}

    @given(st.sampled_from(PARAMETERS), ANYTHING)
    def test_whatever_is_accepted_can_be_drawn(self, name: str, value: Any) -> None:
        try:
            augmentation = Augmentation.of({name: value})
        except UsageError:
            return
        drawn = draw(augmentation, seed=0, content="", copy=0, height=3, width=4)
        assert all(number is None or abs(number) <= 4e5 for number in asdict(drawn).values())


class TestRead:
    def read(self, folder: Path, text: str | bytes, **options: Any) -> Augmentation:
        path = folder / "a.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_augmentation(str(path), **options)

    def test_at_the_top_level(self, tmp_path: Path) -> None:
        text = "rotation_range = 40\nzoom-range = [0.8, 1.2]\n[classify]\ntop = 3\n[finetune]\nx=1"
        found = self.read(tmp_path, text)
        assert found == Augmentation(rotation_range=40.0, zoom_range=(0.8, 1.2))

    def test_in_a_table_beside_other_options(self, tmp_path: Path) -> None:
        text = 'model = "vgg16"\n[finetune]\nepochs = 3\n[augment]\nshear_range = 2\ncopies = 7'
        assert self.read(tmp_path, text, besides=["copies"]) == Augmentation(shear_range=2.0)
        with pytest.raises(UnknownName, match="copies"):
            self.read(tmp_path, text)

    def test_the_file_that_comes_along(self) -> None:
        assert read_augmentation(str(ROOT / "configs" / "augment-blog.toml")) == Augmentation.of(
            BLOG
        )

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "Received none"),
            ("[classify]\ntop = 3", "Received none"),
            ("[augment]", "Received none"),
            ("augment = 3", "Expected a table"),
            ("[[augment]]\nshear_range = 3", "Expected a table"),
            ("shear-range = 2\n[augment]\nrotation_range = 3", "top level too"),
            ("rotation_range = ", "is no TOML"),
            ("rotation_range = 1\nrotation_range = 2", "is no TOML"),
            (b"\xff\xfe\x00", "is no TOML"),
            (b"\x00" * 100, "is no TOML"),
            ("x = " + "[" * 100_000, "is no TOML"),
            ("rotation_range = inf", "expected a number of degrees, 0 to 360"),
            ("rotation_range = 1979-05-27", "expected a number"),
            ("[augment]\nrescale = 0.0039", "belongs to the tensors"),
            ("[augment]\nrotation_range.low = 3", "expected a number"),
            ("shear_range = 2\nfill_mode = {a = 1}", "fill_mode: expected one of"),
            ("[augment]\nrotaton_range = 3", "rotation_range"),
        ],
    )
    def test_hostile_files(self, tmp_path: Path, text: str | bytes, words: str) -> None:
        with pytest.raises(UsageError, match=words) as caught:
            self.read(tmp_path, text)
        assert "a.toml" in str(caught.value)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_augmentation(str(tmp_path / "absent.toml"))
        with pytest.raises(InputError, match="cannot be read"):
            read_augmentation(str(tmp_path))
