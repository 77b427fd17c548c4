import importlib.util
from pathlib import Path

import pytest


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
