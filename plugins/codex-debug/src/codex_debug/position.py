"""Where on the command line the cursor is: which command, and what it may be given there.

Click's own way to this asks every command of a group for its help, which would import all plugins; here a
command is loaded when its name has been typed.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from .usage import Literal, literals


class Position:
    """A place on the command line.

    `option` is the option whose value comes next; `values` how many positional words came before; `literal` the
    word of the usage line that was given as first argument; `options_end` whether what follows is no option.
    """

    def __init__(self, ctx: click.Context) -> None:
        self.ctx = ctx
        self.option: click.Option | None = None
        self.values = 0
        self.literal: Literal | None = None
        self.options_end = False


def find_position(root: click.Command, words: Sequence[str], obj: object | None) -> Position | None:
    """Where the cursor is after these words; None where no command has such a name. `obj` becomes the context
    object. Raises what loading the command raises."""
    ctx = root.make_context(root.name, list(words), obj=obj, resilient_parsing=True)
    rest = list(words)
    while True:
        position = Position(ctx)
        name = _walk(position, rest)
        if name is None:
            return position
        assert isinstance(ctx.command, click.Group)
        command = ctx.command.get_command(ctx, name)
        if command is None:
            return None
        ctx = command.make_context(name, list(rest), parent=ctx, resilient_parsing=True)


def option_named(ctx: click.Context, word: str) -> tuple[click.Option | None, bool]:
    """The option that a word gives, and whether the word holds its value as well (`--name=VALUE`, `-nVALUE`)."""
    options = {
        name: param
        for param in ctx.command.get_params(ctx)
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    name, equals, _ = word.partition("=")
    if name in options:
        return options[name], bool(equals)
    if word.startswith("--"):
        return None, False
    for index, letter in enumerate(word[1:], 2):
        option = options.get(f"-{letter}")
        if option is None:
            return None, False
        if takes_value(option):
            return option, index < len(word)
    return None, False


def takes_value(option: click.Option) -> bool:
    """Whether a word follows the option."""
    return not (option.is_flag or option.count)


def _walk(position: Position, rest: list[str]) -> str | None:
    """Take the words of the present command off `rest`; the name of a subcommand if one comes."""
    ctx = position.ctx
    while rest:
        word = rest.pop(0)
        if not position.options_end and word == "--":
            position.options_end = True
        elif not position.options_end and word[:1] == "-" and len(word) > 1:
            option, complete = option_named(ctx, word)
            if option is None or complete or not takes_value(option):
                continue
            if len(rest) < option.nargs:
                position.option = option
                rest.clear()
            del rest[: option.nargs]
        elif isinstance(ctx.command, click.Group):
            return word
        else:
            _take_value(position, word)
    return None


def _take_value(position: Position, word: str) -> None:
    ctx = position.ctx
    if position.values == 0 and not position.options_end:
        found = [literal for literal in literals(ctx) if literal.word == word]
        position.literal = found[0] if found else None
    position.values += 1
    if not ctx.allow_interspersed_args and position.literal is None:
        position.options_end = True
