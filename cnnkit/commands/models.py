"""`cnnkit models`."""

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.records import ModelRow


@click.command()
@click.argument("pattern", metavar="[GLOB]", default="*")
@output_options
@talk_options
def models(pattern: str, format: str | None, output: str | None) -> None:
    """List the networks whose names match GLOB, with what is known of each.

    Size in pixels, parameters, the width of the embedding and the layer that it is taken from,
    how pictures are fitted and scaled for it, and whether its weights are here.

    \b
    Examples:
      cnnkit models
      cnnkit models 'mobilenet*'
      cnnkit models --format jsonl | jq -r 'select(.parameters < 5e6).name'
    """
    from cnnkit.tasks.models import models as run

    emit(run(pattern), format=format, output=output, columns=ModelRow.columns())
