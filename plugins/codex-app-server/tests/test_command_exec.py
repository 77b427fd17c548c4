"""command/exec and process/*: in the sandbox and beside it, with their streams, limits and ends."""

import base64
import os
import shutil
import sys

import pytest

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are confined on Linux only"),
]
FREE = {"type": "dangerFullAccess"}


async def refused(app, method, **params):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


async def run(app, script, **params):
    return await app.call("command/exec", {"command": ["sh", "-c", script], "sandboxPolicy": FREE, **params})


def b64(text):
    return base64.b64encode(text.encode()).decode()


async def output_until(app, text, method="command/exec/outputDelta"):
    """All that was streamed, up to this text."""
    found = ""
    while text not in found:
        found += base64.b64decode((await app.until(method))["params"]["deltaBase64"]).decode()
    return found


async def test_a_command_answers_with_exit_code_and_output(app, fits):
    found = await run(app, "echo hi; echo $FOO-$HOME; exit 3", env={"FOO": "bar", "HOME": None})
    assert fits("v2/CommandExecResponse", found) == {"exitCode": 3, "stdout": "hi\nbar-\n", "stderr": ""}
    assert (await run(app, "pwd", cwd="/"))["stdout"] == "/\n"


async def test_the_sandbox_is_the_one_that_was_asked_for(app):
    target = app.work / "written"
    script = f"touch {target}"
    await app.call("command/exec", {"command": ["sh", "-c", script], "sandboxPolicy": {"type": "readOnly"}})
    assert not target.exists()
    await app.call("command/exec", {"command": ["sh", "-c", script], "permissionProfile": ":read-only"})
    assert not target.exists()
    asked = {"type": "workspaceWrite", "writableRoots": [str(app.work)]}
    assert (await run(app, script, sandboxPolicy=asked))["exitCode"] == 0
    assert target.exists()
    both = await refused(app, "command/exec", command=["true"], sandboxPolicy=FREE, permissionProfile=":workspace")
    assert both["message"] == "`permissionProfile` cannot be combined with `sandboxPolicy`"


async def test_time_and_output_are_limited(app):
    assert (await run(app, "sleep 60", timeoutMs=50))["exitCode"] == 124
    assert (await run(app, "echo 123456789", outputBytesCap=4))["stdout"] == "1234"
    found = await run(app, "head -c 2000000 /dev/zero", disableOutputCap=True, disableTimeout=True)
    assert len(found["stdout"]) == 2_000_000


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"command": []}, -32600, "command must not be empty"),
        ({"command": ["true"], "tty": True}, -32600, "tty or streaming requires a client-supplied processId"),
        ({"command": ["true"], "size": {"rows": 1, "cols": 1}}, -32602, "size requires tty: true"),
        ({"command": ["true"], "timeoutMs": -1}, -32602, "timeoutMs must be non-negative, got -1"),
        ({"command": ["true"], "timeoutMs": 1, "disableTimeout": True}, -32602, "cannot set both timeoutMs"),
        (
            {"command": ["true"], "outputBytesCap": 1, "disableOutputCap": True},
            -32602,
            "cannot set both outputBytesCap",
        ),
        ({"command": ["no-such-program"], "sandboxPolicy": FREE}, -32603, "failed to spawn command: No such file"),
        ({"command": ["pwd"], "cwd": "/no/such", "sandboxPolicy": FREE}, -32603, "failed to spawn command: No such"),
        ({"command": ["true"], "permissionProfile": "nobody"}, -32600, "there is no permission profile 'nobody'"),
    ],
)
async def test_what_does_not_go_together_is_refused(app, params, code, message):
    error = await refused(app, "command/exec", **params)
    assert error["code"] == code
    assert message in error["message"]


async def test_a_terminal_is_written_to_resized_and_ended(app, fits):
    script = "stty size; read a; echo got $a; read b; stty size; sleep 60"
    size = {"rows": 10, "cols": 40}
    params = {"command": ["sh", "-c", script], "sandboxPolicy": FREE, "tty": True, "processId": "p", "size": size}
    id = await app.begin("command/exec", params)
    # At once: what is written waits for the start.
    assert await app.call("command/exec/write", {"processId": "p", "deltaBase64": b64("abc\n")}) == {}
    text = await output_until(app, "got abc")
    assert text.startswith("10 40") or "10 40" in text
    error = await refused(app, "command/exec", command=["true"], processId="p")
    assert error["message"] == 'duplicate active command/exec process id: "p"'
    await app.call("command/exec/resize", {"processId": "p", "size": {"rows": 20, "cols": 50}})
    await app.call("command/exec/write", {"processId": "p", "deltaBase64": b64("\n")})
    await output_until(app, "20 50")
    error = await refused(app, "command/exec/resize", processId="p", size={"rows": 0, "cols": 50})
    assert error["message"] == "command/exec size rows and cols must be greater than 0"
    error = await refused(app, "command/exec/write", processId="p", deltaBase64="!!")
    assert error["message"] == "invalid deltaBase64: Invalid symbol 33, offset 0."
    assert await app.call("command/exec/terminate", {"processId": "p"}) == {}
    assert await app.result(id) == {"exitCode": 137, "stdout": "", "stderr": ""}
    for delta in (m["params"] for m in app.heard if m["method"] == "command/exec/outputDelta"):
        fits("v2/CommandExecOutputDeltaNotification", delta)
    for method in ("write", "resize", "terminate"):
        error = await refused(app, f"command/exec/{method}", processId="p", size=size, closeStdin=True)
        assert error["message"] == 'no active command/exec for process id "p"'


