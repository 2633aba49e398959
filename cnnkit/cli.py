"""The command line's entrance, and the one place where errors become exit codes."""

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

import click

from cnnkit import __version__
from cnnkit.commands.configuration import config_option
from cnnkit.commands.options import talk_options
from cnnkit.commands.talk import Talk
from cnnkit.errors import CnnkitError, OutputError

INTERRUPTED, BROKEN_PIPE = 130, 141
# In the order of a person's work; each is a command in the module of its name.
VERBS: Mapping[str, str] = {
    "classify": "Name what is in pictures.",
    "finetune": "Teach a network your own classes.",
    "evaluate": "Measure how well a network does.",
    "extract-features": "Keep the embeddings of pictures in a store.",
    "similar": "Find what looks alike.",
    "dedupe": "Find pictures that are nearly the same.",
    "export": "Write a network as another runtime's file.",
    "augment": "Write changed copies of pictures, reproducible to the byte.",
    "sample-images": "Draw pictures in class folders.",
    "models": "List the networks.",
    "labels": "List the classes that a network can name.",
    "weights": "List, fetch, check and import weight files.",
    "store": "Look at embedding stores, check, merge and export them.",
    "cache": "List and clear what is kept: converted networks, embeddings.",
    "bench": "Measure how fast a network runs here.",
    "doctor": "Say what works here, and what is missing.",
}


class Program(click.Group):
    """A group whose verbs may raise: every error ends here as a message and an exit code.

    Only the verb that is asked for is imported.
    """

    _interrupted = False

    def list_commands(self, context: click.Context) -> list[str]:
        """Every verb."""
        return list(VERBS)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """What each verb does, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb of that name."""
        if name not in VERBS:
            return None
        name = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"cnnkit.commands.{name}"), name)
        return command

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the program, whatever of the three standard streams is closed."""
        _open_what_is_closed()
        with self._noting_interrupts():
            return super().main(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        """Run the verb."""
        talk = context.ensure_object(Talk)
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            context.exit(self._told(talk, error))
        finally:
            talk.stop()

    def _told(self, talk: Talk, error: BaseException) -> int:
        """Say what has happened; the exit code for it."""
        if isinstance(error, OutputError | BrokenPipeError):
            _discard_stdout()
        if self._interrupted or _comes_of_an_interrupt(error):
            self._say(talk, "interrupted")
            _forget_unhandled_interrupts()
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE  # the reader has what it wanted
        if isinstance(error, CnnkitError):
            self._say(talk, str(error))
            return error.exit_code
        self._say(talk, f"internal error: {type(error).__name__}: {error}")
        self._say(talk, "this is a fault of cnnkit's; -v shows where" * (not talk.verbose))
        if talk.verbose:
            traceback.print_exception(error)
        return CnnkitError.exit_code

    @contextmanager
    def _noting_interrupts(self) -> Iterator[None]:
        """Remember that Ctrl-C came: modules in C may make another error of it as they load.

        Who ignores it, or handles it in a way of their own, goes on doing so.
        """
        self._interrupted = False
        own = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        if own or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        signal.default_int_handler(number, frame)

    @staticmethod
    def _say(talk: Talk, message: str) -> None:
        talk.stop()
        if message:
            click.echo(f"cnnkit: {message}", err=True)


def _comes_of_an_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C, or was raised because of it or while it was handled."""
    waiting, seen = [error], set[int]()
    while waiting:
        error = waiting.pop()
        if isinstance(error, KeyboardInterrupt):
            return True
        if id(error) not in seen:  # chains may be rings
            seen.add(id(error))
            waiting += [each for each in (error.__cause__, error.__context__) if each]
    return False


def _forget_unhandled_interrupts() -> None:
    """Have Python exit with our code, even where an interrupt ended code that a C library ran.

    CPython notes such an interrupt, and would in the end kill the process with the signal, until
    the next code that is run from C: here it is.
    """
    import ctypes

    ctypes.pythonapi.PyRun_SimpleString(b"pass")


def _discard_stdout() -> None:
    """Let what Python flushes at its end go somewhere: nobody takes it any more."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


def _open_what_is_closed() -> None:
    """Give closed standard streams somewhere to lead, so that no other file takes their numbers.

    Nothing can be written to a closed stdout: it stays an error, and not a silent loss.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "r"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115


@click.group(
    cls=Program,
    context_settings={
        "auto_envvar_prefix": "CNNKIT",
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 100,
    },
)
@config_option
@talk_options
@click.version_option(__version__, prog_name="cnnkit", allow_from_autoenv=False)
@click.pass_context
def main(context: click.Context) -> None:
    """Transfer learning with convolutional networks, from the shell.

    Answers go to stdout, one record per input; everything else goes to stderr. Every option can
    also be set in a file (--config) or in the environment (CNNKIT_CLASSIFY_TOP=1); flags are
    stronger than the environment, and the environment is stronger than a file.

    \b
    Exit codes:
      0    all inputs were answered
      1    the command could not do its job
      2    the command line makes no sense
      3    done, but at least one input could not be answered
      4    a check that was asked for did not hold
      130  interrupted

    \b
    Example:
      cnnkit classify photos/ --format jsonl | jq .
    """
    context.ensure_object(Talk).set_up_logging()
    # Decoders warn about odd files on stderr; our records say what matters.
    warnings.filterwarnings("ignore", module=r"PIL\.")
