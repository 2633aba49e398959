"""`cnnkit doctor`."""

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.records import Finding


@click.command()
@output_options
@talk_options
def doctor(format: str | None, output: str | None) -> None:
    """Examine this installation: versions, processor, engines, folders, weights.

    The last line is a picture classified for real. What is missing comes with the command that
    mends it. Exit code 1 if pictures cannot be classified.

    \b
    Example:
      cnnkit doctor
    """
    from cnnkit.tasks.doctor import examine, raise_if_ill

    findings = list(examine())
    emit(findings, format=format, output=output, columns=Finding.columns())
    raise_if_ill(findings)