async def test_streams_end_with_the_input_and_stop_at_the_cap(app):
    params = {"streamStdin": True, "streamStdoutStderr": True, "processId": "s", "outputBytesCap": 6}
    id = await app.begin("command/exec", {"command": ["cat"], "sandboxPolicy": FREE, **params})
    await app.call("command/exec/write", {"processId": "s", "deltaBase64": b64("abc")})
    assert await output_until(app, "abc") == "abc"
    error = await refused(app, "command/exec/resize", processId="s", size={"rows": 1, "cols": 1})
    assert error["message"] == "failed to resize PTY: process is not attached to a PTY"
    await app.call("command/exec/write", {"processId": "s", "deltaBase64": b64("defghi"), "closeStdin": True})
    last = (await app.until("command/exec/outputDelta", capReached=True))["params"]
    assert base64.b64decode(last["deltaBase64"]) == b"def"
    assert await app.result(id) == {"exitCode": 0, "stdout": "", "stderr": ""}


async def test_input_is_refused_where_none_was_asked_for(app):
    params = {"command": ["sleep", "60"], "sandboxPolicy": FREE, "processId": "q"}
    id = await app.begin("command/exec", params)
    error = await refused(app, "command/exec/write", processId="q", deltaBase64="")
    assert error["message"] == "stdin streaming is not enabled for this command/exec"
    await app.call("command/exec/terminate", {"processId": "q"})
    assert (await app.result(id))["exitCode"] == 137


async def test_a_process_is_told_of_when_it_ends(app, fits):
    given = {"command": ["sh", "-c", "echo hi; exit 4"], "cwd": str(app.work), "processHandle": "h"}
    assert await app.call("process/spawn", given) == {}
    ended = fits("v2/ProcessExitedNotification", (await app.until("process/exited"))["params"])
    assert (ended["exitCode"], ended["stdout"], ended["processHandle"]) == (4, "hi\n", "h")
    assert await app.call("process/spawn", {**given, "command": ["sleep", "60"], "timeoutMs": 50}) == {}
    assert (await app.until("process/exited"))["params"]["exitCode"] == 124
    error = await refused(app, "process/spawn", **{**given, "command": ["no-such-program"]})
    assert error["message"] == "failed to spawn process: No such file or directory (os error 2)"
    error = await refused(app, "process/spawn", **{**given, "processHandle": ""})
    assert error["message"] == "processHandle must not be empty"
    error = await refused(app, "process/spawn", **{**given, "cwd": "relative"})
    assert error["message"].startswith("Invalid request")


async def test_a_process_is_fed_and_killed(app, fits):
    given = {"command": ["cat"], "cwd": str(app.work), "processHandle": "h"}
    await app.call("process/spawn", {**given, "streamStdin": True, "streamStdoutStderr": True})
    await app.call("process/writeStdin", {"processHandle": "h", "deltaBase64": b64("fed\n")})
    assert await output_until(app, "fed\n", "process/outputDelta") == "fed\n"
    assert (await refused(app, "process/spawn", **given))["message"] == 'duplicate active process handle: "h"'
    assert await app.call("process/kill", {"processHandle": "h"}) == {}
    assert (await app.until("process/exited"))["params"]["exitCode"] == 137
    error = await refused(app, "process/kill", processHandle="h")
    assert error["message"] == 'no active process for process handle "h"'


async def test_nothing_outlives_the_client_that_started_it(host):
    fifo = host.root / "alive"
    os.mkfifo(fifo)
    script = f"exec 9>{fifo}; echo ready; {shutil.which('sleep')} 600 & wait"
    async with host.start() as app:
        params = {"command": ["sh", "-c", script], "sandboxPolicy": FREE, "processId": "p", "streamStdoutStderr": True}
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        await app.begin("command/exec", {**params, "disableTimeout": True})
        await output_until(app, "ready")
        given = {"command": ["sh", "-c", script], "cwd": "/", "processHandle": "h", "streamStdoutStderr": True}
        await app.call("process/spawn", {**given, "timeoutMs": None})
        await output_until(app, "ready", "process/outputDelta")
    # The server has ended; were one of them alive, it would hold the pipe open.
    assert os.read(reader, 1) == b""
    os.close(reader)
