"""`cnnkit labels`."""

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.commands.talk import Talk
from cnnkit.records import LabelRow


@click.command()
@click.argument("model")
@click.argument("pattern", metavar="[GLOB]", default="*")
@output_options
@talk_options
@click.pass_obj
def labels(talk: Talk, /, model: str, pattern: str, format: str | None, output: str | None) -> None:
    """List the classes of MODEL whose name or id matches GLOB.

    \b
    Examples:
      cnnkit labels resnet50 '*cat*'
      cnnkit labels resnet50 n02123045
    """
    from cnnkit.tasks.labels import labels as run

    found = run(model, pattern, offline=talk.offline, reporter=talk.download)
    emit(found, format=format, output=output, columns=LabelRow.columns())
