"""Reports to write: a full one, and one whose every text is hostile."""

import numpy as np
from PIL import Image

from cnnkit.outputs.report import (
    Bin,
    Calibration,
    ClassScore,
    Epoch,
    Mistake,
    Neighbour,
    Report,
    Row,
    Straddle,
    Strategy,
    Suspect,
)
from tests.conftest import picture

LABELS = ("daisy", "roses", "tulips")
PAYLOAD = (
    "<script>document.title='stolen'</script></style></title>\"' "
    "onerror=document.title='stolen' <img src=http://127.0.0.1:9/x> \x1b\udcff"
)


def drawn(path: str) -> Image.Image | str:
    """A picture for every path, the same for the same."""
    return picture(300, 200, seed=len(path))


def epochs(count: int, *, validated: bool = True) -> tuple[Epoch, ...]:
    return tuple(_epoch(i, validated=validated) for i in range(1, count + 1))


def _epoch(i: int, *, validated: bool) -> Epoch:
    val_loss, val_accuracy = (1.1 / i, 1 - 0.6 / i) if validated else (None, None)
    return Epoch(i, 1 / i, 1 - 0.5 / i, val_loss, val_accuracy, 0.1, 2)


def full() -> Report:
    return Report(
        title="Three flowers",
        facts=(("Pictures", "90"),),
        notices=("One picture could not be read.",),
        strategies=(
            Strategy("bottleneck", epochs(5), 0.8, (0.7, 0.9), 10, False, "epoch 4 of 5", 0.51),
            Strategy("fine-tune", epochs(3), 0.9, (0.85, 0.95), 200, True, "75 % of the way", 0.4),
        ),
        labels=LABELS,
        confusion=((28, 2, 0), (0, 25, 5), (1, 0, 29)),
        cells={(0, 0): ("daisy/1.jpg",), (1, 2): ("roses/7.jpg", "roses/89.jpg"), (1, 1): ()},
        scores=tuple(
            ClassScore(label, 0.9, 0.8, 0.85 - i / 9, 30) for i, label in enumerate(LABELS)
        ),
        calibration=Calibration((Bin(0.9, 0.7, 9),), (Bin(0.8, 0.8, 9),), 0.2, 0.05, 1.5),
        mistakes=(
            Mistake("roses/7.jpg", "roses", "tulips", 0.97, (Neighbour("n.jpg", "tulips", 0.91),)),
        ),
        suspects=(Suspect("daisy/4.jpg", "daisy", "roses", 0.88),),
        straddles=(Straddle("train/a.jpg", "train", "val/b.jpg", "validation"),),
        samples=(Row("daisy", ("daisy/1.jpg",)),),
        augmented=(Row("daisy/1.jpg, drawn twice", np.full((2, 8, 8, 3), 200, np.uint8)),),
        commands="cnnkit train flowers \\\n  --seed 7",
        configuration="seed = 7\n\n[augment]\nflip = true",
        environment=(("Keras", "3"),),
    )


def hostile(text: str = PAYLOAD) -> Report:
    return Report(
        title=text,
        facts=((text, text),),
        notices=(text,),
        strategies=(Strategy(text, epochs(3), 0.8, (0.7, 0.9), 10, True, text, 0.5),),
        labels=(text, text * 9),
        confusion=((3, 1), (0, 2)),
        cells={(0, 1): (text,)},
        scores=(ClassScore(text, 0.9, 0.8, 0.85, 30),),
        mistakes=(Mistake(text, text, text, 0.9, (Neighbour(text, text, 0.9),)),),
        suspects=(Suspect(text, text, text, 0.9),),
        straddles=(Straddle(text, text, text, text),),
        samples=(Row(text, (text,)),),
        augmented=(Row(text, np.zeros((1, 4, 4, 3), np.uint8)),),
        commands=text,
        configuration=text,
        environment=((text, text),),
    )
