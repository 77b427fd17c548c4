"""The escape suite on Landlock, with what it does not enforce."""

from codex_plugin_sdk.testing.sandbox_kit import SandboxConformance
from codex_sandbox_linux import calls, landlock
from codex_sandbox_linux.landlock_backend import LandlockBackend


def _abi():
    try:
        return min(calls.landlock_abi(), landlock.NEWEST_ABI)
    except OSError:
        return 0  # not available here, which the kit says


class TestLandlock(SandboxConformance):
    not_enforced = frozenset({"protected-folders", "metadata-outside", "processes", "devices", "ipc"}) | (
        frozenset() if _abi() >= landlock.SCOPE_ABI else frozenset({"dies-with-us"})
    )
    private_loopback = False
    proxied_network = False

    def open_backend(self, setup):
        return LandlockBackend(setup)
