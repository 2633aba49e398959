"""A Keras network → a file that a runtime reads, and that file at work in its own runtime."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.engines.conversion import TOLERANCE, differences, probes
from cnnkit.engines.disk import takes
from cnnkit.engines.quiet import quiet
from cnnkit.errors import CnnkitError, GateFailed, OutputError
from cnnkit.records import Recipe

log = logging.getLogger(__name__)
# uint8 (n, H, W, 3) → float32 (n, classes).
_Predict = Callable[[NDArray[np.uint8]], Any]
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """One format: the file or folder to open, what Keras calls it, and who opens it.

    `packages` are needed to write the file and to compare it.
    """

    file: str
    keras: str
    runtime: str
    opened: Callable[[Path, int], _Predict]
    packages: tuple[str, ...] = ()


def require(format: str) -> None:
    """Raise `CnnkitError` with what to type where a package for the format is missing."""
    needed = KINDS[format].packages
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        wanted = "'cnnkit[onnx]'" if format == "onnx" else " ".join(missing)
        raise CnnkitError(
            f"Expected {', '.join(needed)} to be installed for the format {format}. "
            f"Received: no {', '.join(missing)}. Type: pip install {wanted}"
        )


def export_model(model: Any, format: str, folder: Path) -> Path:
    """Write a `keras.Model` into `folder` in a runtime's own format; the file to open."""
    kind = KINDS[format]
    if format == "openvino":
        _openvino_module()
    path = folder / kind.file
    with _silence():
        model.export(str(path), format=kind.keras, verbose=False)
        if format == "onnx":
            _drop_idle_inputs(path)
        if format == "openvino":
            _drop_idle_outputs(path)
    return path


