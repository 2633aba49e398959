"""Which layers of a flat classifier train, and where it can be cut below them."""

from collections.abc import Collection
from typing import Any

import keras

from cnnkit.errors import UnknownName, UsageError

# The layers from the last one on that work at the size of the last feature map.
STAGE = "stage"
ALL = "all"


def unfreeze(
    model: keras.Model, what: str, head: Collection[str], *, batchnorm: bool = False
) -> list[str]:
    """Let the head train, and of the backbone `what`; the names of the backbone's layers that do.

    `what` is "stage" (the last resolution's layers), "all", a number of layers with weights
    counted from the end, or the beginning of a layer's name: that layer and all after it. Batch
    normalisation stays frozen without `batchnorm`: in a frozen layer it keeps to the statistics
    of its training, which a few hundred pictures cannot better.

    Raises `UsageError` for a number that is too large, and `UnknownName` for no such name.
    """
    weighty = [layer for layer in model.layers if layer.weights and layer.name not in head]
    frozen = () if batchnorm else keras.layers.BatchNormalization
    backbone = [layer for layer in weighty if not isinstance(layer, frozen)]
    chosen = [layer.name for layer in _chosen(backbone, what)]
    free = {*chosen, *head}
    for layer in model.layers:
        layer.trainable = layer.name in free
    return chosen


def _chosen(backbone: list[Any], what: str) -> list[Any]:
    if what == ALL:
        return backbone
    if what == STAGE:
        return _last_stage(backbone)
    if what.isdecimal():
        if not 0 < int(what) <= len(backbone):
            raise UsageError(
                f"Expected --unfreeze as a number from 1 to {len(backbone)}, the layers with "
                f"weights. Received: {what}."
            )
        return backbone[-int(what) :]
    for place, layer in enumerate(backbone):
        if layer.name.startswith(what):
            return backbone[place:]
    raise UnknownName("layer", what, [layer.name for layer in backbone])


def _last_stage(backbone: list[Any]) -> list[Any]:
    size, stage = None, []
    for layer in reversed(backbone):
        sides = tuple(layer.output.shape[1:3]) if len(layer.output.shape) == 4 else (1, 1)
        if sides != (1, 1):  # which a squeeze-and-excitation has anywhere
            size = size or sides
            if sides != size:
                break
        stage.append(layer)
    return stage[::-1]


def cut_below(model: keras.Model, possible: Collection[str]) -> keras.layers.Layer | None:
    """The last layer, of the `possible` ones, above which everything that trains lies.

    All that flows from the layers up to it to those after it is its own output: a picture's
    answer from there on is a function of it alone. None where there is no such layer.
    """
    order = {id(operation): at for at, operation in enumerate(model.operations)}
    reach = [0] * len(order)  # how far down the graph what an operation answers with is used
    for at, operation in enumerate(model.operations):
        for node in operation._inbound_nodes:
            for parent in node.parent_nodes:
                above = order.get(id(parent.operation))
                if above is not None:
                    reach[above] = max(reach[above], at)
    found, furthest = None, 0
    for at, operation in enumerate(model.operations):
        if getattr(operation, "trainable_weights", None):
            break
        if furthest <= at and operation.name in possible and reach[at] > at:
            found = operation
        furthest = max(furthest, reach[at])
    return found


def above(model: keras.Model, cut: keras.layers.Layer) -> keras.Model:
    """The part of the model after a layer, on the same weights: its output → the answers."""
    return keras.Model(cut.output, model.output, name=f"{model.name}_top")
