"""Why a connection goes no further. All are told to the command; refusals are recorded as well."""

from __future__ import annotations


class Fault(Exception):
    """`text` is for the command to read, `code` for `X-Proxy-Error`, `status` the HTTP status, `reply` the
    SOCKS5 reply. `recorded` is set once it was."""

    status = 502
    reply = 1

    def __init__(self, text: str, code: str, *, status: int | None = None, reply: int | None = None) -> None:
        super().__init__(text)
        self.text, self.code, self.recorded = text, code, False
        self.status = type(self).status if status is None else status
        self.reply = type(self).reply if reply is None else reply


class Refused(Fault):
    """The rules, a policy, the user or the proxy itself says no. `asked` tells that `permission` said so, which
    records its answers."""

    status = 403
    reply = 2

    def __init__(self, text: str, code: str, *, asked: bool = False, status: int | None = None) -> None:
        super().__init__(text, code, status=status)
        self.recorded = asked


class Malformed(Fault):
    """Bytes that two readers could understand differently, or nobody."""

    status = 400

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text, "malformed", status=status)


class Unreachable(Fault):
    """The host has no address, does not answer, or hangs up."""

    reply = 4
