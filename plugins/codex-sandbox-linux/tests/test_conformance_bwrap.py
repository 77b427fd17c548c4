"""The escape suite on bubblewrap: everything is enforced."""

from codex_plugin_sdk.testing.sandbox_kit import SandboxConformance
from codex_sandbox_linux.bwrap import BwrapBackend


class TestBwrap(SandboxConformance):
    def open_backend(self, setup):
        return BwrapBackend(setup)
