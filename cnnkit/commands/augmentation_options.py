"""ImageDataGenerator's parameters as options, under its own names."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

_Decorator = Callable[[Any], Any]

# What ImageDataGenerator takes besides, and no picture file can have: asked for, it is explained.
_NUMBERS_OF_TENSORS = ("rescale", "zca_epsilon")
_SWITCHES_OF_TENSORS = (
    *("featurewise_center", "featurewise_std_normalization", "samplewise_center"),
    *("samplewise_std_normalization", "zca_whitening"),
)
_OF_TENSORS = (*_NUMBERS_OF_TENSORS, *_SWITCHES_OF_TENSORS)


class _Numbers(click.types.FloatParamType):
    """`0.2`, or `0.8,1.2`: a whole number stays one, as it means another thing for a shift."""

    name = "number"
    takes_lists = True  # in a file of options

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or all of them."""
        if not isinstance(value, str):
            return value
        numbers = [self._number(part, param, ctx) for part in value.split(",")]
        return numbers if len(numbers) > 1 else numbers[0]

    def _number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        with suppress(ValueError):
            return int(text)
        try:
            return float(text)
        except ValueError:
            self.fail(f"{text!r} is not a number.", param, ctx)


class _Anything(click.types.FloatParamType):
    """Whatever it is, it will be refused with the reason."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as it is."""
        return value


def augmentation_options(command: Any) -> Any:
    """Every parameter; those that are not given are None. Hand them to `given`."""
    for decorator in reversed((*_PARAMETERS, *map(_hidden, _OF_TENSORS))):
        command = decorator(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Take the parameters that were given out of a verb's options."""
    names = (*_NAMES, *_OF_TENSORS)
    taken = {name: options.pop(name) for name in names}
    return {name: value for name, value in taken.items() if value is not None}


def _degrees(name: str, help: str) -> _Decorator:
    return click.option(name, type=float, metavar="DEGREES", help=help)


def _range(name: str, metavar: str, help: str) -> _Decorator:
    return click.option(name, type=_Numbers(), metavar=metavar, help=help)


def _switch(name: str, help: str) -> _Decorator:
    return click.option(f"--{name}/--no-{name}", default=None, help=help)


def _hidden(name: str) -> _Decorator:
    option = f"--{name.replace('_', '-')}"
    kind: dict[str, Any] = {"type": _Anything()}
    if name in _SWITCHES_OF_TENSORS:
        kind = {"is_flag": True, "default": None}
    return click.option(option, hidden=True, help="Of training alone.", **kind)


_PARAMETERS: tuple[_Decorator, ...] = (
    _degrees("--rotation-range", "Turn by up to so much, either way."),
    _range(
        "--width-shift-range", "SHARE|PIXELS",
        "Shift by up to this share (0.2), so many pixels (8), or one of several (-8,0,8).",
    ),
    _range("--height-shift-range", "SHARE|PIXELS", "The same, for the other axis."),
    _degrees("--shear-range", "Shear by up to so much."),
    _range("--zoom-range", "SHARE|LOW,HIGH", "0.2, or the factors 0.8,1.2; below 1 magnifies."),
    _switch("horizontal-flip", "Mirror half of the copies left to right."),
    _switch("vertical-flip", "Turn half of the copies upside down."),
    _range("--brightness-range", "LOW,HIGH", "Multiply by a factor such as 0.8,1.2."),
    click.option(
        "--channel-shift-range", type=float, metavar="LEVELS",
        help="Shift all grey levels by up to so many.",
    ),
    click.option(
        "--fill-mode", metavar="nearest|reflect|wrap|constant", help="What lies beyond the edge."
    ),
    click.option(
        "--cval", type=float, metavar="LEVEL", help="The grey level there, for constant."
    ),
    click.option(
        "--interpolation-order", type=int, metavar="0..5",
        help="0 nearest, 1 bilinear, more for splines.  [default: 1]",
    ),
)  # fmt: skip
_NAMES = (
    *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
    *("horizontal_flip", "vertical_flip", "brightness_range", "channel_shift_range"),
    *("fill_mode", "cval", "interpolation_order"),
)
