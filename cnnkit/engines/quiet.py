"""Keeps a runtime's native chatter off the terminal while it starts."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(verbose: bool = False) -> Iterator[None]:
    """Hold back what native code writes to stdout and stderr, file descriptors 1 and 2.

    Some lines are written before any log level can be set, so only the descriptors help. On an
    error what was held back is shown, on stderr: it may tell why. With `verbose` nothing is held.
    """
    if verbose:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    with tempfile.TemporaryFile() as held:
        for descriptor in saved:
            os.dup2(held.fileno(), descriptor)
        try:
            yield
        except Exception:
            _restore(saved)
            held.seek(0)
            sys.stderr.buffer.write(held.read())
            raise
        finally:
            _restore(saved)


def _restore(saved: dict[int, int]) -> None:
    for descriptor, copy in saved.items():
        os.dup2(copy, descriptor)
        os.close(copy)
    saved.clear()
