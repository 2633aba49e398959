"""cnnkit and its peers from files to answers: ``python -m tests.benchmarks.end_to_end``.

The peers that need packages of their own run in another Python (``make peers`` makes it); a peer
that is not there is listed as not installed. Needs photographs, found through ``CNNKIT_TEST_DATA``
(by default ``../shared/data`` beside the project).
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cnnkit.tasks.cores import available_cores
from tests.benchmarks import cold_start, machine
from tests.benchmarks.pictures import SIZES, prepare
from tests.benchmarks.report import Results, written
from tests.benchmarks.rounds import Measured, Worker, alternate
from tests.benchmarks.runners import CNNKIT, NETWORKS, PEERS, STAGES
from tests.conftest import DATA, ROOT

ByName = dict[str, Measured]


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the page."""
    given = _arguments(arguments)
    photos = DATA / "photos" / "imagenet"
    if not photos.is_dir():
        print(f"no photographs in {DATA}: end to end is left out", file=sys.stderr)
        return 0
    # First, for it is short: what is wrong with the data or the program shows at once.
    starts = cold_start.measure(photos, given.starts) if given.starts else []
    with tempfile.TemporaryDirectory() as folder:
        files = {
            size: prepare(photos, Path(folder) / str(number), size, given.inputs)
            for number, size in enumerate(SIZES)
        }
        measured = {model: _network(model, files, given) for model in given.networks}
    results = Results(
        machine=machine.described(available_cores(), given.peers),
        command=_command(arguments),
        inputs=given.inputs,
        rounds=given.rounds,
        seconds=given.seconds,
        sizes={size: {model: measured[model][size] for model in measured} for size in SIZES},
        starts=starts,
    )
    given.out.write_text(written(results), encoding="utf-8")
    print(f"written to {given.out}", file=sys.stderr)
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=512, help="pictures of either size")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of one round of a runner; 0: all pictures"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=5, help="rounds of the start-up; 0: none")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument(
        "--peers", type=Path, default=ROOT / "out/peers/bin/python", help="a Python that has them"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    given = parser.parse_args(arguments)
    # Its links must not be resolved: they make it the Python of its environment.
    given.peers = given.peers.absolute()
    return given


def _command(arguments: list[str] | None) -> str:
    """What was typed, without the paths of this machine."""
    given = sys.argv[1:] if arguments is None else arguments
    pairs = zip(["", *given], given, strict=False)
    words = [w for before, w in pairs if w not in _PATHS and before not in _PATHS]
    return " ".join(["python -m tests.benchmarks.end_to_end", *words])


_PATHS = ("--peers", "--out")


def _network(
    model: str, files: dict[str, list[str]], given: argparse.Namespace
) -> dict[str, ByName]:
    """Every runner on one network, on pictures of every size."""
    cores = available_cores()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(runner, model, cores, given.peers))
            for runner in (*CNNKIT, *STAGES, *PEERS)
        ]
        measured = {}
        for size, paths in files.items():
            rows = alternate(workers, paths, rounds=given.rounds, seconds=given.seconds)
            measured[size] = {row.runner.name: row for row in rows}
            _tell(model, size, rows)
    return measured


def _tell(model: str, size: str, rows: list[Measured]) -> None:
    for row in rows:
        figures = " ".join(f"{rate:.1f}" for rate in row.rates)
        print(f"{model} {size} {row.runner.name}: {figures} {row.why_not}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