def export_scores(model: Any, format: str, folder: Path) -> Path:
    """`export_model` of the network's first answer alone.

    Raises `OutputError` where the disk refuses, `CnnkitError` where the converter does.
    """
    import keras

    (pixels,) = model.inputs
    scores = keras.Model(pixels, model.outputs[0], name=model.name)
    scores(pixels)  # Keras refuses to export what was never called
    try:
        return export_model(scores, format, folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except Exception as error:  # converters raise anything for what they do not know
        log.debug("%s", error, exc_info=True)
        size = 4 * scores.count_params()
        if not takes(folder, size):  # native writers do not say that a disk is full
            raise OutputError(
                f"{folder} cannot be written: the disk does not take the {size} bytes of the "
                f"weights ({_reason(error)})."
            ) from error
        raise CnnkitError(
            f"{model.name} cannot be converted ({_reason(error)}). Expected a network that the "
            f"format can hold. Received: {format}. Type: --format {_another(format)}"
        ) from error


class Exported(Engine):
    """An exported file at work in its own runtime, in float32."""

    def __init__(self, format: str, path: Path, *, threads: int) -> None:
        """Open the file. Raises `GateFailed` where its runtime cannot."""
        self.name = KINDS[format].runtime
        super().__init__(precision="float32", batch_size=_BATCH, in_flight=1)
        self.file = path.name
        self._format = format
        with self._blamed("opened by"), _silence():
            self._predict = KINDS[format].opened(path, threads)

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch: uint8 RGB (n, H, W, 3) → float32 (n, classes).

        Raises `GateFailed` where the runtime cannot.
        """
        with self._blamed("run by"):
            return (np.asarray(self._predict(np.ascontiguousarray(pixels)), np.float32),)

    @contextmanager
    def _blamed(self, deed: str) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:  # runtimes raise anything for what they do not know
            log.debug("%s", error, exc_info=True)
            raise GateFailed(
                f"Expected {self.file} to be {deed} {self.name}. Received: {_reason(error)}. "
                f"Nothing is kept. Type: --format {_another(self._format)}"
            ) from error


def refuse_if_astray(
    exported: Exported,
    reference: Callable[[NDArray[np.uint8]], Answers],
    recipe: Recipe,
    tolerance: float = TOLERANCE,
) -> None:
    """Compare an exported file with Keras on pictures of noise.

    `tolerance` is over the largest score. Raises `GateFailed` where the file is beyond it.
    """
    pixels = probes(recipe.height, recipe.width)
    strays = max(differences(reference(pixels)[:1], exported.predict(pixels)))
    if strays > tolerance:
        raise GateFailed(
            f"Expected the file to answer on {exported.name} as Keras does, within {tolerance:.1e} "
            f"of the largest score. Received: {strays:.1e}, on pictures of noise. Nothing is kept. "
            "If that is near enough, type: --tolerance LARGER"
        )


def _drop_idle_outputs(path: Path) -> None:
    """Keep the network's own answers alone: those of the function that Keras has traced.

    The converter also takes for answers what custom gradients leave behind: EfficientNet B0 comes
    with fifty of them, and each would be computed and copied.
    """
    ov = _openvino_module()
    model = ov.Core().read_model(path)
    idle = [result for result in model.get_results() if not _is_answer(result)]
    for result in idle:
        model.remove_result(result)
    if idle:
        kept = path.with_name("kept.xml")
        ov.save_model(model, kept, compress_to_fp16=False)
        del model  # its weights are still those of the file
        for suffix in (".xml", ".bin"):
            kept.with_suffix(suffix).replace(path.with_suffix(suffix))


def _is_answer(result: Any) -> bool:
    return any(
        re.fullmatch(r"Identity(_\d+)?:0", name) for name in result.input(0).get_tensor().names
    )


def _openvino_module() -> Any:
    """OpenVINO, imported where it was first made to report on its use to nobody."""
    import_module("cnnkit.engines.openvino_engine")
    return import_module("openvino")


def _openvino(path: Path, threads: int) -> _Predict:
    core = _openvino_module().Core()
    # Its own default is bfloat16 wherever the processor has it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    return lambda pixels: compiled(pixels)[0]


def _onnx(path: Path, threads: int) -> _Predict:
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (pixels_in,) = session.get_inputs()
    return lambda pixels: session.run(None, {pixels_in.name: pixels})[0]


def _saved_model(path: Path, threads: int) -> _Predict:
    tensorflow = import_module("tensorflow")
    # The threads are those that the network itself was given.
    loaded = tensorflow.saved_model.load(str(path))
    return lambda pixels: loaded.serve(tensorflow.constant(pixels)).numpy()


def _litert(path: Path, threads: int) -> _Predict:
    interpreter = _interpreter()(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (pixels_in,), (scores_out,) = interpreter.get_input_details(), interpreter.get_output_details()

    def one(picture: NDArray[np.uint8]) -> Any:
        interpreter.set_tensor(pixels_in["index"], picture[None])
        interpreter.invoke()
        return interpreter.get_tensor(scores_out["index"])

    # One by one, as the file stands: for more it would have to be laid out anew.
    return lambda pixels: np.concatenate([one(picture) for picture in pixels])


def _interpreter() -> Any:
    """LiteRT's own where it is installed; TensorFlow's, which is to leave it, otherwise."""
    if find_spec("ai_edge_litert"):
        return import_module("ai_edge_litert.interpreter").Interpreter
    return import_module("tensorflow").lite.Interpreter


def _drop_idle_inputs(path: Path) -> None:
    """Take out the inputs that no node uses: nobody could feed them, and runtimes insist.

    tf2onnx leaves constants behind as such, of EfficientNet's first layers for one.
    """
    onnx = import_module("onnx")
    model = onnx.load(str(path))
    used = {name for node in model.graph.node for name in node.input}
    idle = [value for value in model.graph.input if value.name not in used]
    for value in idle:
        model.graph.input.remove(value)
    if idle:
        onnx.save(model, str(path))


@contextmanager
def _silence() -> Iterator[None]:
    """Hold converters' and runtimes' chatter back, unless the person asked for it."""
    verbose = log.isEnabledFor(logging.DEBUG)
    with quiet(verbose), warnings.catch_warnings():
        warnings.simplefilter("default" if verbose else "ignore")
        yield


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(". ")


def _another(format: str) -> str:
    return "litert" if format == "saved_model" else "saved_model"


KINDS = {
    "openvino": Kind("model.xml", "openvino", "OpenVINO", _openvino, ("openvino",)),
    "onnx": Kind("model.onnx", "onnx", "ONNX Runtime", _onnx, ("onnx", "tf2onnx", "onnxruntime")),
    "saved_model": Kind("saved_model", "tf_saved_model", "TensorFlow", _saved_model),
    "litert": Kind("model.tflite", "litert", "LiteRT", _litert),
}
