"""Shapes that the params of several methods share, and that answers have as well."""

from __future__ import annotations

from .shapes import BOOLEAN, INTEGER, STRING, array, enum, named, never_null, record, tagged

FLAG, PATHS = never_null(BOOLEAN), never_null(array(STRING))
TEXT_ELEMENT = named(
    "TextElement",
    record({"byteRange": named("ByteRange", record({"start": INTEGER, "end": INTEGER}))}, placeholder=STRING),
    "A part of a text that stands for something else; `byteRange` is its place in the text as UTF-8.",
)
USER_INPUT = named(
    "UserInput",
    tagged(
        text=record({"text": STRING}, text_elements=never_null(array(TEXT_ELEMENT))),
        image=record({"url": STRING}),
        localImage=record({"path": STRING}),
        skill=record({"name": STRING, "path": STRING}),
        mention=record({"name": STRING, "path": STRING}),
    ),
    "A part of what the user says.",
)
SANDBOX_POLICY = named(
    "SandboxPolicy",
    tagged(
        dangerFullAccess=record(),
        readOnly=record(networkAccess=FLAG),
        externalSandbox=record(networkAccess=never_null(named("NetworkAccess", enum("restricted", "enabled")))),
        workspaceWrite=record(
            writableRoots=PATHS,
            networkAccess=FLAG,
            excludeTmpdirEnvVar=FLAG,
            excludeSlashTmp=FLAG,
        ),
    ),
    "What commands may reach. Under `externalSandbox` the client confines them, so they are not confined here.",
)
