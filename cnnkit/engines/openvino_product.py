"""Matrix products in bfloat16, on processors that compute in it, with a proved bound on the error.

Letters: x̂ is x rounded to bfloat16, δx = x − x̂, D the features. From
x·q − x̂·q̂ = δx·q + x̂·δq follows |x·q − x̂·q̂| ≤ ‖δx‖‖q‖ + ‖x̂‖‖δq‖; the sum of the D products, each
exact in float32, adds no more than γ‖x̂‖‖q̂‖, γ = 2D·2⁻²⁴ / (1 − 2D·2⁻²⁴): twice that of ordinary
float32, for instructions that do not round to the nearest.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13

from cnnkit.engines import openvino_engine  # noqa: F401 — first: it turns telemetry off

Floats = NDArray[np.float32]
_HALF_UNIT, _MASK = np.uint32(0x8000), np.uint32(0xFFFF0000)
# Lengths between these are bounded; numbers that the processor takes for 0 do not matter in them.
_LEAST, _MOST = 1e-15, 1e15
# Numbers that are rounded at a time, in the cache.
_CACHED = 1 << 16


def computes_in_bfloat16() -> bool:
    """Whether this processor has instructions for it."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenvinoProduct:
    """Multiplies float32 (n, D) by float32 (Q, D), each row by each, as float32 (n, Q)."""

    def __init__(self, threads: int, precision: str = "bfloat16") -> None:
        """Nothing is compiled yet: each pair of shapes is when it first comes."""
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": False,
        }
        self._rounds = precision == "bfloat16"
        self._requests: dict[tuple[int, ...], Any] = {}
        self._right: Floats | None = None
        self._right_lost = 0.0

    def __call__(self, left: Floats, right: Floats) -> tuple[Floats, float]:
        """P (n, Q), and ε with |P_ij − l_i·r_j| ≤ ε‖l_i‖‖r_j‖, as searches expect it.

        P holds until the next call. ε counts the rows with a length in 1e-15…1e15.
        """
        request = self._request(left.shape, right.shape)
        request.infer([_tensor(left), _tensor(right)])
        products: Floats = request.get_output_tensor(0).data
        summed = 2 * (left.shape[1] + 2) * 2.0**-24
        if summed >= 0.5:
            return products, float("inf")
        error = summed / (1 - summed)
        if self._rounds:
            if self._right is not right:
                self._right, self._right_lost = right, _lost(right)
            mine, theirs = _lost(left), self._right_lost
            error = (mine + (1 + mine) * theirs + error * (1 + mine) * (1 + theirs)) * 1.0001
        return products, error

    def _request(self, left: tuple[int, ...], right: tuple[int, ...]) -> Any:
        shapes = (*left, *right)
        if shapes not in self._requests:
            entries = [opset13.parameter(list(shape), np.float32) for shape in (left, right)]
            product = opset13.matmul(*entries, False, True)
            model = ov.Model([product], entries)
            compiled = ov.Core().compile_model(model, "CPU", self._settings)
            self._requests[shapes] = compiled.create_infer_request()
        return self._requests[shapes]


def _lost(vectors: Floats) -> float:
    """The largest ‖δx‖ / ‖x‖; to the nearest, ties either way, makes the same ‖δx‖."""
    worst, step = 0.0, max(1, _CACHED // max(1, vectors.shape[1]))
    with np.errstate(all="ignore"):
        for at in range(0, len(vectors), step):
            some = vectors[at : at + step]
            bits = some.view(np.uint32) + _HALF_UNIT
            bits &= _MASK
            lost = some - bits.view(np.float32)
            lengths = np.sqrt(np.vecdot(some, some))
            fit = (lengths >= _LEAST) & (lengths <= _MOST)
            ratios = np.sqrt(np.vecdot(lost, lost)) / lengths
            worst = max(worst, float(ratios.max(initial=0.0, where=fit)))
    # Lengths in float32 are off by half of what their sums are.
    return float(worst * (1 + 2 * (vectors.shape[1] + 4) * 2.0**-24))


def _tensor(array: Floats) -> Any:
    """The array itself as the runtime takes it, though it be read-only: it is only read."""
    held = np.ascontiguousarray(array)
    address = dict(held.__array_interface__) | {"data": (held.ctypes.data, False)}
    return ov.Tensor(np.asarray(SimpleNamespace(__array_interface__=address)), shared_memory=True)
