"""Native chatter is held back, and shown where something goes wrong."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnnkit.engines.quiet import quiet
from cnnkit.errors import WeightsError


def test_what_native_code_writes_does_not_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with quiet():
        os.write(1, b"an answer")
        os.write(2, b"chatter")
    os.write(2, b"after")
    assert capfd.readouterr() == ("an answer", "before after")


def test_on_an_error_what_was_held_back_is_shown_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), quiet():
        os.write(2, b"the reason why")
        raise ValueError("broken")
    assert capfd.readouterr() == ("", "the reason why")


def test_an_error_that_says_it_all_needs_no_chatter(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError), quiet():
        os.write(2, b"chatter")
        raise WeightsError("the file is damaged")
    assert capfd.readouterr().err == ""


def test_threads_at_once_leave_stderr_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    def chatter(_: int) -> None:
        with quiet():
            os.write(2, b"chatter")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(chatter, range(40)))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_a_stderr_that_is_no_file_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    for stderr in (io.StringIO(), None):
        monkeypatch.setattr("sys.stderr", stderr)
        with pytest.raises(ValueError, match="broken"), quiet():
            raise ValueError("broken")


def test_verbose_holds_nothing_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(verbose=True):
        os.write(2, b"chatter")
    assert capfd.readouterr().err == "chatter"
