"""`codex debug app-server send-message`: one turn through a server of its own, with every message shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, ProtocolError, __version__

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

Message = Mapping[str, Any]

PROGRAM = "import sys; from codex_plugin_sdk import run_codex; run_codex(['codex', *sys.argv[1:]])"
END_S = 15.0
_FLAGS = {"model": "model", "sandbox": "sandbox_mode", "approval": "approval_policy"}
SILENCED = (
    "command/exec/outputDelta",
    "item/agentMessage/delta",
    "item/plan/delta",
    "item/fileChange/outputDelta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
)
"""What only repeats in pieces what comes whole: Codex's command silences the same."""


def send_message(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; 0 if the turn completed. Raises `ProtocolError` when the server refuses or ends."""
    folder = given["cwd"] or invocation.flags.get("cwd")
    with _server(invocation, given) as server:
        talk = _Talk(server)
        info = {"name": "codex_debug", "title": "codex debug", "version": __version__}
        capabilities = {"experimentalApi": True, "optOutNotificationMethods": list(SILENCED)}
        talk.request("initialize", {"clientInfo": info, "capabilities": capabilities})
        talk.send({"method": "initialized"})
        thread = talk.request("thread/start", {} if folder is None else {"cwd": folder})["thread"]["id"]
        text = {"type": "text", "text": given["message"], "text_elements": []}
        turn = talk.request("turn/start", {"threadId": thread, "input": [text]})["turn"]["id"]
        ended = talk.until_turn_ends(turn)
    sys.stdout.write(f"[codex app-server exited: exit status: {server.returncode}]\n")
    return ExitCode.OK if ended["status"] == "completed" and server.returncode == 0 else ExitCode.FAILED


@contextmanager
def _server(invocation: Invocation, given: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """`codex app-server` with the same options, on pipes; ended by the end of its input."""
    flags = invocation.flags
    texts = [f"{key}={json.dumps(flags[name])}" for name, key in _FLAGS.items() if name in flags]
    texts += [*invocation.overrides, *given["overrides"]]
    texts += [f"features.{name}=true" for name in given["enable"]]
    texts += [f"features.{name}=false" for name in given["disable"]]
    words = [word for text in texts for word in ("-c", text)]
    if profile := given["profile"] or invocation.flags.get("profile"):
        words += ["--profile", profile]
    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words, "app-server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(invocation.environ),
        encoding="utf-8",
    )
    with server:
        try:
            yield server
            _pipe(server.stdin).close()
            server.wait(END_S)
        finally:
            if server.poll() is None:
                server.kill()


class _Talk:
    """Requests and answers, shown as they pass: `>` is ours, `<` the server's."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._input, self._output = _pipe(server.stdin), _pipe(server.stdout)
        self._last_id = 0
        self._ended: dict[str, Message] = {}

    def send(self, message: Message) -> None:
        """Raises `ProtocolError` when the server has ended."""
        _show(">", message)
        try:
            self._input.write(json.dumps(message) + "\n")
            self._input.flush()
        except BrokenPipeError as error:
            raise ProtocolError("the server ended too early") from error

    def request(self, method: str, params: Message) -> Any:
        """The result. Raises `ProtocolError` when the server refuses or ends."""
        self._last_id += 1
        self.send({"id": self._last_id, "method": method, "params": params})
        while True:
            message = self._hear()
            if "method" in message or message.get("id") != self._last_id:
                continue
            if "error" in message:
                error = message["error"]
                raise ProtocolError(f"{method}: {error['message']}", code=error["code"])
            return message["result"]

    def until_turn_ends(self, turn_id: str) -> Message:
        """The turn. Raises `ProtocolError` when the server ends."""
        while turn_id not in self._ended:
            self._hear()
        return self._ended[turn_id]

    def _hear(self) -> Message:
        line = self._output.readline()
        if not line:
            raise ProtocolError("the server ended too early")
        message: Message = json.loads(line)
        _show("<", message)
        if "method" in message and "id" in message:
            self._decline(message)
        elif message.get("method") == "turn/completed":
            turn = message["params"]["turn"]
            self._ended[turn["id"]] = turn
        return message

    def _decline(self, request: Message) -> None:
        """Nobody is there to be asked."""
        if request["method"].endswith("/requestApproval") and "permissions" not in request["method"]:
            self.send({"id": request["id"], "result": {"decision": "decline"}})
        else:
            self.send({"id": request["id"], "error": {"code": -32601, "message": "codex debug answers no questions"}})


def _show(sign: str, message: Message) -> None:
    text = json.dumps(message, indent=2, ensure_ascii=False)
    lines = "".join(f"{sign} {line}\n" for line in text.splitlines())
    sys.stdout.write(lines.encode("utf-8", "replace").decode())
    sys.stdout.flush()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
