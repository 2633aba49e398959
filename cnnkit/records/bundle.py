"""What a training run's folder holds.

::

    runs/flowers-resnet50-001/
        bundle.json      the card: where the network comes from, and the hash of model.keras
        model.keras      the network: pixels from 0 to 255 go in, probabilities come out
        labels.json      the names of its classes, in the layout of Keras's class index
        recipe.json      how a picture becomes those pixels
        split.jsonl      every picture with its class, its split and its content's hash
        history.jsonl    every epoch
        metrics.json     what the validation pictures say of the network
        config.toml      the options as run; `cnnkit --config` takes it
        environment.json the versions and the machine
        report.html      all of it to look at
        augment.toml     how pictures were changed, where they were
        tensorboard/     the curves once more, where they were asked for
        checkpoints/     while it trains: what `--resume` goes on from
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

CARD: Final = "bundle.json"
MODEL: Final = "model.keras"
LABELS: Final = "labels.json"
RECIPE: Final = "recipe.json"
SPLIT: Final = "split.jsonl"
HISTORY: Final = "history.jsonl"
METRICS: Final = "metrics.json"
CONFIG: Final = "config.toml"
ENVIRONMENT: Final = "environment.json"
REPORT: Final = "report.html"
CHECKPOINTS: Final = "checkpoints"
AUGMENTATION: Final = "augment.toml"
TENSORBOARD: Final = "tensorboard"
FILES: Final = (
    CARD, MODEL, LABELS, RECIPE, SPLIT, HISTORY, METRICS, CONFIG, ENVIRONMENT, REPORT, AUGMENTATION,
)  # fmt: skip
FORMAT: Final = 1
# Far above the real sizes: what is larger is something else.
_MOST: Final[dict[str, int]] = {
    "classes": 100_000,
    "features": 1 << 31,
    "parameters": 1 << 31,
    "size": 1 << 37,
}


@dataclass(frozen=True, slots=True)
class Card:
    """What has to be known of a trained network before it is opened.

    `backbone` is the catalog's name, or the pattern; `embedding` the layer whose output,
    `features` numbers, describes a picture. `size` and `sha256` are those of `model.keras`.
    `temperature` divides the logits in the graph already. With `refit` it has learnt from the
    validation pictures too.
    """

    backbone: str
    strategy: str
    classes: int
    embedding: str
    features: int
    parameters: int
    temperature: float
    refit: bool
    size: int
    sha256: str
    format: int = FORMAT

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Card":
        """The card that `asdict` made these of. Raises `ValueError` for anything else."""
        if values.get("format") != FORMAT:
            raise ValueError(f"its format is {values.get('format')!r:.40}, not {FORMAT}")
        for field in fields(cls):
            if not _fits(field.name, values.get(field.name), field.type):
                raise ValueError(f"{field.name} is {values.get(field.name)!r:.40}")
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """The fields as they are."""
        return asdict(self)


def _fits(name: str, value: object, kind: object) -> bool:
    if kind is int:
        return type(value) is int and 0 < value <= _MOST.get(name, FORMAT)
    return type(value) is kind
