"""Check who imports whom: `make check` runs this after ruff and mypy.

import-linter wants every package by name; here the plugins are found by looking into `plugins/`, so that a
new one is held to the rules without anybody listing it. The rules themselves are the data below.
"""

from __future__ import annotations

import ast
import configparser
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNEL, SDK = "codex_kernel", "codex_plugin_sdk"

# From the top down; a module never imports one of a line above its own. `:` joins modules that may see each
# other, brackets mark those that need not exist. Modules that stand nowhere here must still not form circles.
KERNEL_LAYERS = (
    "main",
    "cli",
    "thread",
    "turn",
    "plugins : registry : approval : config",
    "hookspecs : specs",
    "contracts",
    "protocol",
    "errors",
)
OUTSIDE_KERNEL = ("httpx", "mcp", "opentelemetry", "pydantic", "rich", "sqlite3", "textual", "websockets")
ONLY_IN_TESTING = ("pytest", "hypothesis")

Contract = dict[str, str | list[str]]


def plugin_packages(root: Path) -> list[str]:
    """Import names of the plugins in the tree, sorted."""
    return sorted(init.parent.name for init in root.glob("plugins/*/src/*/__init__.py"))


def public_kernel_modules(root: Path) -> set[str]:
    """The kernel modules from which the SDK offers names: the keys of `_exports.MODULES`."""
    tree = ast.parse((root / "plugin-sdk/src" / SDK / "_exports.py").read_text())
    return {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def modules(package: Path) -> set[str]:
    """Dotted names of all modules of a package."""
    found = set()
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def contracts(root: Path) -> dict[str, Contract]:
    """All rules, by the id that import-linter shows."""
    plugins = plugin_packages(root)
    kernel, sdk = modules(root / "kernel/src" / KERNEL), modules(root / "plugin-sdk/src" / SDK)
    packages = {name for name in kernel if any(other.startswith(f"{name}.") for other in kernel)}
    plugin_modules = {name for init in root.glob("plugins/*/src/*/__init__.py") for name in modules(init.parent)}
    testing = {name for name in sdk if name.startswith(f"{SDK}.testing")}
    public = public_kernel_modules(root)
    rules: dict[str, Contract] = {
        "rooms": {
            "name": "Plugins stand on the SDK, the SDK on the kernel, and no plugin on another",
            "type": "layers",
            "layers": [" | ".join(plugins), SDK, KERNEL],
        },
        "client-library": {
            "name": "The library for users of the app server needs nothing of the agent",
            "type": "forbidden",
            "source_modules": ["codex_sdk"],
            "forbidden_modules": [KERNEL, SDK],
        },
        "kernel-is-protected": {
            "name": "Only the SDK imports the kernel",
            "type": "protected",
            "protected_modules": [KERNEL],
            "allowed_importers": [SDK],
        },
        "kernel-layers": {
            "name": "Inside the kernel imports point downwards",
            "type": "layers",
            "containers": [KERNEL],
            "layers": [" : ".join(f"({name})" for name in layer.split(" : ")) for layer in KERNEL_LAYERS],
        },
        "kernel-circles": {
            "name": "Modules of the kernel do not import each other in circles",
            "type": "acyclic_siblings",
            "ancestors": [KERNEL],
        },
        "kernel-is-light": {
            "name": "The kernel knows no network, database, terminal or telemetry library",
            "type": "forbidden",
            "source_modules": [KERNEL],
            "forbidden_modules": list(OUTSIDE_KERNEL),
        },
        "sdk-is-light": {
            "name": "In the SDK only the rooms http, remote and testing know such a library",
            "type": "forbidden",
            "source_modules": sorted(
                name for name in sdk - testing if not name.startswith((f"{SDK}.http", f"{SDK}.remote"))
            ),
            "forbidden_modules": list(OUTSIDE_KERNEL),
            "as_packages": "False",
            "allow_indirect_imports": "True",
        },
        "sdk-is-a-front": {
            "name": "The SDK takes from the kernel only what _exports.py names",
            "type": "forbidden",
            "source_modules": sorted(sdk - testing),
            "forbidden_modules": sorted(kernel - public - packages),
            "as_packages": "False",
            "allow_indirect_imports": "True",
        },
        "test-libraries": {
            "name": "Test libraries stay inside codex_plugin_sdk.testing",
            "type": "forbidden",
            "source_modules": sorted((sdk - testing) | kernel | plugin_modules),
            "forbidden_modules": list(ONLY_IN_TESTING),
            "as_packages": "False",
            "allow_indirect_imports": "True",
        },
    }
    return rules


def write_config(root: Path, file: Path) -> None:
    """Write the rules in the form that import-linter reads."""
    config = configparser.ConfigParser()
    config["importlinter"] = {
        "root_packages": "\n" + "\n".join([KERNEL, SDK, *plugin_packages(root)]),
        "include_external_packages": "True",
        "exclude_type_checking_imports": "True",
    }
    for name, rule in contracts(root).items():
        config[f"importlinter:contract:{name}"] = {
            key: "\n" + "\n".join(value) if isinstance(value, list) else value for key, value in rule.items()
        }
    with file.open("w") as out:
        config.write(out)


def main() -> int:
    """Check this tree; 0 when all rules are kept."""
    from importlinter.cli import lint_imports

    # This tree, wherever the installed packages point.
    sys.path[:0] = [
        str(source) for source in (ROOT / "kernel/src", ROOT / "plugin-sdk/src", *ROOT.glob("plugins/*/src"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "contracts.ini")
        write_config(ROOT, file)
        return lint_imports(config_filename=str(file), no_cache=True, no_logo=True)


if __name__ == "__main__":
    sys.exit(main())
