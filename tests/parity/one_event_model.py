"""One scripted session on four surfaces, and what they tell in a form in which it can be compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from codex_app_server.inprocess import connected, open_server
from codex_plugin_sdk import Invocation, TokenUsage
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import Reply, ScriptedResponsesServer, cut

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 60.0
Message = dict[str, Any]

HELLO = {"clientInfo": {"name": "parity", "version": "1"}, "capabilities": {"experimentalApi": True}}
ADD_AND_CHANGE = """*** Begin Patch
*** Add File: new.txt
+one
*** Update File: old.txt
@@
-before
+after
*** End Patch
"""
ADD_FORBIDDEN = """*** Begin Patch
*** Add File: .git/forbidden
+two
*** End Patch
"""
STEPS = [{"step": "look", "status": "completed"}, {"step": "change", "status": "in_progress"}]
FULL = TokenUsage(input_tokens=90_000, output_tokens=100, total_tokens=90_100, cache_write_input_tokens=7)


def whole(server: ScriptedResponsesServer) -> list[Reply]:
    """Text, reasoning, commands, patches, a plan, a broken answer that is asked for again, a compaction."""
    broken = server.answer(say("this is lost on the way", "m0"))
    return [
        server.answer(think("**Look** around"), say("I look.", "m1"), call("exec_command", "c1", cmd='echo "it\'s" 2')),
        server.answer(call("exec_command", "c2", cmd="echo oops >&2; exit 3")),
        server.answer(call("update_plan", "c3", plan=STEPS, explanation="two steps")),
        server.answer(freeform("apply_patch", ADD_AND_CHANGE, "c4")),
        server.answer(freeform("apply_patch", ADD_FORBIDDEN, "c5")),
        cut(broken, 120),
        server.answer(call("update_plan", "c6", plan=[{**step, "status": "completed"} for step in STEPS]), usage=FULL),
        server.answer(say("What was done: everything.", "m7")),
        server.answer(say("All is done, 世界.", "m8")),
    ]


def interrupted(server: ScriptedResponsesServer) -> list[Reply]:
    """A command that somebody stops."""
    return [
        server.answer(
            say("I wait.", "m1"), call("exec_command", "c1", cmd="echo > running; sleep 60", yield_time_ms=30_000)
        )
    ]


def failed(server: ScriptedResponsesServer) -> list[Reply]:
    """A model server that gives up after a command."""
    return [
        server.answer(call("exec_command", "c1", cmd="true")),
        server.failed("invalid_prompt", "no such thing"),
    ]


SCRIPTS: dict[str, Callable[[ScriptedResponsesServer], list[Reply]]] = {
    "whole": whole,
    "interrupted": interrupted,
    "failed": failed,
}


class Place:
    """A home, a folder and a scripted model, of their own for each run and of the same make."""

    def __init__(self, root: Path, model: ScriptedResponsesServer, script: str) -> None:
        self.root, self.work, self.model = root, root / "work", model
        self.stops = script == "interrupted"
        model.play(*SCRIPTS[script](model))
        for name in ("home", "codex-home", "work/.git"):
            (root / name).mkdir(parents=True)
        (self.work / ".git/HEAD").write_text("ref: refs/heads/main\n")
        (self.work / "old.txt").write_text("before\n")
        os.mkfifo(self.work / "running")
        (root / "codex-home/config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\nallow_login_shell = false\nunknown_key = 1\n'
            "model_auto_compact_token_limit = 50000\n"
            f'[model_providers.s]\nname = "S"\nbase_url = "{model.base_url}"\nwire_api = "responses"\n'
            "request_max_retries = 0\nstream_max_retries = 1\n"
        )
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "CODEX_HOME": str(root / "codex-home"),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
        }

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """`codex` with these words."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([str(PROGRAM), *args], env=self.env, cwd=self.work, text=True, **streams)

    def wait_until_running(self) -> None:
        """Return when the command of `interrupted` runs."""
        with (self.work / "running").open() as pipe:
            pipe.read()

    @property
    def start_params(self) -> Message:
        """As `exec -s workspace-write` opens a thread."""
        return {"cwd": str(self.work), "sandbox": "workspace-write", "approvalPolicy": "never"}


@contextmanager
def place(script: str) -> Iterator[Place]:
    """A place that is gone afterwards. Its path is short enough for a socket's address."""
    root = Path(tempfile.mkdtemp(prefix="one-"))
    try:
        with ScriptedResponsesServer() as model:
            yield Place(root, model, script)
    finally:
        shutil.rmtree(root)


# -- the surfaces --------------------------------------------------------------------------------


