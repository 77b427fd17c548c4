"""Write docs/reference/ from the code: `make docs`. A test compares what is there with what this would write.

Everything is read with `ast`, never imported, so that the pages do not depend on what happens to be installed.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNEL = "kernel/src/codex_kernel"
NOTE = "<!-- Written by tools/generate_reference.py; change the docstrings and run `make docs`. -->\n"
LABELS = ("When called", "Who selects", "May raise")
# In the order in which an author meets them.
CONTRACTS = (
    *("tool", "model", "sandbox", "network", "policy", "context", "lifecycle", "config", "store", "observe", "checks"),
    "app_server",
)


def parse(root: Path, module: str) -> ast.Module:
    """The syntax tree of a kernel module, named relative to the package."""
    return ast.parse((root / KERNEL / f"{module}.py").read_text())


def docstring(node: ast.AsyncFunctionDef | ast.FunctionDef | ast.ClassDef | ast.Module) -> str:
    """The cleaned docstring, or nothing."""
    return ast.get_docstring(node) or ""


def classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    """Public classes by name, in order."""
    return {n.name: n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")}


def methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The public methods of a class, in order."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield child


def split_example(text: str) -> tuple[str, str]:
    """A hookspec's docstring without its example, and the example as code."""
    prose, _, example = text.partition("Example::")
    return prose.strip(), inspect.cleandoc(example)


