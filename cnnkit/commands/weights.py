"""`cnnkit weights …`."""

import click

from cnnkit.commands.emit import emit
from cnnkit.commands.options import output_options, talk_options
from cnnkit.commands.talk import Talk
from cnnkit.records import WeightsRow

_no_top = click.option("--no-top", is_flag=True, help="The file without the classifier.")
_force = click.option("--force", is_flag=True, help="Replace a file that is here already.")
_models = click.argument("models", nargs=-1, required=True)


@click.group()
@talk_options
def weights() -> None:
    """Handle weight files. They lie where Keras keeps them, in KERAS_HOME/models.

    Keras finds what cnnkit fetches, and cnnkit finds what Keras fetched. Set CNNKIT_WEIGHTS_URL
    to fetch files of the same names from a mirror, CNNKIT_TIMEOUT to wait longer than 30 seconds
    for a silent server.

    \b
    Example:
      cnnkit weights pull resnet50
    """


@weights.command("list", short_help="Which files are here.")
@click.argument("pattern", metavar="[GLOB]", default="*")
@output_options
@talk_options
def list_(pattern: str, format: str | None, output: str | None) -> None:
    """List the weight files of the networks whose names match GLOB, here or not.

    \b
    Examples:
      cnnkit weights list
      cnnkit weights list 'resnet*' --format jsonl | jq -r 'select(.state == "present").path'
    """
    from cnnkit.tasks.weights import list_weights

    rows = list_weights(pattern)
    emit(rows, format=format, output=output, columns=WeightsRow.columns())


@weights.command(short_help="Fetch weights.")
@_models
@_no_top
@_force
@output_options
@talk_options
@click.pass_obj
def pull(
    talk: Talk,
    /,
    models: tuple[str, ...],
    no_top: bool,
    force: bool,
    format: str | None,
    output: str | None,
) -> None:
    """Fetch the weights of MODELS, and the class names, unless they are here.

    A download that was interrupted is continued. The name `labels` stands for the class names.

    \b
    Examples:
      cnnkit weights pull resnet50 inceptionv3
      CNNKIT_WEIGHTS_URL=https://mirror.example.org/keras cnnkit weights pull vgg16
    """
    from cnnkit.tasks.weights import pull_weights

    rows = pull_weights(
        models, top=not no_top, force=force, offline=talk.offline, reporter=talk.download
    )
    emit(rows, format=format, output=output, columns=WeightsRow.columns())


@weights.command(short_help="Check files against their hashes.")
@click.argument("models", nargs=-1)
@click.option("--accept", is_flag=True, help="Take files that have changed as they are now.")
@output_options
@talk_options
def verify(models: tuple[str, ...], accept: bool, format: str | None, output: str | None) -> None:
    """Check the weight files of MODELS, or every one that is here. Exit code 4 if one is not right.

    Against the hash that Keras publishes; where it publishes none, against the first sight of the
    file on this machine.

    \b
    Examples:
      cnnkit weights verify
      cnnkit weights verify mobilenet_0.25
    """
    from cnnkit.tasks.weights import raise_if_wrong, verify_weights

    rows = verify_weights(models, accept=accept)
    emit(rows, format=format, output=output, columns=WeightsRow.columns())
    raise_if_wrong(rows)


@weights.command("import", short_help="Take in a file from elsewhere.")
@click.argument("source", metavar="FILE|FOLDER")
@click.option("-m", "--model", help="Whose weights they are, where the file's name does not say.")
@_force
@output_options
@talk_options
def import_(
    source: str, model: str | None, force: bool, format: str | None, output: str | None
) -> None:
    """Copy a weight file, or every known one in a folder, to where Keras and cnnkit look.

    Files are known by the names that Keras gives them, and checked by hash, or by the shapes of
    their tensors. The model `labels` stands for the class names.

    \b
    Examples:
      cnnkit weights import ~/Downloads/resnet50_weights_tf_dim_ordering_tf_kernels.h5
      cnnkit weights import --model vgg16 my-vgg.h5
      cnnkit weights import /mnt/share/keras-models/
    """
    from cnnkit.tasks.weights import import_weights

    rows = import_weights(source, model=model, force=force)
    emit(rows, format=format, output=output, columns=WeightsRow.columns())


@weights.command(short_help="Print where a file is.")
@click.argument("model")
@_no_top
@talk_options
def path(model: str, no_top: bool) -> None:
    """Print the path of MODEL's weights. Exit code 1 if they are not here.

    \b
    Example:
      cp "$(cnnkit weights path resnet50)" /mnt/share/
    """
    from cnnkit.tasks.weights import weights_path

    click.echo(weights_path(model, top=not no_top))


@weights.command(short_help="Delete files.")
@_models
@output_options
@talk_options
def remove(models: tuple[str, ...], format: str | None, output: str | None) -> None:
    """Delete the weight files of MODELS, and what is left of interrupted downloads.

    \b
    Example:
      cnnkit weights remove vgg16
    """
    from cnnkit.tasks.weights import remove_weights

    rows = remove_weights(models)
    emit(rows, format=format, output=output, columns=WeightsRow.columns())
