"""`--config FILE.toml`: a table per verb, a key per option → Click's default map."""

from collections.abc import Callable, Mapping
from functools import partial
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
    verbs = _verbs(command)
    options = _options(command)
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name in verbs and isinstance(value, Mapping):
            defaults[name] = _defaults(value, verbs[name](), f"{place} [{key}]")
        elif name in verbs:
            raise UsageError(f"Expected a table [{key}] in {place}. Received: {value!r}.")
        elif name in options:
            defaults[str(options[name].name)] = _checked(options[name], value, f"{place}, {key}")
        else:
            raise UnknownName(f"key in {place}", key, [*verbs, *options])
    return defaults


def _verbs(command: click.Command) -> dict[str, Callable[[], click.Command]]:
    """What imports each verb of a group, by its name."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)

    def verb(name: str) -> click.Command:
        found = command.get_command(context, name)
        return found or command

    return {name: partial(verb, name) for name in command.list_commands(context)}


def _checked(option: click.Option, value: Any, place: str) -> Any:
    """The value, if it is of the kind that the option takes; Click judges the value itself."""
    if option.multiple:
        expected, fits = 'a list of strings such as ["a", "b"]', isinstance(value, list)
        fits = fits and all(isinstance(each, str) for each in value)
    elif option.is_flag:
        expected, fits = "true or false", isinstance(value, bool)
    elif getattr(option.type, "takes_lists", False):
        numbers = value if isinstance(value, list) else [value]
        expected = "a number, or a list of numbers such as [0.8, 1.2]"
        fits = bool(numbers) and all(type(each) in (int, float) for each in numbers)
    elif isinstance(option.type, click.types.IntParamType):
        expected, fits = "a whole number", type(value) is int
    elif isinstance(option.type, click.types.FloatParamType):
        expected, fits = "a number", type(value) in (int, float)
    else:
        expected, fits = "a string", type(value) in (str, int)
    if not fits:
        raise UsageError(f"{place}: expected {expected}. Received: {value!r}.")
    return value


def _options(command: click.Command) -> dict[str, click.Option]:
    """A command's options by their long names, without those that act instead of setting."""
    return {
        spelling[2:]: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in ("config", "version")
        for spelling in parameter.opts
        if spelling.startswith("--")
    }
