"""Checks of what is wished for that several verbs share."""

from cnnkit.errors import UsageError


def whole(name: str, value: int, least: int) -> int:
    """The value, if it is a whole number from `least` on; `UsageError` otherwise."""
    if not isinstance(value, int) or value < least:
        raise UsageError(f"Expected {name} as a whole number from {least} on. Received: {value!r}.")
    return value
