"""What can go wrong, and the exit code that each kind of failure owns.

::

    CnnkitError                 1   the command could not do its job
    ├── InputError              1   what was to be read is not there or not fit to be read
    ├── OutputError             1   an answer could not be written
    ├── WeightsError            1   a weight file is missing, damaged or not the right one
    │   └── WeightsUnavailable  1   … and cannot be fetched either
    ├── UsageError              2   the command line or the configuration makes no sense
    │   └── UnknownName         2   no network, label or key of that name (with near misses)
    ├── SomeInputsFailed        3   done, but at least one input could not be answered
    └── GateFailed              4   a check that was asked for did not hold

Every message says what was expected, what was received, and what to type.
An interruption by Ctrl-C is `KeyboardInterrupt` as everywhere in Python, and exits with 130.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CnnkitError(Exception):
    """The root: catch this to catch everything that cnnkit raises on purpose."""

    exit_code = 1


class InputError(CnnkitError):
    """What was to be read is not there, or is not fit to be read."""


class OutputError(CnnkitError):
    """An answer could not be written."""


class WeightsError(CnnkitError):
    """A weight file is missing, damaged or not the right one."""


class WeightsUnavailable(WeightsError):
    """A weight file is not here and could not be fetched."""


class UsageError(CnnkitError):
    """The command line or the configuration makes no sense."""

    exit_code = 2


class UnknownName(UsageError):
    """No such name; the message offers the nearest ones.

    Args:
        kind: what the name was to be, such as ``"model"``.
        name: the name as received.
        known: every name that would have been accepted.
        hint: the command that lists them, or "".
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        near = get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        listed = f" `{hint}` lists them all." if hint else ""
        super().__init__(f"No {kind} is called {name!r}.{meant}{listed}")


class SomeInputsFailed(CnnkitError):
    """The command is done, but at least one input could not be answered."""

    exit_code = 3


class GateFailed(CnnkitError):
    """A check that was asked for did not hold."""

    exit_code = 4
