"""`cnnkit finetune`."""

from typing import Any, get_args

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import fitting_options, output_options, talk_options
from cnnkit.commands.talk import Talk
from cnnkit.commands.training_options import training_options
from cnnkit.commands.training_progress import telling
from cnnkit.errors import SomeInputsFailed, UsageError
from cnnkit.records import Planned, Strategy, Trained

# What changes nothing of what a run comes to.
_WITH_RESUME = ("resume", "threads", "checkpoint_every", "tensorboard", "format", "output")


@click.command()
@click.argument("data", required=False)
@click.option(
    "--strategy",
    default="auto",
    type=click.Choice([*get_args(Strategy), "auto"]),
    help="A head on a frozen network, its last layers too, or everything from random weights; "
    "auto tries the first two and keeps the better.",
)
@click.option(
    "-m",
    "--model",
    help="The network to start from; `cnnkit models` lists them.  [default: resnet50]",
)
@click.option("--out", metavar="RUN", help="The run's folder.  [default: runs/DATA-MODEL-NNN]")
@click.option("--resume", metavar="RUN", help="Go on with a run that was killed or interrupted.")
@click.option("--plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--compare", is_flag=True, help="Run all three strategies, and report them together.")
@training_options
@fitting_options
@output_options
@talk_options
@click.pass_obj
def finetune(
    talk: Talk,
    /,
    data: str | None,
    model: str | None,
    out: str | None,
    resume: str | None,
    plan: bool,
    format: str | None,
    output: str | None,
    threads: int | None,
    checkpoint_every: float,
    tensorboard: bool,
    **options: Any,
) -> None:
    """Teach a network the classes of a folder: one folder of pictures for each.

    DATA is a folder of class folders, one with `train/` and `val/` of them, or a CSV or JSONL list
    (path,label[,split,group]). A run leaves a folder: the network, which `--model` takes wherever
    a model is asked for, and `report.html` to look at. Ctrl-C leaves a usable run too.

    \b
    Examples:
      cnnkit finetune flowers/
      cnnkit finetune flowers/ --plan
      cnnkit finetune flowers/ -m mobilenet_0.25 --strategy bottleneck --out runs/flowers
      cnnkit finetune flowers/ --augment configs/augment-blog.toml --compare
      cnnkit classify new.jpg --model runs/flowers
      cnnkit finetune --resume runs/flowers
    """  # fmt: skip
    if (data is None) == (resume is None):
        raise UsageError(
            "Expected DATA, a folder of class folders, or --resume RUN, which knows its own. "
            f"Received: {'neither' if data is None else 'both'}. "
            "Type: cnnkit finetune flowers/, or cnnkit finetune --resume runs/flowers"
        )
    if resume is not None:
        _refuse_other_wishes()
    from cnnkit.tasks import finetune as tasks

    options["model"] = model or ""

    means = tasks.Means(
        threads, checkpoint_every, (), tensorboard, talk.offline, talk.download, telling(talk)
    )
    if plan:
        from cnnkit.tasks.plan import plan as planned

        emit(
            [planned(str(data), means=means, **options)],
            format=format,
            output=output,
            columns=Planned.columns(),
        )
        return
    if resume is not None:
        done = tasks.resume(resume, means=means)
    else:
        done = tasks.finetune(str(data), out=out, means=means, **options)
    emit([done], format=format, output=output, columns=Trained.columns())
    if talk.shows_bars and not done.interrupted:
        click.echo(f"cnnkit: look at {done.report}", err=True)
        click.echo(f"cnnkit: use it: cnnkit classify --model {done.run} PICTURES", err=True)
    if done.interrupted:
        click.echo(f"cnnkit: go on with: cnnkit finetune --resume {done.run}", err=True)
        raise KeyboardInterrupt
    if done.skipped:
        many = done.skipped > 1
        raise SomeInputsFailed(
            f"{done.skipped:,} picture{'s' * many} could not be read, and "
            f"{'were' if many else 'was'} left out."
        )


def _refuse_other_wishes() -> None:
    """A run goes on as it began: say so, instead of passing over what else was asked for."""
    context = click.get_current_context()
    for name in context.params:
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in _WITH_RESUME:
            raise UsageError(
                f"--resume goes on with a run as it began: it does not go with "
                f"--{name.replace('_', '-')}."
            )
