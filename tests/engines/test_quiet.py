"""Native chatter is held back, and shown where something goes wrong."""

import os

import pytest

from cnnkit.engines.quiet import quiet


def test_what_native_code_writes_does_not_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before ")
    with quiet():
        os.write(1, b"chatter")
        os.write(2, b"chatter")
    os.write(1, b"after")
    assert capfd.readouterr() == ("before after", "")


def test_on_an_error_what_was_held_back_is_shown_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), quiet():
        os.write(1, b"the reason why")
        raise ValueError("broken")
    assert capfd.readouterr() == ("", "the reason why")


def test_verbose_holds_nothing_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(verbose=True):
        os.write(2, b"chatter")
    assert capfd.readouterr().err == "chatter"
