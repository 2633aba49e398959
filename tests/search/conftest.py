"""The tests of one process share its native libraries."""

from cnnkit.engines.libraries import load_openvino_first

load_openvino_first()
