"""OpenVINO opens networks after usearch has been loaded, too."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = """
import sys
from cnnkit.engines.libraries import load_openvino_first
load_openvino_first()
import usearch.index
sys.modules["openvino_telemetry"] = None
import numpy as np
import openvino as ov
from openvino import opset13
value = opset13.parameter([1], np.float32)
ov.serialize(ov.Model([opset13.relu(value)], [value]), sys.argv[1])
print(ov.Core().read_model(sys.argv[1]).get_parameters()[0].get_partial_shape())
"""


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino has no wheel here")
@pytest.mark.skipif(find_spec("usearch") is None, reason="the extra `ann` is not installed")
def test_a_network_is_opened_after_usearch_was_loaded(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "relu.xml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "[1]", done.stderr
