"""What an augmentation may vary: ImageDataGenerator's parameters, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from cnnkit.errors import InputError, UnknownName, UsageError

FILL_MODES = ("constant", "nearest", "reflect", "wrap")

# ImageDataGenerator takes these too. They act on a training run's tensors, never on a picture.
OF_TENSORS = (
    *("rescale", "featurewise_center", "featurewise_std_normalization", "samplewise_center"),
    *("samplewise_std_normalization", "zca_whitening", "zca_epsilon", "preprocessing_function"),
    *("data_format", "dtype", "validation_split"),
)

# Beyond these a typing error is likelier than a wish.
_PIXELS, _ZOOM, _BRIGHTNESS = 100_000, 100.0, 100.0

Shift = float | int | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What may vary from copy to copy, under ImageDataGenerator's own names.

    By default nothing does. `Augmentation.of` checks what it is given; the constructor does not.
    ``ImageDataGenerator(**dataclasses.asdict(augmentation))`` is the same augmentation in Keras.

    Attributes:
        rotation_range: degrees, 0 to 360; the angle lies within plus and minus this.
        width_shift_range: a float below 1 is a share of the width, another float pixels, and the
            shift lies within plus and minus this. A whole number n gives 0 to n - 1 whole pixels,
            a tuple one of its members, either way round.
        height_shift_range: the same, of the height. (`affine` says along which axis Keras applies
            the two.)
        shear_range: degrees, 0 to 89; within plus and minus this.
        zoom_range: the lowest and the highest factor, each above 0; drawn once for either axis.
            Below 1 the picture is magnified.
        horizontal_flip: whether half of the copies are mirrored left to right.
        vertical_flip: whether half of the copies are mirrored top to bottom.
        brightness_range: the lowest and the highest factor, 0 (black) and up; None for none.
        channel_shift_range: grey levels, 0 to 255; one shift for all channels, within plus and
            minus this, cut off at the picture's own darkest and brightest value.
        fill_mode: what lies beyond the edge: "constant", "nearest", "reflect" or "wrap".
        cval: the grey level beyond the edge, 0 to 255, for "constant".
        interpolation_order: of the spline, 0 (nearest) to 5; 1 is bilinear.
    """

    rotation_range: float = 0.0
    width_shift_range: Shift = 0.0
    height_shift_range: Shift = 0.0
    shear_range: float = 0.0
    zoom_range: tuple[float, float] = (1.0, 1.0)
    horizontal_flip: bool = False
    vertical_flip: bool = False
    brightness_range: tuple[float, float] | None = None
    channel_shift_range: float = 0.0
    fill_mode: str = "nearest"
    cval: float = 0.0
    interpolation_order: int = 1

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Augmentation:
        """Check a mapping of parameters, as a TOML table or keyword arguments give it.

        Names may be spelled with hyphens. Raises `UsageError` for a value that makes no sense, and
        for a parameter of ImageDataGenerator that acts on tensors; `UnknownName` for any other key.
        """
        return cls(**checked(mapping, _CHECKS))


def checked(
    mapping: Mapping[str, Any], checks: Mapping[str, Callable[[str, Any], Any]]
) -> dict[str, Any]:
    """The values of a mapping, each checked by its name, which may be spelled with hyphens."""
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        name = key.replace("-", "_")
        if name in OF_TENSORS and name not in checks:
            raise UsageError(_of_tensors(name))
        if name not in checks:
            raise UnknownName("augmentation parameter", key, checks)
        if name in values:
            raise UsageError(f"Expected {name} once. Received it with _ and with - in its name.")
        values[name] = checks[name](name, value)
    return values


def read_augmentation(path: str, *, besides: Collection[str] = ()) -> Augmentation:
    """Read an augmentation from a TOML file: under [augment], or else at the top level.

    Tables other than [augment] are options of other verbs and are left alone, and so are the keys
    named in `besides` (with underscores), which may stand beside the parameters. Raises
    `InputError` for a file that cannot be read, `UsageError` for one that is no TOML, holds no
    parameter or holds some at both places, and whatever `Augmentation.of` raises.
    """
    table = parameter_table(path)
    ours = {key: value for key, value in table.items() if key.replace("-", "_") not in besides}
    if not ours:
        raise UsageError(
            f"{path}: expected a parameter of the augmentation, such as rotation_range = 40, at "
            "the top level or under [augment]. Received none."
        )
    with naming(path):
        return Augmentation.of(ours)


