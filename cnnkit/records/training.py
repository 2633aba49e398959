"""What a training run is told, and what it says of each epoch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from cnnkit.records.record import Cell, Record
from cnnkit.records.words import Fit, Interpolation

Strategy = Literal["bottleneck", "finetune", "scratch"]
Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Literal["cosine", "step", "plateau", "constant"]
Head = Literal["linear", "mlp"]
# The arithmetic of training: the mixed ones keep their weights in float32.
Arithmetic = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a network is fitted: everything that decides, with data and seed, what comes of it.

    `warmup` is in epochs. `patience` epochs without a better validation end the run; 0 never
    does. `label_smoothing` from 0 to 1 is Szegedy et al. 2016, section 7. `clip_norm` bounds the
    length of all gradients together; 0 does not. `mixup` and `cutmix` are the alphas of Zhang et
    al. 2018 and Yun et al. 2019; 0 is without. `contrast` is the weight of a loss that brings two
    changed copies of a picture together (Chen et al. 2020); 0 shows one copy. `last` ends it after
    so many of the `epochs`, 0 does not: the schedule is that of all of them. `keep` says which
    epoch's weights are given back.
    """

    epochs: int
    last: int = 0
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    patience: int = 0
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    mixup: float = 0.0
    cutmix: float = 0.0
    contrast: float = 0.0
    arithmetic: Arithmetic = "auto"
    keep: Literal["best", "last"] = "best"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class EpochRow(Record):
    """One epoch, counted from 1, as `history.jsonl` holds it and the run prints it.

    `loss` is the mean cross-entropy and `accuracy` the share, 0 to 1, over the pictures as they
    were shown while the weights changed; `val_…` over the validation pictures afterwards, None
    without any. `best` says that no epoch before had a lower `val_loss`.
    """

    strategy: Strategy
    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    best: bool
    seconds: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "EpochRow":
        """The row that `to_dict` made these of."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """The fields as they are."""
        return asdict(self)

    def same(self) -> tuple[Cell, ...]:
        """All but the time that it took: what two equal runs agree in."""
        return tuple(value for name, value in asdict(self).items() if name != "seconds")

    def text(self) -> tuple[str, ...]:
        """Percentages, and losses with three places."""
        val = ("", "")
        if self.val_loss is not None and self.val_accuracy is not None:
            val = (f"{self.val_loss:.3f}", f"{self.val_accuracy:.1%}")
        return (
            self.strategy, str(self.epoch), f"{self.loss:.3f}", f"{self.accuracy:.1%}", *val,
            f"{self.learning_rate:.2g}", "best" if self.best else "", f"{self.seconds:.2f} s",
        )  # fmt: skip


# What suits each strategy where nothing was wished for. The rate of `finetune` is low because the
# weights that it starts from are good already (Keras blog 2016).
_DEFAULTS: Mapping[Strategy, Mapping[str, Any]] = {
    "bottleneck": {"epochs": 50, "learning_rate": 1e-3, "weight_decay": 0.1, "patience": 10},
    "finetune": {"epochs": 15, "learning_rate": 3e-4, "weight_decay": 0.05, "patience": 0},
    "scratch": {"epochs": 60, "learning_rate": 1e-3, "weight_decay": 0.05, "patience": 15},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was wished for, as `config.toml` holds it; None where a default suits.

    `augment` names a TOML file. `data` is what was named on the command line, absolute.
    """

    data: str
    strategy: Strategy | Literal["auto"] = "auto"
    model: str = ""
    weights: str = "imagenet"
    fit: Fit | None = None
    interpolation: Interpolation | None = None
    head: Head = "linear"
    arch: str | None = None
    unfreeze: str | None = None
    train_batchnorm: bool = False
    compare: bool = False
    epochs: int | None = None
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    lr: float | None = None
    weight_decay: float | None = None
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    patience: int | None = None
    label_smoothing: float = 0.0
    class_weight: Literal["balanced", "none"] = "none"
    sampler: Literal["balanced", "none"] = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    contrast: float = 0.0
    clip_norm: float = 1.0
    precision: Arithmetic = "auto"
    augment: str | None = None
    views: int = 0
    val_split: float = 0.2
    refit: bool = False
    group_by: str | None = None
    seed: int = 0

    def fitting(self, strategy: Strategy) -> Fitting:
        """How a strategy fits: what was wished for, and what suits it.

        A learning rate that was wished for is that of the strategy named, or of fine-tuning: not
        of the bottleneck that it starts from.
        """
        own = _DEFAULTS[strategy]
        last = strategy in (self.strategy, "finetune")
        given: dict[str, Any] = {
            "epochs": self.epochs, "learning_rate": self.lr if last else None,
            "weight_decay": self.weight_decay, "patience": self.patience,
        }  # fmt: skip
        chosen: dict[str, Any] = {
            key: own[key] if value is None else value for key, value in given.items()
        }
        pixels = strategy != "bottleneck"
        return Fitting(
            **chosen,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            schedule=self.schedule,
            warmup=self.warmup,
            label_smoothing=self.label_smoothing,
            clip_norm=self.clip_norm,
            # Vectors are no pictures that could be mixed.
            mixup=self.mixup if pixels else 0.0,
            cutmix=self.cutmix if pixels else 0.0,
            contrast=self.contrast,
            arithmetic=self.precision if pixels else "float32",
            # How far to go that way is chosen afterwards.
            keep="last" if strategy == "finetune" else "best",
            seed=self.seed,
        )
