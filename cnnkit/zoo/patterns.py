"""What a pattern's network has in each layer, counted and not built: shapes and parameters.

The formulas are those of CS231n ("Convolutional Networks"). Letters: H × W × C the maps that go
into a step, k its size, s its stride, f its filters, n its units. Padded, a convolution makes
ceil(H / s) rows of H; not padded, and in a pooling, (H − k) // s + 1. It has (k·k·C + 1)·f
parameters; FC-n has (H·W·C + 1)·n; BN has 4·C, of which half are averages and not learnt.
"""

import math
from dataclasses import dataclass

from cnnkit.errors import UsageError
from cnnkit.zoo.pattern_reader import EXAMPLE, Step, parse, wrong

__all__ = [
    "EXAMPLE",
    "FLATTEN",
    "Layer",
    "Shape",
    "Step",
    "embedding_layer",
    "input_size",
    "layers",
    "parameters",
    "parse",
]

FLATTEN = "flatten"
_MOST_PARAMETERS = 2_000_000_000
# Numbers that one step makes of one picture: 64 maps of 2048 × 2048.
_MOST_NUMBERS = 1 << 28

# (H, W, C) of maps, or (n,) of a vector.
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a pattern's network: what it is called, makes of one picture, and learns."""

    name: str
    step: Step
    shape: Shape
    parameters: int


def input_size(text: str) -> tuple[int, int] | None:
    """The (height, width) that INPUT fixes, in pixels; None where it leaves them open."""
    first = parse(text)[0]
    return (first.size, first.width) if first.size else None


def layers(text: str, height: int, width: int, classes: int) -> tuple[Layer, ...]:
    """Each layer of the network, INPUT and what flattens among them, with shape and parameters.

    The size that INPUT fixes goes before `height` and `width`, in pixels. Raises `UsageError` for a
    pattern that is none, shrinks a picture to nothing, or makes a network too large to be one.
    """
    steps = parse(text)
    shape: Shape = (*(input_size(text) or (height, width)), 3)
    if min(*shape, classes) < 1:
        raise UsageError(
            f"Expected height, width and classes of 1 or more. Received: {height}, {width}, "
            f"{classes}."
        )
    found: list[Layer] = []
    numbers: dict[str, int] = {}
    for step in steps:
        if step.kind == "fc" and len(shape) > 1:
            shape = (math.prod(shape),)
            found.append(Layer(FLATTEN, step, shape, 0))
        parameters = _parameters(step, shape, classes)
        shape = _shape(text, step, shape, classes)
        numbers[step.kind] = numbers.get(step.kind, 0) + 1
        name = step.kind if step.kind == "input" else f"{step.kind}{numbers[step.kind]}"
        found.append(Layer(name, step, shape, parameters))
        total = sum(each.parameters for each in found)
        if total > _MOST_PARAMETERS or math.prod(shape) > _MOST_NUMBERS:
            raise wrong(
                text,
                step.position,
                f"at most {_MOST_PARAMETERS:,} parameters and {_MOST_NUMBERS:,} numbers a picture "
                "in any step",
                f"{step.text}, which makes it {total:,} parameters, and answers with {shape}",
            )
    return tuple(found)


def parameters(text: str, height: int, width: int, classes: int) -> int:
    """How many parameters the network has, those of no gradient among them."""
    return sum(layer.parameters for layer in layers(text, height, width, classes))


def embedding_layer(text: str) -> str:
    """The layer whose answer, a vector, goes into the last FC: the one before its dropout."""
    # Names and the order of layers do not depend on sizes, which a small picture might not have.
    steps = parse(text)
    before = [step for step in steps[:-1] if step.kind != "drop"]
    if not any(step.kind in ("fc", "gap") for step in before):
        return FLATTEN
    last = before[-1].kind
    return f"{last}{sum(step.kind == last for step in before)}"


def _shape(text: str, step: Step, shape: Shape, classes: int) -> Shape:
    """The shape that a step makes of `shape`."""
    if step.kind == "fc":
        return (step.units or classes,)
    if step.kind not in ("conv", "pool", "avgpool", "gap"):
        return shape
    if len(shape) == 1:
        raise wrong(
            text, step.position, "a step that takes a vector", f"{step.text} after FC or GAP"
        )
    if step.kind == "gap":
        return shape[2:]
    padded = step.kind == "conv" and not step.valid
    sides = [
        -(-side // step.stride) if padded else (side - step.size) // step.stride + 1
        for side in shape[:2]
    ]
    if min(sides) < 1:
        raise wrong(
            text,
            step.position,
            f"a picture or map of at least {step.size} × {step.size}: fewer steps that shrink it, "
            "or a larger picture",
            f"{step.text} on {shape[0]} × {shape[1]}, of which nothing is left",
        )
    return (*sides, step.units or shape[2])


def _parameters(step: Step, shape: Shape, classes: int) -> int:
    if step.kind == "conv":
        # A convolution of a vector is refused by `_shape`.
        return (step.size**2 * shape[-1] + 1) * step.units
    if step.kind == "fc":
        return (shape[0] + 1) * (step.units or classes)
    return 4 * shape[-1] if step.kind == "bn" else 0
