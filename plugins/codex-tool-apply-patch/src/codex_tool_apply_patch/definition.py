"""How the model sees the tool."""

from __future__ import annotations

from codex_plugin_sdk import ToolDefinition

NAME = "apply_patch"

DESCRIPTION = """\
Adds, changes, moves and deletes text files. The input is one patch as plain text: no JSON, no quoting, no code fence.

A patch starts with the line `*** Begin Patch` and ends with `*** End Patch`. Between them stands one section for \
each file; paths are relative to the working directory:
- `*** Add File: PATH`, then the whole content, each line with `+` before it.
- `*** Delete File: PATH`, nothing else.
- `*** Update File: PATH`, optionally `*** Move to: NEW_PATH` on the next line, then one or more chunks.

A chunk starts with `@@`, or with `@@ ` and a line of the file (a class or function header, say) below which it \
lies. Its lines start with a space (stays), `-` (goes) or `+` (comes). Give about three unchanged lines before and \
after a change, as they are in the file; add the `@@ ` line where these are not unique. Chunks come in the order of \
the file. After lines that are the last of the file, `*** End of File` may follow.

Example:
*** Begin Patch
*** Add File: notes/todo.md
+# To do
*** Update File: src/area.py
@@ def area(circle):
     radius = circle.radius
-    return 3.14 * radius
+    return math.pi * radius**2
*** Delete File: old.txt
*** End Patch

Nothing is written unless every section fits."""

GRAMMAR = r"""
start: "*** Begin Patch" EOL section+ "*** End Patch" EOL?

section: added | deleted | updated
added: "*** Add File: " REST EOL ("+" REST? EOL)+
deleted: "*** Delete File: " REST EOL
updated: "*** Update File: " REST EOL moved? chunk+
moved: "*** Move to: " REST EOL

chunk: anchor? line+ last?
anchor: "@@" (" " REST)? EOL
line: (" " | "-" | "+") REST? EOL
last: "*** End of File" EOL

REST: /[^\r\n]+/
EOL: /\r?\n/
"""
"""What the sampler holds the model to. Stricter than the parser, which also takes what models write without it."""

DEFINITION = ToolDefinition(
    name=NAME,
    description=DESCRIPTION,
    freeform=True,
    grammar={"type": "grammar", "syntax": "lark", "definition": GRAMMAR.lstrip("\n")},
)
