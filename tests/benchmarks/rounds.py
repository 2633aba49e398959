"""Workers measured in turn, round after round, so that a slow minute befalls all of them alike."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.benchmarks.runners import Runner
from tests.conftest import ROOT

# Seconds for a worker to end by itself.
_GRACE = 20


@dataclass(slots=True)
class Measured:
    """Pictures a second of one runner, one figure per round; or why there are none."""

    runner: Runner
    rates: list[float] = field(default_factory=list)
    why_not: str = ""


class WorkerFailed(Exception):
    """A worker died; the message is the last line that it wrote."""


class Worker:
    """One runner in a process of its own; `why_not` says what it lacks, if anything."""

    def __init__(self, runner: Runner, model: str, cores: int, peers: Path) -> None:
        """Start it and wait until it is ready; `peers` is the Python that has the peers."""
        self.runner, self.why_not = runner, ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 — closed with the worker
        python = str(peers) if runner.outside else sys.executable
        command = [python, "-m", "tests.benchmarks.worker", runner.module, model, str(cores)]
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                [*command, *runner.arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
            if "missing" in self._answer():
                self.why_not = "not installed"
        except FileNotFoundError:
            self.why_not = "not installed"
        except WorkerFailed as error:
            self.why_not = f"failed: {error}"

    def seconds(self, files: list[str]) -> float:
        """How long it takes for these files; raises `WorkerFailed`."""
        if not (self._process and self._process.stdin):
            raise WorkerFailed(self.why_not)
        try:
            print(json.dumps(files), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise WorkerFailed(self._last_words()) from error
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no word"

    def close(self) -> None:
        """Let it end, and end it if it does not."""
        if self._process:
            try:
                self._process.communicate(timeout=_GRACE)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self._process.kill()
                self._process.wait()
        self._log.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def share(rate: float, seconds: float, whole: int, available: int) -> int:
    """How many pictures a runner gets: as many as it answers in `seconds`, in wholes.

    At least one whole, and never more than there are.
    """
    wholes = max(1, round(rate * seconds / whole)) if seconds else available // whole
    return min(wholes * whole, available // whole * whole)


def alternate(
    workers: list[Worker], files: list[str], *, rounds: int, seconds: float
) -> list[Measured]:
    """Every worker once a round, on pictures for about `seconds` (0: on all of them)."""
    measured = [Measured(worker.runner, why_not=worker.why_not) for worker in workers]
    shares = {}
    for worker, row in zip(workers, measured, strict=True):
        if not row.why_not:
            shares[row.runner.name] = _warmed_up(worker, row, files, seconds)
    for _ in range(rounds):
        for worker, row in zip(workers, measured, strict=True):
            if not row.why_not:
                _one_round(worker, row, files[: shares[row.runner.name]])
    return measured


def _warmed_up(worker: Worker, row: Measured, files: list[str], seconds: float) -> int:
    """The worker's share of the files, by its second run: the first compiles."""
    first = files[: worker.runner.whole]
    try:
        worker.seconds(first)
        return share(len(first) / worker.seconds(first), seconds, len(first), len(files))
    except WorkerFailed as error:
        row.why_not = f"failed: {error}"
        return 0


def _one_round(worker: Worker, row: Measured, files: list[str]) -> None:
    try:
        row.rates.append(len(files) / worker.seconds(files))
    except WorkerFailed as error:
        row.why_not = f"failed: {error}"
