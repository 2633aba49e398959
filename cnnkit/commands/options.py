"""Options that several verbs share, each declared once, and what they are turned into."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from cnnkit.commands.talk import Talk
from cnnkit.outputs.tables import FORMATS
from cnnkit.records import STORE, Fit, Interpolation, Precision, Runtime

if TYPE_CHECKING:
    from cnnkit.tasks.inputs import Inputs

Command = TypeVar("Command", bound=Callable[..., Any])


def _together(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def input_options(command: Command) -> Command:
    """IMAGES, `-0` and `--exclude`; hand them to `gather`."""
    return listed_options("images")(command)


def listed_options(name: str) -> Callable[[Command], Command]:
    """Pictures as arguments of that name, `-0` and `--exclude`; hand them to `gather`."""
    return _together(
        click.argument(name, nargs=-1),
        click.option("-0", "--null", is_flag=True, help="The list on stdin is NUL-separated."),
        click.option(
            "--exclude", multiple=True, metavar="GLOB",
            help="Leave out paths, names or folders that match. Repeatable.",
        ),
    )  # fmt: skip


def output_options(command: Command) -> Command:
    """`--format` and `-o`; hand them to `emit`."""
    return _together(
        click.option(
            "--format", type=click.Choice(FORMATS),
            help="How answers are written. [default: by the suffix of -o, or text]",
        ),
        click.option("-o", "--output", metavar="FILE", help="Write answers there, not to stdout."),
    )(command)  # fmt: skip


def weights_option(command: Command) -> Command:
    """`--weights`."""
    return click.option(
        "-w", "--weights", default="imagenet", metavar="imagenet|none|FILE",
        help="Published weights, random ones, or a weight file for this network.",
    )(command)  # fmt: skip


def seed_option(command: Command) -> Command:
    """`--seed`."""
    return click.option(
        "--seed", default=0, type=click.IntRange(0, 2**32 - 1),
        help="For the random weights of `-w none`.",
    )(command)  # fmt: skip


def engine_options(command: Command) -> Command:
    """`runtime_options`, and `--precision`."""
    return _together(
        runtime_options,
        click.option(
            "--precision", default="auto", type=click.Choice(get_args(Precision)),
            help="auto is bfloat16 where an earlier run saw it answer as float32 does.",
        ),
    )(command)  # fmt: skip


def runtime_options(command: Command) -> Command:
    """`--engine`, `--batch-size` and `--threads`; names as the tasks take them."""
    return _together(
        click.option(
            "--engine", default="auto", type=click.Choice(get_args(Runtime)),
            help="What runs the network; auto is openvino on a processor, keras on a GPU.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(1, 4096),
            help="Pictures per run of the network.  [default: what suits the engine]",
        ),
        click.option(
            "--threads", type=click.IntRange(1, 1024),
            help="Cores to use.  [default: all that are allowed]",
        ),
    )(command)  # fmt: skip


def showing_options(command: Command) -> Command:
    """`--gallery` and `--contact-sheet`."""
    return _together(
        click.option(
            "--gallery", metavar="FILE.html", help="Show the pictures on a page, whole in one file."
        ),
        click.option(
            "--contact-sheet", metavar="FILE.png", help="Show them as one picture, a row an answer."
        ),
    )(command)  # fmt: skip


def store_option(command: Command) -> Command:
    """`--store`: the one store that a verb works on."""
    return click.option(
        "--store", default=STORE, envvar="CNNKIT_STORE", metavar="FILE.h5",
        help="The embedding store. [env: CNNKIT_STORE]",
    )(command)  # fmt: skip


def stores_option(command: Command) -> Command:
    """`--store`, repeatable: the stores that a verb looks through together."""
    return click.option(
        "--store", multiple=True, default=(STORE,), envvar="CNNKIT_STORE", metavar="FILE.h5",
        type=_One(), help="The embedding store. Repeatable. [env: CNNKIT_STORE]",
    )(command)  # fmt: skip


class _One(click.types.StringParamType):
    """A text that is one in the environment too, where Click would part it at its spaces."""

    def split_envvar_value(self, rv: str) -> tuple[str]:
        """The variable's text as it is."""
        return (rv,)


def fitting_options(command: Command) -> Command:
    """`--fit` and `--interpolation`."""
    return _together(
        click.option(
            "--fit", type=click.Choice(get_args(Fit)),
            help="How a picture becomes a square.  [default: the network's own]",
        ),
        click.option(
            "--interpolation", type=click.Choice(get_args(Interpolation)),
            help="How a picture is resized.  [default: the network's own]",
        ),
    )(command)  # fmt: skip


def talk_options(command: Command) -> Command:
    """`-v`, `-q` and `--offline`, for the group and for every verb alike; all go to `Talk`."""

    def option(*names: str, help: str) -> Callable[[Any], Any]:
        return click.option(
            *names, is_flag=True, expose_value=False, callback=_tell_talk, help=help
        )

    return _together(
        option("-v", "--verbose", help="Say more, on stderr; show what TensorFlow says."),
        option("-q", "--quiet", help="No progress bars and no warnings on stderr."),
        option("--offline", help="Never try to fetch weights. [env: CNNKIT_OFFLINE]"),
    )(command)


def _tell_talk(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        talk = context.ensure_object(Talk)
        setattr(talk, str(option.name), True)
        talk.set_up_logging()  # the group has done so, before a verb's own options were known


def gather(images: tuple[str, ...], null: bool, exclude: tuple[str, ...]) -> "Inputs":
    """What the person wants answered; a list on stdin where nothing is named."""
    from cnnkit.tasks.inputs import Inputs

    if not images:
        if sys.stdin.isatty():
            raise click.UsageError(
                "Expected pictures: files, folders, patterns, or `-` for a list on stdin."
            )
        images = ("-",)
    elif null and "-" not in images:
        raise click.UsageError("-0 is about the list on stdin. Expected `-` among the pictures.")
    return Inputs(images, sys.stdin.buffer, null, exclude)
