"""Networks that others have saved: what a `.keras` file claims is checked before it is believed.

::

    the file ─► three plain members ─► config.json names Keras's own parts alone (trusted_config)
                                    ─► its variables, of no memory yet, against model.weights.h5
                                    ─► its activations ─► keras.models.load_model

What was checked is what is loaded: both see one private copy, written anew.
"""

import math
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.saving import saving_lib

from cnnkit.errors import WeightsError
from cnnkit.nets.trusted_archive import CONFIG, WEIGHTS, extract
from cnnkit.nets.trusted_config import checked_config
from cnnkit.zoo.tensors import tensor_shapes

# Numbers in one activation of one picture: 64 maps of 2048 × 2048.
_MOST_NUMBERS = 1 << 28
# Variables that a weight file may leave out, such as the states of random numbers.
_UNSAVED = 1 << 20
_ADVICE = 'Expected a network of Keras\'s own layers, saved whole: model.save("NAME.keras")'


def load_model(path: Path) -> keras.Model:
    """The network in a `.keras` file that nobody vouches for, not compiled.

    Raises `WeightsError` for a file that is none, is damaged, names anything but Keras's own
    layers, claims more than it holds, or asks for activations that no memory could hold.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cnnkit-") as name:
            folder = Path(name)
            extract(path, folder)
            config = folder / CONFIG
            config.write_text(checked_config(config.read_bytes()), "utf-8")
            return _load(folder)
    except (ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} {_first_line(error)}. {_ADVICE}.") from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise WeightsError(f"{path} cannot be opened: {reason}. {_ADVICE}.") from error


def check_classifier(model: keras.Model, classes: int, height: int, width: int) -> None:
    """Raise `WeightsError` unless it answers (n, height, width, 3) with (n, classes).

    The activations on the way are bounded as well, where the file leaves the sides open.
    """
    shapes = [tuple(each.shape) for each in model.inputs]
    fits = len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][0] is None
    if not fits or any(
        side not in (None, wanted)
        for side, wanted in zip(shapes[0][1:], (height, width, 3), strict=True)
    ):
        raise WeightsError(
            f"{model.name} takes {_shapes(shapes)}. "
            f"Expected one batch of pictures, (None, {height}, {width}, 3)."
        )
    pictures = keras.KerasTensor((None, height, width, 3), dtype=model.inputs[0].dtype)
    try:
        with _allocating_nothing():
            answers = _run(model, pictures)
    except Exception as error:  # whatever the layers make of such a picture
        raise WeightsError(
            f"{model.name} cannot take pictures of {height} × {width}: {_first_line(error)}."
        ) from error
    outputs = [tuple(each.shape) for each in keras.tree.flatten(answers)]
    if outputs != [(None, classes)]:
        raise WeightsError(
            f"{model.name} answers with {_shapes(outputs)}. "
            f"Expected one score for each class, (None, {classes})."
        )


def _shapes(shapes: list[tuple[int | None, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "nothing"


def _first_line(error: BaseException) -> str:
    # Keras says first what class it was about, then the whole configuration, and this at last.
    text = str(error).rpartition("Exception encountered: ")[2]
    lines = text.strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".:")[:300]


def _load(folder: Path) -> keras.Model:
    weights = folder / WEIGHTS
    size = weights.stat().st_size
    try:
        held = sum(map(math.prod, tensor_shapes(weights, most=size)))
    except WeightsError as error:
        said = str(error).replace(str(weights), WEIGHTS).rstrip(".")
        raise ValueError(f"is refused: {said}") from error
    _refuse_packed(weights)
    with _leaving_random_numbers_alone():
        _try(folder, held)
        try:
            return keras.models.load_model(str(folder), compile=False, safe_mode=True)
        except Exception as error:  # Keras, TensorFlow and h5py raise a dozen kinds
            raise ValueError(f"cannot be loaded: {_first_line(error)}") from error


def _refuse_packed(weights: Path) -> None:
    """Raise `ValueError` unless each tensor lies there as Keras writes it: plain and in one piece.

    Packed, it may claim any size; and HDF5 makes room for the whole of the largest chunk.
    """
    import h5py

    def check(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        plain = item.dtype.kind in "fiub" or item.dtype.str == "|V2"
        if not plain or item.chunks or item.id.get_create_plist().get_nfilters():
            raise ValueError(f"is refused: {WEIGHTS}: {name!r:.80} is no plain tensor")
        if item.size and item.id.get_storage_size() != item.size * item.dtype.itemsize:
            raise ValueError(f"is refused: {WEIGHTS}: {name!r:.80} is not all there")

    with h5py.File(weights, "r") as file:
        file.visititems(check)


@contextmanager
def _leaving_random_numbers_alone() -> Iterator[None]:
    """The first values of the variables are drawn, and then not used."""
    drawn = random.getstate()
    try:
        yield
    finally:
        random.setstate(drawn)


@contextmanager
def _allocating_nothing() -> Iterator[None]:
    """Variables that are made in here have shapes, and no values."""
    waiting = global_state.get_global_attribute("uninitialized_variables")
    names = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Left there, they would get their values when the next such scope ends.
        global_state.set_global_attribute("uninitialized_variables", waiting or [])
        global_state.set_global_attribute("object_name_uids", names)


def _try(folder: Path, held: int) -> None:
    """Raise `ValueError` where the network is larger than the `held` numbers of its weight file."""
    text = (folder / CONFIG).read_text("utf-8")
    try:
        with _allocating_nothing():
            model = saving_lib._model_from_config(text, None, False, True)
            _refuse_giant(model)
            variables = [(math.prod(each.shape), each.path) for each in model.variables]
    except _Giant:
        raise
    except Exception as error:  # whatever Keras makes of a configuration that nobody has tried
        raise ValueError(f"cannot be built: {_first_line(error)}") from error
    claimed = sum(size for size, _ in variables)
    if claimed > held + _UNSAVED:
        size, name = max(variables)
        raise ValueError(
            f"claims {claimed:,} numbers, {size:,} of them in {name!r:.80}, "
            f"and {WEIGHTS} holds {held:,}"
        )


class _Giant(ValueError):
    """An activation that no memory could hold."""


def _refuse_giant(model: Any) -> None:
    for operation in _graph(model).operations:
        if isinstance(operation, keras.Model):
            _refuse_giant(operation)
        for node in operation._inbound_nodes:
            _check_activation(operation, node.input_tensors, node.output_tensors)


def _graph(model: Any) -> Any:
    graph = model._functional if isinstance(model, keras.Sequential) else model
    if graph is None or not graph.built:
        raise ValueError("takes no input of a known shape")
    return graph


def _check_activation(operation: Any, inputs: list[Any], outputs: list[Any]) -> None:
    """A side that is not known yet counts as 1; `check_classifier` knows it."""
    for tensor in outputs:
        size = math.prod(side or 1 for side in tensor.shape)
        if "Attention" in type(operation).__name__:
            # Each place of the one looks at each of the other, once for every head.
            size = max(size, math.prod(math.prod(each.shape[1:-1]) for each in inputs[:2]))
        if size > _MOST_NUMBERS:
            raise _Giant(
                f"asks for an activation of {tuple(tensor.shape)} in {operation.name!r:.60}, "
                f"more than {_MOST_NUMBERS:,} numbers a picture"
            )


def _run(model: Any, inputs: Any) -> Any:
    """The shapes that come of those of `inputs`, each activation on the way bounded."""

    def bounded(operation: Any) -> Callable[..., Any]:
        def spec(*arguments: Any, **named: Any) -> Any:
            if isinstance(operation, keras.Model):
                return _run(operation, arguments[0] if arguments else named["inputs"])
            answers = operation.compute_output_spec(*arguments, **named)
            tensors = keras.tree.flatten((arguments, named))
            inputs = [each for each in tensors if isinstance(each, keras.KerasTensor)]
            _check_activation(operation, inputs, keras.tree.flatten(answers))
            return answers

        return spec

    return _graph(model)._run_through_graph(inputs, operation_fn=bounded)
