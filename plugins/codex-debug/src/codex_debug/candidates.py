"""What can stand at the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from .position import Position, find_position, option_named, takes_value
from .usage import literals, path_type
from .values import known_values

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .words import Item


class Completer:
    """Completes command lines of `root`, whose plugins are those of the invocation."""

    def __init__(self, root: click.Command, invocation: Invocation) -> None:
        self._root = root
        self._invocation = invocation

    def candidates(self, words: Sequence[str], current: str) -> list[Item]:
        """All that may follow `words` and begins as `current` does, whole words each. An item of type `file` or
        `dir` asks the shell for paths. Raises what loading the command on the line raises."""
        # A line that leaves plugins out is completed without them: the group then makes its own manager.
        fewer = any(word.startswith("--no-plugin") for word in words)
        position = find_position(self._root, words, None if fewer else self._invocation)
        if position is None:
            return []
        if position.option is not None:
            return self._values(position.ctx, position.option, current)
        if current.startswith("-") and not position.options_end:
            return self._options(position, current)
        return self._words(position, current)

    def _options(self, position: Position, current: str) -> list[Item]:
        name, equals, value = current.partition("=")
        if equals:
            option, _ = option_named(position.ctx, name)
            if option is None or not takes_value(option):
                return []
            found = self._values(position.ctx, option, value)
            return [CompletionItem(_joined(name, item), type=item.type, help=item.help) for item in found]
        found = position.ctx.command.shell_complete(position.ctx, current)
        names = {item.value for item in found}
        extra = position.literal.options if position.literal is not None else ()
        more = [CompletionItem(text) for text in extra if text.startswith(current) and text not in names]
        return [*found, *more]

    def _values(self, ctx: click.Context, param: click.Parameter, current: str) -> list[Item]:
        """As the parameter's type completes itself; plain text by what is known of the option, else by its
        placeholder."""
        found = param.shell_complete(ctx, current)
        if found or param.type not in (click.STRING, click.UNPROCESSED):
            return found
        if path := path_type(param):
            return [CompletionItem(current, type=path)]
        return [CompletionItem(text) for text in known_values(param, self._invocation) if text.startswith(current)]

    def _words(self, position: Position, current: str) -> list[Item]:
        ctx = position.ctx
        if ctx.command is self._root:
            return self._commands(ctx, current)
        if isinstance(ctx.command, click.Group):
            return ctx.command.shell_complete(ctx, current)
        found: list[Item] = []
        if position.values == 0 and not position.options_end:
            found = [CompletionItem(literal.word) for literal in literals(ctx) if literal.word.startswith(current)]
        param = _argument_at(ctx, position.values)
        if param is not None and position.literal is None:
            found += self._values(ctx, param, current)
        return found

    def _commands(self, ctx: click.Context, current: str) -> list[Item]:
        """Subcommands with the help that plugins gave to their names; none is loaded."""
        root = self._root
        assert isinstance(root, click.Group)
        offers = self._invocation.plugins.commands()
        return [
            CompletionItem(name, help=_help(root, name) if name in root.commands else offers[name].spec.help)
            for name in root.list_commands(ctx)
            if name.startswith(current)
        ]


def _help(group: click.Group, name: str) -> str:
    return group.commands[name].get_short_help_str()


def _joined(name: str, item: Item) -> str:
    return f"{name}={item.value}"


def _argument_at(ctx: click.Context, index: int) -> click.Argument | None:
    """The argument that the positional word with this index belongs to."""
    arguments: Iterable[click.Argument] = (p for p in ctx.command.params if isinstance(p, click.Argument))
    for argument in arguments:
        if argument.nargs < 0 or index < argument.nargs:
            return argument
        index -= argument.nargs
    return None
