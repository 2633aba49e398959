from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import UsageError
from cnnkit.tasks.settings import checked


def test_what_is_left_open_suits_the_strategy() -> None:
    settings = checked("data", {})
    assert settings.data.endswith("/data")
    assert settings.fitting("bottleneck").learning_rate == 1e-3
    assert settings.fitting("finetune").learning_rate == 3e-4
    assert settings.fitting("scratch").epochs == 60


def test_a_rate_is_that_of_the_strategy_and_not_of_the_bottleneck_before_it() -> None:
    settings = checked("data", {"strategy": "auto", "lr": 0.5, "epochs": 7})
    assert settings.fitting("finetune").learning_rate == 0.5
    assert settings.fitting("bottleneck").learning_rate == 1e-3
    assert settings.fitting("bottleneck").epochs == settings.fitting("finetune").epochs == 7
    alone = checked("data", {"strategy": "bottleneck", "lr": 0.5})
    assert alone.fitting("bottleneck").learning_rate == 0.5


def test_vectors_are_never_mixed() -> None:
    settings = checked("data", {"mixup": 0.2, "cutmix": 1.0})
    assert settings.fitting("bottleneck").mixup == settings.fitting("bottleneck").cutmix == 0
    assert (settings.fitting("finetune").mixup, settings.fitting("finetune").cutmix) == (0.2, 1.0)


def test_a_weight_file_is_known_wherever_the_run_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked("data", {"weights": "w.h5"}).weights == str(tmp_path / "w.h5")
    assert checked("data", {"weights": "none"}).weights == "none"


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "magic"}, {"head": "round"}, {"optimizer": "lion"}, {"schedule": "never"},
        {"lr": 0.0}, {"lr": float("nan")}, {"lr": -1.0}, {"weight_decay": -0.1}, {"warmup": -1.0},
        {"label_smoothing": 0.9}, {"val_split": 0.0}, {"val_split": 0.9}, {"epochs": 0},
        {"batch_size": 0}, {"patience": -1}, {"views": -1}, {"seed": -1}, {"clip_norm": -1.0},
        {"no_such_option": 1}, {"group_by": "("}, {"views": 2}, {"arch": "INPUT -> FC"},
        {"unfreeze": "all", "strategy": "scratch"}, {"compare": True, "strategy": "bottleneck"},
        {"mixup": 1.0, "strategy": "bottleneck"},
        {"contrast": 0.5}, {"contrast": 0.5, "strategy": "scratch"},
        {"contrast": 0.5, "strategy": "finetune", "augment": "a.toml"},
        {"contrast": 0.5, "strategy": "scratch", "augment": "a.toml", "mixup": 0.2},
        {"contrast": -0.5, "strategy": "scratch", "augment": "a.toml"},
        {"contrast": 0.5, "strategy": "scratch", "augment": "a.toml", "batch_size": 1},
        {"class_weight": "balanced", "sampler": "balanced"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        checked("data", options)