def labelled(prose: str) -> tuple[str, dict[str, str]]:
    """The summary and what stands behind each of `LABELS`."""
    pattern = rf"^({'|'.join(LABELS)}): "
    parts = re.split(pattern, prose, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return one_line(parts[0]), {label: one_line(text) for label, text in pairs}


def one_line(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def fields(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    """Name, type and default of a value's fields; no default means that it must be given."""
    return [
        (child.target.id, ast.unparse(child.annotation), default(child.value))
        for child in node.body
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
    ]


def default(expression: ast.expr | None) -> str:
    """How a field's default reads: `attrs.field(factory=dict)` is an empty dict to the reader."""
    if expression is None:
        return ""
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "attrs.field":
        given = {keyword.arg: keyword.value for keyword in expression.keywords}
        if "factory" in given:
            return f"`{ast.unparse(given['factory'])}()`"
        return f"`{ast.unparse(given['default'])}`" if "default" in given else ""
    return f"`{ast.unparse(expression)}`"


def field_table(node: ast.ClassDef) -> str:
    """The fields as a table; nothing for a class without any."""
    rows = [f"| `{name}` | {code_cell(kind)} | {given or 'required'} |" for name, kind, given in fields(node)]
    return "\n".join(["| field | type | default |", "|---|---|---|", *rows]) + "\n" if rows else ""


def code_cell(text: str) -> str:
    """Code that may hold a bar, inside a table."""
    return f"`{text}`".replace("|", "\\|")


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A method as its author writes it, or a property as `name: type`."""
    if any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns) if node.returns else 'Any'}"
    prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{prefix} {node.name}({ast.unparse(node.args)}){returns}"


def hook_kinds(tree: ast.Module) -> dict[str, str]:
    """`HOOK_KINDS`, read from the source."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "HOOK_KINDS" and node.value:
            kinds: dict[str, str] = ast.literal_eval(node.value)
            return kinds
    raise LookupError("hookspecs.py has no HOOK_KINDS")


def hooks_page(root: Path) -> str:
    """The hooks: when each is called, who selects, what it may raise, an example, and its spec."""
    tree = parse(root, "hookspecs")
    specs = classes(parse(root, "specs"))
    kinds = hook_kinds(tree)
    out = [NOTE, "# Hooks", docstring(tree).split("\n", 1)[1].strip()]
    for hook in methods(classes(tree)["CodexHookspecs"]):
        returned = ast.unparse(hook.returns) if hook.returns else ""
        spec = returned.removeprefix("Iterable[").removesuffix("]")
        prose, example = split_example(docstring(hook))
        summary, parts = labelled(prose)
        out += [f"## {hook.name}", f"{summary} Kind `{kinds[hook.name]}`; yields `{spec}`."]
        out += ["\n".join(f"- **{label}:** {text}" for label, text in parts.items())]
        out += [f"```python\n{example}\n```"]
        out += [f"`{spec}`: {one_line(docstring(specs[spec]))}", field_table(specs[spec])]
    return "\n\n".join(part.strip() for part in out) + "\n"


def contracts_page(root: Path) -> str:
    """The contracts: what factories return and what they are given."""
    out = [NOTE, "# Contracts", "What a factory is given and what it returns. All names come from `codex_plugin_sdk`."]
    for module in CONTRACTS:
        tree = parse(root, f"contracts/{module}")
        out += [f"## {docstring(tree).splitlines()[0].rstrip('.').removeprefix('The contract of ').capitalize()}"]
        for name, node in classes(tree).items():
            protocol = any(ast.unparse(base) == "Protocol" for base in node.bases)
            out += [f"### {name}", docstring(node)]
            if protocol:
                out += [f"`{signature(m)}`\n\n{indent(docstring(m))}" for m in methods(node)]
            else:
                out += [field_table(node)]
    return "\n\n".join(part.strip() for part in out if part.strip()) + "\n"


def indent(text: str) -> str:
    """A paragraph that belongs to the line above it."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) if text else ""


def errors_page(root: Path) -> str:
    """The tree of errors and the exit codes."""
    tree = parse(root, "errors")
    found = classes(tree)
    out = [NOTE, "# Errors and exit codes", f"```text\n{docstring(tree)}\n```", "## Exit codes"]
    out += [one_line(docstring(found["ExitCode"]))]
    rows = [
        f"| {ast.unparse(child.value)} | `{ast.unparse(child.targets[0])}` |"
        for child in found["ExitCode"].body
        if isinstance(child, ast.Assign)
    ]
    out += ["\n".join(["| code | name |", "|---|---|", *rows]), "## Classes"]
    for name, node in found.items():
        if name != "ExitCode":
            base = ast.unparse(node.bases[0]) if node.bases else "object"
            out += [f"`{name}({base})`: {one_line(docstring(node))}"]
    return "\n\n".join(part.strip() for part in out) + "\n"


def configuration_page(root: Path) -> str:
    """The keys of config.toml, with the sections of bundled plugins, after docs/configuration.head.md.

    The one page for which code is imported: a section is an attrs class."""
    from codex_config.catalogue import load_keys
    from codex_config.schema import markdown
    from codex_kernel.plugins import PluginManager

    bundled = {path.name for path in (root / "plugins").iterdir()}
    plugins = PluginManager.from_environment({})
    offers = [offer for offer in plugins.config_sections().values() if offer.dist in bundled]
    tables = markdown(load_keys((offer.plugin, offer.spec) for offer in offers))
    plugins.close()
    return NOTE + (root / "docs/configuration.head.md").read_text() + tables


def app_server_page(root: Path) -> str:
    """Transports and order by hand (docs/app-server.head.md), then the methods as the server declares them."""
    from codex_app_server.methods import EXTRA, load_all
    from codex_app_server.notifications import NOTIFICATIONS
    from codex_app_server.server_requests import SERVER_REQUESTS
    from codex_app_server.unserved import UNSENT, UNSERVED

    rows = ["| method | scope | experimental | |", "|---|---|---|---|"]
    for name, found in sorted(load_all().items()):
        scope = "" if found.scope is None else found.scope.family + (", shared" if found.scope.shared else "")
        about = one_line((found.run.__doc__ or "").split("\n\n")[0]).replace("|", "\\|")
        rows.append(f"| `{name}` | {scope} | {'yes' if found.experimental else ''} | {about} |")
    refused = sorted(UNSERVED.items())
    extra = {name: one_line((found.run.__doc__ or "").split("\n\n")[0]) for name, found in EXTRA.items()}
    told = [(name, shape.about) for name, shape in sorted(NOTIFICATIONS.items())]
    asked = [(name, params.about) for name, (params, _) in sorted(SERVER_REQUESTS.items())]
    more = [
        two_columns("Methods that Codex does not have", "method", "", sorted({**extra, **of_plugins(root)}.items())),
        two_columns("Methods that are not served", "method", "why not", refused),
        two_columns("Notifications of the server", "notification", "", told),
        two_columns("Notifications that are not sent", "notification", "why not", sorted(UNSENT.items())),
        two_columns("Requests of the server", "request", "", asked),
    ]
    return NOTE + (root / "docs/app-server.head.md").read_text() + "\n".join(rows) + "\n" + "".join(more)


def of_plugins(root: Path) -> dict[str, str]:
    """The methods that bundled plugins add to the app server, with what they say of them."""
    from codex_kernel.plugins import PluginManager

    bundled = {path.name for path in (root / "plugins").iterdir()}
    plugins = PluginManager.from_environment({})
    offers = [offer for offer in plugins.app_methods().values() if offer.dist in bundled]
    plugins.close()
    return {offer.spec.name: f"{offer.spec.help} ({offer.dist})" for offer in offers if offer.spec.help}


def two_columns(title: str, first: str, second: str, rows: Iterable[tuple[str, str]]) -> str:
    """A section with names and what there is to say of them."""
    lines = [f"\n## {title}\n", f"| {first} | {second} |", "|---|---|"]
    lines += [f"| `{name}` | {about.replace('|', '/')} |" for name, about in rows]
    return "\n".join(lines) + "\n"


def pages(root: Path) -> dict[str, str]:
    """All pages by their path in the repository."""
    return {
        "docs/reference/hooks.md": hooks_page(root),
        "docs/reference/contracts.md": contracts_page(root),
        "docs/reference/errors.md": errors_page(root),
        "docs/configuration.md": configuration_page(root),
        "docs/app-server.md": app_server_page(root),
    }


def main() -> int:
    """Write the pages."""
    for name, text in pages(ROOT).items():
        file = ROOT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
