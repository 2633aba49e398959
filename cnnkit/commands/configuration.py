"""`--config FILE.toml`: a table per verb, a key per option → Click's default map."""

from collections.abc import Mapping
from typing import Any

import click

from cnnkit.errors import InputError, UnknownName, UsageError


def config_option(command: Any) -> Any:
    """Add `--config` to the group."""
    return click.option(
        "--config", metavar="FILE.toml", is_eager=True, expose_value=False, callback=_load,
        help="Take options from a TOML file: a table per verb, such as [classify].",
    )(command)  # fmt: skip


def _load(context: click.Context, option: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    try:
        context.default_map = read_configuration(path, context.command)
    except (InputError, UsageError) as error:
        # The callback runs before the group's own handler is in place.
        raise click.UsageError(str(error), context) from error


def read_configuration(path: str, command: click.Command) -> dict[str, Any]:
    """The file's content as Click's default map.

    Keys are options' long names, with hyphens or underscores. Raises `InputError` for a file that
    cannot be read, `UsageError` for one that is no TOML or holds unknown keys (with near misses).
    """
    import tomllib

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = tomllib.load(file)
    except OSError as error:
        raise InputError(f"The configuration {path!r} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {path!r} is no TOML: {error}.") from error
    return _defaults(content, command, path)


def _defaults(table: Mapping[str, Any], command: click.Command, place: str) -> dict[str, Any]:
    verbs = command.commands if isinstance(command, click.Group) else {}
    options = _options(command)
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name in verbs and isinstance(value, Mapping):
            defaults[name] = _defaults(value, verbs[name], f"{place} [{key}]")
        elif name in options and not isinstance(value, Mapping):
            defaults[options[name]] = value
        else:
            raise UnknownName(f"key in {place}", key, [*verbs, *options])
    return defaults


def _options(command: click.Command) -> dict[str, str]:
    """The long names of a command's options → the names of its parameters."""
    return {
        spelling[2:]: str(parameter.name)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name != "config"
        for spelling in parameter.opts
        if spelling.startswith("--")
    }
