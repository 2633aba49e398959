"""Epochs as TensorBoard shows them."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from cnnkit.records import EpochRow


class Board:
    """Writes the curves of a run's strategies, each as a run of its own, below one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first epoch."""
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def show(self, row: EpochRow) -> None:
        """Add one epoch."""
        if row.strategy not in self._writers:
            place = str(self._folder / row.strategy)
            self._writers[row.strategy] = tf.summary.create_file_writer(place)
        writer = self._writers[row.strategy]
        with writer.as_default(row.epoch):
            for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
                value = getattr(row, name)
                if value is not None:
                    tf.summary.scalar(name, value)
        writer.flush()
