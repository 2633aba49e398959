"""Who is measured: cnnkit as it may run, its two stages alone, and its peers.

Each lives in a module with `open_runner(model, cores, *arguments)`, which returns a function from
a list of picture files to one answer per file.
"""

from collections.abc import Callable, Sized
from dataclasses import dataclass

# Pictures are counted in wholes of this: a multiple of every runner's batch size, so that nobody
# is measured on a batch that is not full.
WHOLE = 32
Run = Callable[[list[str]], Sized]


@dataclass(frozen=True, slots=True)
class Runner:
    """One row of the tables; `outside` needs packages that cnnkit itself does not.

    `whole` is how many pictures at a time it may be given.
    """

    name: str
    title: str
    module: str
    arguments: tuple[str, ...] = ()
    outside: bool = False
    whole: int = WHOLE


@dataclass(frozen=True, slots=True)
class Network:
    """The names that one network goes by, and its sides in pixels."""

    builder: str
    family: str
    timm: str
    side: int


# cnnkit's name → Keras's builder and module, and timm's name.
NETWORKS = {
    "resnet50": Network("ResNet50", "resnet", "resnet50", 224),
    "vgg16": Network("VGG16", "vgg16", "vgg16", 224),
    "inceptionv3": Network("InceptionV3", "inception_v3", "inception_v3", 299),
    "mobilenet_1.0": Network("MobileNet", "mobilenet", "mobilenetv1_100", 224),
}

CNNKIT = (
    Runner("bfloat16", "cnnkit, OpenVINO, bfloat16", "our_runners", ("openvino", "bfloat16")),
    Runner("float32", "cnnkit, OpenVINO, float32", "our_runners", ("openvino", "float32")),
    Runner("keras", "cnnkit, Keras, float32", "our_runners", ("keras", "float32")),
)
PEERS = (
    Runner("torch", "PyTorch, timm, bfloat16", "torch_peer", outside=True),
    Runner("onnx", "ONNX Runtime, float32", "onnx_peer", outside=True),
    Runner("batched", "Keras, `predict` on tf.data", "keras_peers", ("batched",)),
    Runner("one", "Keras, `predict` one by one", "keras_peers", ("one by one",), whole=8),
)
# What the first of cnnkit's rows is made of.
STAGES = (
    Runner("network", "network alone", "our_stages", ("network", "openvino", "bfloat16")),
    Runner("decode", "decoding alone", "our_stages", ("decode",)),
)
