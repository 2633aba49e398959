"""Keeps a runtime's native chatter off the terminal while it starts."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cnnkit.errors import CnnkitError

_STDERR = 2
_one_at_a_time = threading.RLock()


@contextmanager
def quiet(verbose: bool = False) -> Iterator[None]:
    """Hold back what native code writes to stderr, that is to file descriptor 2.

    Some lines are written before any log level can be set, so only the descriptor helps. Where
    something goes wrong that we do not understand, what was held back is shown: it may tell why.
    With `verbose` nothing is held.
    """
    if verbose:
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        saved = os.dup(_STDERR)
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        except CnnkitError:
            raise
        except Exception:
            _show(held.fileno(), saved)
            raise
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)


def _show(held: int, where: int) -> None:
    os.lseek(held, 0, os.SEEK_SET)
    while block := os.read(held, 1 << 16):
        os.write(where, block)
