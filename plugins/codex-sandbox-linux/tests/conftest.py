import importlib.util
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.sandbox_kit import SandboxConformance


@pytest.fixture
def anyio_backend():
    return "asyncio"


def _neighbour(name):
    """A helper beside the tests; they are no package, so it cannot be imported by name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_filter():
    """`run_filter(program, arch=…, nr=…, args=…)`: what the kernel would answer."""
    return _neighbour("bpf_interpreter").run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The first case of an area tries them all: what is spread over several workers would be tried by each of them."""
    for item in items:
        if getattr(item, "cls", None) is not None and issubclass(item.cls, SandboxConformance):
            user = "ordinary" if "ordinary" in item.name else "us"
            item.add_marker(pytest.mark.xdist_group(f"{item.cls.__name__} as {user}"))