def parameter_table(path: str) -> dict[str, Any]:
    """What a TOML file has under [augment], or else at its top level; raises what reading does."""
    content = _content(path)
    ours = {key for key in content if key.replace("-", "_") in (*_CHECKS, *OF_TENSORS)}
    top = {key: it for key, it in content.items() if key in ours or not isinstance(it, dict)}
    table = content.get("augment", top)
    if not isinstance(table, dict):
        raise UsageError(f"Expected a table [augment] in {path}. Received: {table!r}.")
    doubled = [key for key in top if table is not top and key in ours]
    if doubled:
        raise UsageError(
            f"{path}: expected every parameter under [augment]. Received {', '.join(doubled)} at "
            "the top level too: move them below the line [augment]."
        )
    return table


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Begin the message of a `UsageError` with the file that it is about."""
    try:
        yield
    except UsageError as error:
        error.args = (f"{path}: {error}",)
        raise


def _content(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"The augmentation {path!r} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The augmentation {path!r} is no TOML: {error}.") from error


def _of_tensors(name: str) -> str:
    return (
        f"{name} belongs to the tensors that a network is trained on, not to pictures. Leave it "
        "out: cnnkit scales pixels as the network's own recipe says."
    )


def refused(name: str, expected: str, value: Any) -> UsageError:
    """The error for a value that makes no sense."""
    received = repr(value)
    received = received if len(received) <= 60 else f"{received[:60]}…"
    return UsageError(f"{name}: expected {expected}. Received: {received}.")


def is_number(value: Any) -> bool:
    """Whether this is a number as TOML knows it; True is none."""
    return type(value) in (int, float)


def _number(highest: float, unit: str) -> Callable[[str, Any], float]:
    """A check for a number from 0 to `highest`; NaN is within no bounds."""

    def check(name: str, value: Any) -> float:
        if not is_number(value) or not 0 <= value <= highest:
            raise refused(name, f"a number of {unit}, 0 to {highest:g}", value)
        return float(value)

    return check


def _pair(lowest: float, highest: float, name: str, value: Any, expected: str) -> Any:
    """Two numbers in order, above `lowest` or equal to it where that is 0, up to `highest`."""
    fits = isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))
    if not fits or not lowest <= value[0] <= value[1] <= highest:
        raise refused(name, expected, value)
    return float(value[0]), float(value[1])


def _shift(name: str, value: Any) -> Shift:
    if is_number(value) and 0 <= value <= _PIXELS:
        return value  # type: ignore[no-any-return]
    several = isinstance(value, list | tuple) and len(value) > 0 and all(map(is_number, value))
    if several and all(-_PIXELS <= each <= _PIXELS for each in value):
        return tuple(value)
    expected = (
        f"a share such as 0.2, a number of pixels up to {_PIXELS}, or a list of numbers to choose "
        "from such as [-8, 8]"
    )
    raise refused(name, expected, value)


def _zoom(name: str, value: Any) -> tuple[float, float]:
    expected = (
        "a share from 0 to below 1 such as 0.2, or the lowest and the highest factor such as "
        f"[0.8, 1.2], each above 0 and at most {_ZOOM:g}"
    )
    if is_number(value) and 0 <= value < 1:
        return 1.0 - value, 1.0 + value
    # The smallest factor there is: 0 would draw one point of the picture over all of it.
    return _pair(1e-6, _ZOOM, name, value, expected)  # type: ignore[no-any-return]


def _brightness(name: str, value: Any) -> tuple[float, float] | None:
    expected = f"the lowest and the highest factor such as [0.8, 1.2], 0 to {_BRIGHTNESS:g}"
    if value is None:
        return None
    return _pair(0.0, _BRIGHTNESS, name, value, expected)  # type: ignore[no-any-return]


def yes_or_no(name: str, value: Any) -> bool:
    """A check for a truth value."""
    if not isinstance(value, bool):
        raise refused(name, "true or false", value)
    return value


def _fill_mode(name: str, value: Any) -> str:
    if value not in FILL_MODES:
        raise refused(name, f"one of {', '.join(FILL_MODES)}", value)
    return str(value)


def _order(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 5:
        raise refused(name, "a whole number, 0 (nearest) or 1 (bilinear) up to 5", value)
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "rotation_range": _number(360, "degrees"),
    "width_shift_range": _shift,
    "height_shift_range": _shift,
    "shear_range": _number(89, "degrees"),
    "zoom_range": _zoom,
    "horizontal_flip": yes_or_no,
    "vertical_flip": yes_or_no,
    "brightness_range": _brightness,
    "channel_shift_range": _number(255, "grey levels"),
    "fill_mode": _fill_mode,
    "cval": _number(255, "grey levels"),
    "interpolation_order": _order,
}

PARAMETERS = tuple(field.name for field in fields(Augmentation))
