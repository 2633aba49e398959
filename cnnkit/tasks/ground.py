"""What every strategy of a training run starts from, and who is told how it goes."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnkit.images.augment import Augmentation, Standardisation
from cnnkit.records import EpochRow, Recipe, Settings, Strategy
from cnnkit.tasks.examples import Examples
from cnnkit.tasks.features import Features, View, features
from cnnkit.tasks.feeding import Floats
from cnnkit.tasks.network import Job
from cnnkit.tasks.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Step:
    """A moment within a strategy: `done` of `pictures` in epoch `epoch` of `epochs`, from 1."""

    strategy: Strategy
    epoch: int
    epochs: int
    done: int
    pictures: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told how far it has come; nobody by default."""

    epoch: Callable[[EpochRow], object] = lambda row: None
    step: Callable[[Step], object] = lambda step: None
    pictures: Callable[[str, int, int], object] = lambda *told: None


@dataclass(frozen=True, slots=True)
class Course:
    """How far each strategy went: its epochs, and `share` of the way for fine-tuning, 0 to 1."""

    epochs: Mapping[Strategy, int]
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What every strategy starts from.

    `job` is the pretrained network, None for a pattern; `recipe` how pictures come in. `folder` is
    where checkpoints lie; every `every` seconds one is due. `stop` says to end early.
    With a `course` every strategy goes that way once more, on the validation pictures too.
    """

    settings: Settings
    examples: Examples
    job: Job | None
    recipe: Recipe
    augmentation: Augmentation | None
    standardisation: Standardisation | None
    threads: int
    folder: Path
    identity: str
    every: float = 30.0
    devices: Sequence[str] = ()
    tensorboard: bool = False
    stop: Callable[[], bool] = lambda: False
    course: Course | None = None
    telling: Telling = field(default_factory=Telling)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.examples.labels)

    @property
    def train(self) -> list[int]:
        """Places of the training pictures."""
        places = self.examples.places("train")
        return sorted([*places, *self._known_val]) if self.course else places

    @property
    def held(self) -> list[int]:
        """Places of the validation pictures whose class is one of training."""
        return [] if self.course else self._known_val

    @property
    def _known_val(self) -> list[int]:
        places = self.examples.places("val")
        known = self.examples.truth(places) >= 0
        return [place for place, is_known in zip(places, known, strict=True) if is_known]

    def pictures(self, places: Sequence[int], *, augmented: bool) -> Pictures:
        """These pictures as inputs."""
        return Pictures(
            self.examples.paths(places),
            [self.examples.contents[place] for place in places],
            self.recipe,
            self.threads,
            self.augmentation if augmented else None,
            self.settings.seed,
        )

    @property
    def pretrained(self) -> Job:
        """The pretrained network, where there is one."""
        if self.job is None:
            raise TypeError("a pattern has no pretrained weights to start from")
        return self.job

    def known(self, layer: str | None = None) -> Features:
        """What a layer says of all training pictures, then of all validation pictures.

        By default that is their embedding.
        """
        paths = self.examples.paths([*self.train, *self.held])
        what = "embeddings" if layer is None else f"feature maps ({layer})"
        return features(
            paths,
            self.pretrained,
            layer=layer,
            pooling=None if layer is None else "flatten",
            counter=self._counter(what, len(paths)),
        )

    def augmented_views(self) -> list[Floats]:
        """The embeddings of `views` augmented copies of each training picture."""
        if self.augmentation is None:
            return []
        paths = self.examples.paths(self.train)
        contents = {
            os.path.abspath(path): self.examples.contents[place]
            for path, place in zip(paths, self.train, strict=True)
        }
        return [
            features(
                paths,
                self.pretrained,
                counter=self._counter("augmented copies", len(paths)),
                view=View(self.augmentation, contents, self.settings.seed, number),
            ).gathered()
            for number in range(1, self.settings.views + 1)
        ]

    def _counter(self, what: str, total: int) -> Callable[[int], object]:
        """Tells how many pictures are done; what is done is kept where Ctrl-C ends it."""

        def count(done: int) -> None:
            self.telling.pictures(what, done, total)
            if self.stop():
                raise KeyboardInterrupt

        return count
