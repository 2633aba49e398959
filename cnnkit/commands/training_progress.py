"""How a training run shows how far it has come: a bar for each thing that takes its time."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnkit.commands.talk import Talk
from cnnkit.records import EpochRow

if TYPE_CHECKING:
    from cnnkit.tasks.ground import Step, Telling

log = logging.getLogger(__name__)
Report = Callable[[int, int | None, str], None]


def telling(talk: Talk) -> "Telling":
    """Bars on a terminal; with `-v` every epoch is a line."""
    from cnnkit.tasks.ground import Telling

    bars: dict[str, Report] = {}

    def bar(name: str) -> Report:
        return bars.setdefault(name, talk.bar(name))

    def pictures(what: str, done: int, total: int) -> None:
        bar(what)(done, total, f"{done:,} of {total:,}")

    def step(now: "Step") -> None:
        bar(now.strategy)(
            (now.epoch - 1) * now.pictures + now.done,
            now.epochs * now.pictures,
            f"epoch {now.epoch} of {now.epochs}, loss {now.loss:.3f}, accuracy {now.accuracy:.1%}",
        )

    def epoch(row: EpochRow) -> None:
        log.info("%s", "  ".join(cell for cell in row.text() if cell))

    return Telling(epoch, step, pictures)
