"""The compiled runtime for processors: OpenVINO."""

import dataclasses
import logging
import sys
import threading
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import SCORES, Answers, Engine, Source
from cnnkit.engines.cache import Entry
from cnnkit.engines.conversion import Converted, converted
from cnnkit.engines.fidelity import Trial, Verdict
from cnnkit.engines.rounding import with_biases
from cnnkit.errors import UsageError
from cnnkit.records import Precision

# Without this package the runtime reports on its use to nobody.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as ov  # noqa: E402

log = logging.getLogger(__name__)
# Streams work on a batch each. Measured on two cores: two streams on batches of 4 answer up to 15 %
# more pictures than one on 8; more than that would only cost memory.
_LEAST_STREAMS, _CORES_PER_STREAM = 2, 4
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenvinoEngine(Engine):
    """Runs the network as a compiled graph."""

    name = "openvino"

    def __init__(
        self, source: Source, *, precision: Precision, batch_size: int, threads: int
    ) -> None:
        """Open the converted network; convert it first if it never was.

        Raises `RuntimeUnfit` where the conversion fails or strays from Keras, and `UsageError`
        for bfloat16 on a processor that has none.
        """
        self._core = ov.Core()
        self._threads = threads
        fast = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and not fast:
            raise UsageError(
                "This processor does not compute in bfloat16. Expected --precision float32."
            )
        self._network = converted(self._core, source, threads)
        entry = self._network.entry
        chosen: Literal["float32", "bfloat16"] = "float32" if precision == "auto" else precision
        verdict = _verdict(entry)
        if precision == "auto" and fast and verdict:
            chosen = "bfloat16" if verdict.holds else "float32"
        streams = min(threads, max(_LEAST_STREAMS, -(-threads // _CORES_PER_STREAM)))
        super().__init__(precision=chosen, batch_size=batch_size, in_flight=streams + 1)
        self._compiled = _Compiled(self._core, self._network, chosen, threads, streams)
        can_be_judged = source.layers == (SCORES, source.network.embedding)
        if precision == "auto" and fast and not verdict and can_be_judged:
            self.trial = Trial(self._in_bfloat16, lambda found: _keep(entry, found))
        known = f"; bfloat16 has {verdict}" if verdict else ""
        log.info("%s runs on openvino in %s%s.", source.network.name, chosen, known)

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch: uint8 RGB (n, H, W, 3) → float32 (n, …) per layer."""
        return self._compiled.run(pixels)

    def _in_bfloat16(self, pixels: NDArray[np.uint8]) -> Answers:
        compiled = _Compiled(self._core, self._network, "bfloat16", self._threads, 1)
        answers = [compiled.run(pixels[i : i + 4]) for i in range(0, len(pixels), 4)]
        return tuple(np.concatenate(arrays) for arrays in zip(*answers, strict=True))


class _Compiled:
    """The graph compiled for each batch shape when it first comes, and requests to run it."""

    def __init__(
        self, core: Any, network: Converted, precision: str, threads: int, streams: int
    ) -> None:
        self._core, self._model = core, network.model
        if precision == "bfloat16":
            self._model = with_biases(network.model, network.biases)
        # OpenVINO's own default is bfloat16 wherever the processor has it.
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": False,
        }
        self._streams = streams
        self._shapes: dict[int, Any] = {}
        self._idle: dict[int, SimpleQueue[Any]] = {}
        self._lock = threading.Lock()

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One batch of any size; each new size is compiled for."""
        request = self._request(pixels.shape)
        try:
            request.infer([ov.Tensor(np.ascontiguousarray(pixels), shared_memory=True)])
            # The next batch overwrites the request's own memory.
            return tuple(
                np.array(request.get_output_tensor(i).data, np.float32)
                for i in range(len(request.model_outputs))
            )
        finally:
            self._idle[len(pixels)].put(request)

    def _request(self, shape: tuple[int, ...]) -> Any:
        with self._lock:
            if shape[0] not in self._shapes:
                model = self._model.clone()
                model.reshape(list(shape))
                # A picture that comes alone gets all cores.
                streams = {"NUM_STREAMS": str(1 if shape[0] == 1 else self._streams)}
                settings = self._settings | streams
                self._shapes[shape[0]] = self._core.compile_model(model, "CPU", settings)
                self._idle[shape[0]] = SimpleQueue()
            idle = self._idle[shape[0]]
            return idle.get() if not idle.empty() else self._shapes[shape[0]].create_infer_request()


def _verdict(entry: Entry | None) -> Verdict | None:
    """What was found out about bfloat16 on a processor like this one."""
    known = entry.verdict() if entry else None
    return Verdict.of(known) if known and known.get("processor") == _processor() else None


def _keep(entry: Entry | None, verdict: Verdict) -> None:
    if entry:
        entry.keep_verdict({**dataclasses.asdict(verdict), "processor": _processor()})


def _processor() -> str:
    return str(ov.Core().get_property("CPU", "FULL_DEVICE_NAME"))
