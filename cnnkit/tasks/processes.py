"""Processes that make variations beside this one, as Python's lock keeps threads from doing.

A process answers an order with a list of the variations, or with what went wrong. It is a Python
of its own, told what to import: nothing of the program that calls is run again in it. It ends when
its input does, so none is left behind, however this process ends.
"""

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from cnnkit.records import Skipped
from cnnkit.tasks.variations import Giant, Order, Skip, Variation, made_here, variations

# A run that is over by then, in seconds, would only wait for processes to start.
_PATIENCE = 0.3
_PROGRAM = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = {path!r}
from PIL import Image, ImageFile
Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = {pillow!r}
from cnnkit.tasks.processes import serve
serve()
"""

log = logging.getLogger(__name__)


class Processes:
    """So many processes, which are started once a run has lasted a while; until then, threads.

    With fewer than two nothing is started. Threads may share it; whoever leaves it ends them. Once
    `stop` is set, what has been asked for may come to an early end.
    """

    def __init__(self, count: int, stop: threading.Event) -> None:
        self._count = count if sys.executable else 1
        self._stop = stop
        self._here, self._alone = threading.Semaphore(count), threading.Lock()
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all: list[_Process] = []
        self._changing = threading.Lock()
        self._began = time.monotonic()
        self._closed = self._welcomed = False

    def __enter__(self) -> "Processes":
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them at once: what they still make, nobody waits for."""
        with self._changing:
            self._closed = True
            for process in self._all:
                process.end()

    def _end_at_stop(self) -> None:
        """Whoever waits for one that does not answer, waits no longer."""
        self._stop.wait()
        for process in tuple(self._all):
            process.kill()

    def variations(self, order: Order) -> list[Variation]:
        """What `variations.variations` gives for the order, and its errors.

        Raises `Skip` where the process that made them came to its end.
        """
        self._start_in_time()
        process = self._borrowed()
        try:
            if process is not None:
                return self._made_there(process, order)
        except Giant:  # here they take turns
            pass
        except MemoryError:
            with self._alone:
                return made_here(order, self._stop)
        with self._here:
            return made_here(order, self._stop)

    def _made_there(self, process: "_Process", order: Order) -> list[Variation]:
        """A second time where the process ends, as it may have been ill before; never here then."""
        end, is_lost = _Ended(), False
        try:
            for _ in range(2):
                try:
                    return process.answer(order)
                except _Ended as error:
                    end = error
                    process = self._replaced(process)
        except _Ended:  # and there is no other
            is_lost = True
        finally:
            if not is_lost:
                self._idle.put(process)
        why = f"the process that made its copies ended with {end}: too little memory?"
        raise Skip(order.path, "crashed", why) from end

    def _start_in_time(self) -> None:
        if self._count < 2 or self._all or time.monotonic() - self._began < _PATIENCE:
            return
        with self._changing:
            if self._all or self._closed:
                return
            try:
                self._all += (_Process() for _ in range(self._count))
            except OSError as error:
                log.info("no process can be started: %s", error)
                self._count = len(self._all)
            for process in self._all:
                threading.Thread(target=self._welcome, args=(process,), daemon=True).start()
            threading.Thread(target=self._end_at_stop, daemon=True).start()

    def _welcome(self, process: "_Process") -> None:
        try:
            process.wait_until_ready()
        except _Ended:
            with self._changing:
                if not self._closed:
                    self._all.remove(process)
                    process.end()
            return
        self._welcomed = True
        self._idle.put(process)

    def _borrowed(self) -> "_Process | None":
        """One that has nothing to do; None until the first is ready, and where there are none."""
        while self._all and self._welcomed:
            with suppress(queue.Empty):
                return self._idle.get(timeout=_PATIENCE)
        return None

    def _replaced(self, process: "_Process") -> "_Process":
        """Another one. Raises `_Ended` where there is none."""
        process.end()
        with self._changing:
            self._all.remove(process)
            if self._closed or self._stop.is_set():
                raise _Ended("the run")
            try:
                new = _Process()
            except OSError as error:
                raise _Ended(str(error)) from error
            self._all.append(new)
            try:
                new.wait_until_ready()
            except _Ended:
                self._all.remove(new)
                raise
            return new


class _Ended(Exception):
    """A process came to its end; the message says how."""


class _Process:
    """One of the processes, seen from here. One thread at a time may use it."""

    def __init__(self) -> None:
        from PIL import Image, ImageFile

        program = _PROGRAM.format(
            path=[each for each in sys.path if isinstance(each, str)],
            pillow=(Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is this process's affair
        )

    def wait_until_ready(self) -> None:
        """Return when it takes orders. Raises `_Ended`."""
        self._receive()

    def answer(self, order: Order) -> list[Variation]:
        """What it makes of the order. Raises what went wrong there, and `_Ended`."""
        self._send(order)
        answer = self._receive()
        if isinstance(answer, Skipped):
            raise Skip(answer.path, answer.kind, answer.message)
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)

    def kill(self) -> None:
        """Whoever waits for its answer learns that there will be none."""
        self._process.kill()

    def end(self) -> None:
        """Kill it, if it is still there, and wait until it is gone."""
        self.kill()
        self._process.wait()
        if sys.is_finalizing():  # a thread that will never go on may hold the pipe
            return
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()

    def _send(self, order: Order) -> None:
        try:
            _put(order, self._process.stdin)
        except (OSError, ValueError) as error:
            raise self._ended() from error

    def _receive(self) -> Any:
        try:
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        except BaseException:  # what is left of this answer would be taken for the next one
            self.kill()
            raise

    def _ended(self) -> _Ended:
        self.kill()
        code = self._process.wait()
        return _Ended(signal.Signals(-code).name if code < 0 else f"exit code {code}")


def serve() -> None:
    """Answer orders that come on stdin, on stdout, until there are no more."""
    import cv2

    cv2.setNumThreads(1)
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints is not to be taken for an answer
    with suppress(BrokenPipeError, EOFError), _leaving_quietly():
        _put(None, answers)
        while True:
            _put(_answer(pickle.load(orders)), answers)


@contextmanager
def _leaving_quietly() -> Iterator[None]:
    """Skip the end of the interpreter: nothing is open that matters, and nobody reads."""
    try:
        yield
    finally:
        os._exit(0)


def _answer(order: Order) -> object:
    try:
        return list(variations(order, giants=False))
    except Skip as skip:
        return skip.record
    except Exception as error:
        return error


def _put(item: object, pipe: IO[bytes] | None) -> None:
    if pipe:
        pickle.dump(item, pipe, pickle.HIGHEST_PROTOCOL)
        pipe.flush()
