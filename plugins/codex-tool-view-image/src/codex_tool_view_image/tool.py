"""The tool `view_image`: the model looks at an image file of this machine."""

from __future__ import annotations

import os

from codex_plugin_sdk import (
    ContentPart,
    ImageViewItem,
    ToolCall,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
)

NAME = "view_image"

DESCRIPTION = """\
Shows you an image file of this machine: PNG, JPEG, GIF or WebP, 20 MB at most. `path` is absolute, relative to the \
working directory, or starts with `~`.
Use it when the user names an image file, or when you have made one (a screenshot, a plot) and must see it. Images \
that already stand in the conversation need no call."""

DEFINITION = ToolDefinition(
    name=NAME,
    description=DESCRIPTION,
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
        "additionalProperties": False,
    },
)


class ViewImageTool:
    """Implements the `Tool` contract. Reading needs no leave but where the sandbox policy denies it: every policy
    lets commands read the rest, too."""

    @property
    def definition(self) -> ToolDefinition:
        """A function with a path as its argument."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """Yes: it only reads."""
        return True

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Read the file, show that it was looked at, hand the image to the model.

        Raises `ToolFailed` when `path` is not one, or with the reason why the file is no image that a model
        can see; nothing is shown then.
        """
        from anyio import to_thread

        from codex_plugin_sdk import ImageError, load_image_data_url

        given = call.arguments.get("path")
        if not isinstance(given, str) or not given:
            raise ToolFailed("failed to parse function arguments: `path` must be a string that is not empty")
        path = absolute(given, ctx.cwd)
        if ctx.sandbox_policy.denies_read(path):
            raise ToolFailed(f"{path} may not be read: the sandbox policy denies it")
        try:
            # In a thread, and left behind when the turn is interrupted: a network folder may not answer.
            url = await to_thread.run_sync(load_image_data_url, path, abandon_on_cancel=True)
        except ImageError as error:
            raise ToolFailed(str(error)) from error
        item = ImageViewItem(id=call.call_id, path=path)
        await ctx.item_started(item)
        await ctx.item_completed(item)
        return ToolOutput(output=(ContentPart(type="input_image", image_url=url),))

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def absolute(path: str, cwd: str) -> str:
    """The file that `path` means in the folder `cwd`, `~` expanded, absolute and without detours."""
    joined = os.path.join(cwd, os.path.expanduser(path))
    # Cutting `x/..` from the text leads astray where x is a symlink; only then the disk is asked.
    return os.path.realpath(joined) if os.pardir in joined.split(os.sep) else os.path.normpath(joined)
