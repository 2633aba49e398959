"""stderr: progress bars on a terminal, plain lines elsewhere, silence where it is asked for."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Item = TypeVar("Item")


@dataclass(slots=True)
class Talk:
    """How much is said. One per run, in Click's context."""

    verbose: bool = False
    quiet: bool = False
    offline: bool = False
    _bars: Any = None

    @property
    def shows_bars(self) -> bool:
        """Bars are for a person who watches stderr, and only where answers do not scroll by."""
        return sys.stderr.isatty() and not self.quiet

    def set_up_logging(self) -> None:
        """Send the program's own log lines to stderr, by level."""
        level = logging.DEBUG if self.verbose else logging.ERROR if self.quiet else logging.WARNING
        logger = logging.getLogger("cnnkit")
        logger.setLevel(level)
        if self.shows_bars and not self.verbose:
            # They take seconds, and a person who watches should know why nothing happens.
            for slow in ("cnnkit.engines.conversion", "cnnkit.tasks.approximate"):
                logging.getLogger(slow).setLevel(logging.INFO)
        logger.propagate = False
        if not logger.handlers:
            handler = _Handler(self)
            handler.setFormatter(logging.Formatter("cnnkit: %(message)s"))
            logger.addHandler(handler)

    def watched(
        self, records: Iterable[Item], count: Callable[[], int | None], *, to_stdout: bool
    ) -> Iterator[Item]:
        """Pass records through, with a bar that counts them. `count` tells their number."""
        if not self.shows_bars or (to_stdout and sys.stdout.isatty()):
            yield from records
            return
        bars, total = self._started(), count()
        task = bars.add_task("pictures", total=total, done="")
        for number, record in enumerate(records, 1):
            done = _of(f"{number:,}", f"{total:,}" if total else None)
            bars.update(task, completed=number, done=done)
            yield record

    def bar(self, name: str) -> Callable[[int, int | None, str], None]:
        """A bar, shown once it is told: how much is done, of how much, and what to say of it."""
        if not self.shows_bars:
            return lambda done, total, text: None
        task: list[Any] = []

        def report(done: int, total: int | None, text: str) -> None:
            bars = self._started()
            if not task:
                task.append(bars.add_task(name, total=total, done=text))
            bars.update(task[0], completed=done, total=total, done=text)

        return report

    def download(self, name: str) -> Callable[[int, int | None], None]:
        """What a download of the file `name` reports to."""
        if not self.shows_bars:
            if not self.quiet:
                click.echo(f"cnnkit: fetching {name}", err=True)
            return lambda done, total: None
        bars = self._started()
        task = bars.add_task(name, total=None, done="")

        def report(done: int, total: int | None) -> None:
            shown = _of(f"{done / 1e6:.1f} MB", f"{total / 1e6:.1f} MB" if total else None)
            bars.update(task, completed=done, total=total, done=shown)

        return report

    def say_above(self, line: str) -> bool:
        """Write a line above the bars; false where there are none."""
        if self._bars is None:
            return False
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        return True

    def stop(self) -> None:
        """Take the bars off the terminal."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _started(self) -> Any:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TimeRemainingColumn

            done = "{task.fields[done]}"
            self._bars = Progress(
                "{task.description}", BarColumn(), done, TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bars.start()
        return self._bars


class _Handler(logging.StreamHandler[Any]):
    """Writes lines to stderr, above the bars where there are any."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if not self._talk.say_above(self.format(record)):
            super().emit(record)


def _of(done: str, total: str | None) -> str:
    return f"{done} of {total}" if total else done