def by_exec(script: str, *, remote: bool = False, as_json: bool = True) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `codex exec`, in this process or attached to a server on a Unix socket."""
    with place(script) as here:
        words = ["exec", "-s", "workspace-write", *(["--json"] if as_json else []), "do it"]
        if not remote:
            code, out, err = _run_exec(here, words)
        else:
            address = f"unix://{here.root}/s.sock"
            with here.start("app-server", f"--listen={address}", stdout=subprocess.DEVNULL) as server:
                try:
                    while "listening on" not in (line := server.stderr.readline()):
                        assert line, "the server ended"
                    code, out, err = _run_exec(here, [*words[:1], f"--remote={address}", *words[1:]])
                finally:
                    server.terminate()
                    server.communicate(timeout=LIMIT_S)
        return code, _plain(out, here), _plain(err, here)


def _run_exec(here: Place, words: list[str]) -> tuple[int, str, str]:
    process = here.start(*words)
    with process:
        lines = []
        if here.stops:
            stream = process.stdout if "--json" in words else process.stderr
            while "sleep 60" not in (line := stream.readline()):
                assert line, process.stderr.read()
                lines.append(line)
            lines.append(line)
            here.wait_until_running()
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    text = "".join(lines)
    return (process.returncode, text + out, err) if "--json" in words else (process.returncode, out, text + err)


def by_stdio(script: str) -> list[Message]:
    """The notifications of `codex app-server` over its own streams."""
    with place(script) as here, here.start("app-server", stdin=subprocess.PIPE, stderr=None) as server:
        heard: list[Message] = []

        def request(id: int, method: str, params: Message) -> Any:
            server.stdin.write(json.dumps({"id": id, "method": method, "params": params}) + "\n")
            server.stdin.flush()
            while (message := json.loads(server.stdout.readline())).get("id") != id:
                heard.append(message)
            return message["result"]

        request(1, "initialize", HELLO)
        thread = request(2, "thread/start", here.start_params)["thread"]["id"]
        turn = request(3, "turn/start", {"threadId": thread, "input": [{"type": "text", "text": "do it"}]})["turn"][
            "id"
        ]
        stopped = False
        while not heard or heard[-1]["method"] != "turn/completed":
            if here.stops and not stopped and any(map(_is_running, heard)):
                stopped = True
                here.wait_until_running()
                params = {"threadId": thread, "turnId": turn}
                server.stdin.write(json.dumps({"id": 4, "method": "turn/interrupt", "params": params}) + "\n")
                server.stdin.flush()
            message = json.loads(server.stdout.readline())
            if "method" in message:
                heard.append(message)
        server.communicate(timeout=LIMIT_S)
        return comparable(heard, here)


def in_process(script: str) -> list[Message]:
    """The notifications of a server in this process."""
    with place(script) as here:
        plugins = type(manager()).from_environment(here.env)
        try:
            heard = anyio.run(_in_process, here, Invocation(plugins=plugins, environ=here.env))
        finally:
            plugins.close()
        return comparable(heard, here)


async def _in_process(here: Place, invocation: Invocation) -> list[Message]:
    heard: list[Message] = []
    with anyio.fail_after(LIMIT_S):
        async with open_server(invocation) as server, connected(server) as client:
            await client.request("initialize", HELLO)
            thread = (await client.request("thread/start", here.start_params))["thread"]["id"]
            text = [{"type": "text", "text": "do it"}]
            turn = (await client.request("turn/start", {"threadId": thread, "input": text}))["turn"]["id"]
            async for message in client.messages():
                heard.append(json.loads(json.dumps(message)))
                if here.stops and _is_running(message):
                    await anyio.to_thread.run_sync(here.wait_until_running, abandon_on_cancel=True)
                    await client.request("turn/interrupt", {"threadId": thread, "turnId": turn})
                if message["method"] == "turn/completed":
                    break
    return heard


def _is_running(message: Message) -> bool:
    return message["method"] == "item/started" and message["params"]["item"]["type"] == "commandExecution"


# -- what is compared ----------------------------------------------------------------------------

_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_RANDOM = re.compile(
    r"next attempt in [\d.]+ s|(?<=succeeded in )[\d.]+m?s|(?<=exited 3 in )[\d.]+m?s|(?<=exited 143 in )[\d.]+m?s"
)
_ROLLOUT = re.compile(r"/rollout-[^\"/ ]*")
_TIMES = {"startedAtMs", "completedAtMs", "startedAt", "completedAt", "durationMs", "createdAt", "updatedAt"}
_TIMES |= {"recencyAt", "emittedAtMs", "processId"}


def _plain(text: str, here: Place) -> str:
    """Text without what differs from run to run: ids are numbered in the order of their appearance."""
    numbers: dict[str, int] = {}
    text = _ROLLOUT.sub("/rollout", text.replace(str(here.root), "/ROOT").replace(str(here.model.port), "PORT"))
    text = _RANDOM.sub("some time", text)
    text = re.sub(r"/20\d\d/\d\d/\d\d/", "/DAY/", text)
    return _ID.sub(lambda found: f"id-{numbers.setdefault(found[0], len(numbers))}", text)


def comparable(heard: list[Message], here: Place) -> list[Message]:
    """Notifications without what differs from run to run; pieces of one stream are joined, wherever they were cut."""
    found: list[Message] = []
    for message in heard:
        params = message["params"]
        if message["method"] == "configWarning":
            continue  # of the server's own folder, and told in its own time beside all threads
        if "delta" in params and found and found[-1]["method"] == message["method"]:
            before = found[-1]["params"]
            if before["itemId"] == params["itemId"]:
                before["delta"] += params["delta"]
                continue
        found.append({"method": message["method"], "params": _timeless(dict(params))})
    read: list[Message] = json.loads(_plain(json.dumps(found, ensure_ascii=False), here))
    return read


def _timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: _timeless(entry) for key, entry in value.items() if key not in _TIMES}
        case list():
            return [_timeless(entry) for entry in value]
        case _:
            return value


def as_exec_tells(heard: list[Message]) -> list[Message]:
    """What `codex exec --json` has to say of the same session, from the notifications, without the numbers of items."""
    found: list[Message] = []
    plan: Message | None = None
    for message in heard:
        params = message["params"]
        match message["method"]:
            case "item/started" | "item/completed" as method:
                body = _exec_item(params["item"])
                if body is not None and (method == "item/completed" or body["type"] in _SHOWN_EARLY):
                    found.append({"type": method.replace("/", "."), "item": body})
            case "turn/started":
                found.append({"type": "turn.started"})
            case "turn/plan/updated":
                steps = [{"text": step["step"], "completed": step["status"] == "completed"} for step in params["plan"]]
                kind = "item.started" if plan is None else "item.updated"
                plan = {"type": "todo_list", "items": steps}
                found.append({"type": kind, "item": plan})
            case "warning":
                found.append({"type": "item.completed", "item": {"type": "error", "message": params["message"]}})
            case "error" if params["willRetry"]:
                error = params["error"]
                found.append({"type": "error", "message": f"{error['message']} ({error['additionalDetails']})"})
            case "turn/completed":
                if plan is not None:
                    found.append({"type": "item.completed", "item": plan})
                if (error := params["turn"]["error"]) is not None:
                    found.append({"type": "error", "message": error["message"]})
                    found.append({"type": "turn.failed", "error": {"message": error["message"]}})
                elif params["turn"]["status"] == "completed":
                    found.append({"type": "turn.completed", "usage": _exec_usage(heard)})
    return found


_SHOWN_EARLY = ("command_execution", "file_change")
_WORDS = {"inProgress": "in_progress"}


def _exec_item(item: Message) -> Message | None:
    status = _WORDS.get(item.get("status", ""), item.get("status"))
    match item["type"]:
        case "agentMessage":
            return {"type": "agent_message", "text": item["text"]}
        case "reasoning":
            return {"type": "reasoning", "text": "\n".join(item["summary"])}
        case "commandExecution":
            return {
                "type": "command_execution",
                "command": item["command"],
                "aggregated_output": item["aggregatedOutput"] or "",
                "exit_code": item["exitCode"],
                "status": status,
            }
        case "fileChange":
            changes = [{"path": change["path"], "kind": change["kind"]["type"]} for change in item["changes"]]
            return {
                "type": "file_change",
                "changes": sorted(changes, key=lambda change: change["path"]),
                "status": "failed" if status == "declined" else status,
            }
        case "userMessage" | "contextCompaction":
            return None  # exec has no event for them
        case kind:
            raise AssertionError(f"no script makes a {kind}")


def _exec_usage(heard: list[Message]) -> Message:
    names = {
        "input_tokens": "inputTokens",
        "cached_input_tokens": "cachedInputTokens",
        "cache_write_input_tokens": "cacheWriteInputTokens",
        "output_tokens": "outputTokens",
        "reasoning_output_tokens": "reasoningOutputTokens",
    }
    counts = [m["params"]["tokenUsage"]["last"] for m in heard if m["method"] == "thread/tokenUsage/updated"]
    return {name: sum(count[word] for count in counts) for name, word in names.items()}
