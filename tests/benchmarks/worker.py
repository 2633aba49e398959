"""One runner in a process of its own: ``python -m tests.benchmarks.worker MODULE MODEL CORES …``.

Says on stdout that it is ready, or which package it lacks; then reads lists of files from stdin,
one JSON line each, and answers with the seconds that each took.
"""

import json
import os
import sys
import time
from importlib import import_module
from typing import Any


def main(module: str, model: str, cores: str, *arguments: str) -> None:
    """Open the runner and serve until stdin ends."""
    # What frameworks print goes to stderr: stdout carries the answers alone.
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        opened = import_module(f"tests.benchmarks.{module}").open_runner(
            model, int(cores), *arguments
        )
    except ImportError as error:
        say(said, missing=str(error))
        return
    say(said, ready=True)
    for line in sys.stdin:
        say(said, seconds=timed(opened, json.loads(line)))


def timed(run: Any, files: list[str]) -> float:
    """The seconds that one answer per file took."""
    start = time.perf_counter()
    answers = run(files)
    seconds = time.perf_counter() - start
    if len(answers) != len(files):
        raise RuntimeError(f"{len(files)} files, but {len(answers)} answers")
    return seconds


def say(stream: Any, **words: object) -> None:
    print(json.dumps(words), file=stream, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
