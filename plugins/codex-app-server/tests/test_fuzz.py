"""Messages of every method, bent out of shape, to a real server: it lives on, each request is answered exactly once, and
nothing that is no request is answered."""

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_app_server.methods import METHODS, load_all
from codex_app_server.wire import Answer, Notification, Refused, Request, decode, encode

load_all()
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
LIMIT_S = 20.0
CODES = {-32600, -32601, -32602, -32603, -32001}
HELLO = {"clientInfo": {"name": "fuzz", "version": "1"}, "capabilities": {"experimentalApi": True}}

CAREFUL = {
    "account/login/start",
    "command/exec",
    "feedback/save",
    "fs/copy",
    "fs/createDirectory",
    "fs/remove",
    "fs/writeFile",
    "process/spawn",
    "thread/shellCommand",
}
"""What they name is written, removed, run or asked for: no text of theirs is made up."""
PATHS = {"path", "sourcePath", "destinationPath", "cwd", "savePath", "roots", "extraLogFiles"}
STRANGE_TEXT = ("", "\0", "x", "../..", "a.b", "é🙂", "\u2028", "x" * 3000, "%s", "-1", "null", '"', "\\", "{}", " ")
NUMBERS = (0, -1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64 - 1, -(2**63))
STRANGE = st.sampled_from(
    (None, True, False, *NUMBERS, [], {}, [[]], [None], [{}] * 50, {"": {}}, {"type": "x"}, {"type": None})
)
ANYTHING = st.recursive(
    STRANGE | st.sampled_from(STRANGE_TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(STRANGE_TEXT), inner, max_size=3),
    max_leaves=6,
)


class Server:
    """A server process and what its answers should be."""

    def __init__(self, process, root):
        self.process, self.root = process, root
        self.thread = ""
        self._waiting = Counter()
        self._numbers = iter(range(1, 10**9))
        self._rest = b""

    def number(self):
        return next(self._numbers)

    def exchange(self, lines):
        """Send lines, and read until each request among them has its answer. Returns the answers."""
        self._waiting.update(id for line in lines if (id := wanted(line)) is not None)
        last = f"last {self.number()}"
        self._waiting[last] += 1
        self.process.stdin.write(b"\n".join((*lines, encode({"id": last, "method": "thread/loaded/list"}), b"")))
        self.process.stdin.flush()
        answers, end = [], time.monotonic() + LIMIT_S
        while self._waiting:
            message = self._message(end)
            if message is None:
                raise AssertionError(f"no answer to {dict(self._waiting)} of {lines}")
            if "method" not in message:
                id = kept(message["id"])
                assert self._waiting[id] > 0, f"an answer that nobody waits for: {message} after {lines}"
                self._waiting -= Counter([id])
                answers.append(message)
        return answers

    def _message(self, end):
        while b"\n" not in self._rest:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            assert data, f"the server ended: {self.process.wait()}"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)


def kept(id):
    """An id as a key: 1 and True and "1" are three."""
    return f"{type(id).__name__} {id}" if not isinstance(id, str) or not id.startswith("last ") else id


def refuse(text):
    raise ValueError(text)


def wanted(line):
    """The id of a request; None for anything else. Told by the standard library, not by what is tested."""
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=refuse)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("method"), str):
        return None
    id = found.get("id")
    fits = isinstance(id, str) or (isinstance(id, int) and not isinstance(id, bool) and -(2**63) <= id < 2**64)
    return kept(id) if fits else None


@pytest.fixture
def server(host, tmp_path):
    """One for all examples of a test."""
    with running(host) as found:
        yield found


@contextmanager
def running(host):
    log = host.root / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [host.program, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**host.env, "OPENAI_BASE_URL": host.model.base_url},
            cwd=host.root / "work",
        )
    found = Server(process, host.root)
    try:
        found.exchange([encode({"id": 0, "method": "initialize", "params": HELLO})])
        params = {"cwd": str(host.root / "work")}
        answers = found.exchange([encode({"id": "t", "method": "thread/start", "params": params})])
        found.thread = next(one for one in answers if one["id"] == "t")["result"]["thread"]["id"]
        yield found
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0
        assert b"Traceback" not in log.read_bytes(), log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


# -- what is sent --------------------------------------------------------------------------------


def fitting(draw, shape, name, server):
    """Something of this shape."""
    match shape.kind:
        case "string":
            return text(draw, name, server)
        case "integer":
            return draw(st.sampled_from((1, 0, -1, 1000, 2**31, 2**63 - 1)))
        case "number":
            return draw(st.sampled_from((0.5, 1, -1)))
        case "boolean":
            return draw(st.booleans())
        case "enum":
            return draw(st.sampled_from([word for word in shape.values if "chatgpt" not in word.lower()]))
        case "array":
            if name == "command":
                return ["true"]
            return [fitting(draw, shape.items, name, server) for _ in range(draw(st.integers(0, 2)))]
        case "map":
            return {"A": fitting(draw, shape.items, name, server)}
        case "union":
            return fitting(draw, draw(st.sampled_from(shape.options)), name, server)
        case "tagged":
            word = draw(st.sampled_from(sorted(shape.variants)))
            return {**fitting(draw, shape.variants[word], name, server), shape.name: word}
        case "record":
            return {
                key: fitting(draw, field.shape, key, server)
                for key, field in shape.fields.items()
                if field.required or draw(st.integers(0, 3)) == 0
            }
        case "null":
            return None
        case _:
            return draw(ANYTHING)


def text(draw, name, server):
    if name in ("threadId", "excludedThreadIds"):
        return draw(
            st.sampled_from((server.thread, server.thread.upper(), "01a1fdd7-2e74-7228-9187-71a6d4b90d5a", "x"))
        )
    if name in PATHS:
        work = f"{server.root}/work"
        return draw(st.sampled_from((work, f"{work}/a", f"{work}/b", f"{work}/no/such")))
    if name == "command":
        return "true"
    if name == "dataBase64":
        return draw(st.sampled_from(("", "aGk=", "?")))
    return draw(st.sampled_from(STRANGE_TEXT))


def bend(draw, found, odd):
    """Change something within: put something else there, take it out, or add to it."""
    while isinstance(found, dict | list) and found and draw(st.integers(0, 3)):
        where = draw(st.sampled_from(sorted(found) if isinstance(found, dict) else range(len(found))))
        inner = found[where]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            if draw(st.booleans()):
                found[where] = deepcopy(draw(odd))
            else:
                del found[where]
            return
        found = inner
    if isinstance(found, dict):
        found[draw(st.sampled_from(STRANGE_TEXT))] = deepcopy(draw(odd))
    elif isinstance(found, list):
        found.append(deepcopy(draw(odd)))


@st.composite
def lines(draw, server, number):
    """A message as bytes; its id is this number, or made of it."""
    method = draw(st.sampled_from(sorted(METHODS)))
    message = {"id": number, "method": method}
    message["params"] = json.loads(json.dumps(fitting(draw, METHODS[method].params, "", server)))
    odd = STRANGE if method in CAREFUL else ANYTHING
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        bend(draw, message["params"], odd)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        strange = (-number, f"{number}", f"\0{number}", 2**63 + number, number + 0.5, [number], None, True, {}, 10**30)
        message["id"] = draw(st.sampled_from(strange))
    elif kind == 1:
        del message["id"]
    elif kind == 2:
        message["params"] = draw(STRANGE)
    elif kind == 3 and method not in CAREFUL:
        message["method"] = draw(st.sampled_from((*STRANGE_TEXT, None, 5, [], f"{method} ", method.upper())))
    data = json.dumps(
        message, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from(((",", ":"), (", ", ": "))))
    )
    return spoil(draw, data.encode(), method)


def spoil(draw, data, method):
    """Now and then, change bytes."""
    if method in CAREFUL or draw(st.integers(0, 4)):
        return data
    at = draw(st.integers(0, len(data) - 1))
    piece = draw(
        st.sampled_from(
            (b"", b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b",", b"1e999", b"\\ud800", b"\xef\xbb\xbf")
        )
    )
    return data[:at] + piece + data[at + draw(st.integers(0, 2)) :]


# -- the tests -----------------------------------------------------------------------------------


def test_each_request_however_bent_gets_one_answer_and_the_server_lives(server):
    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(st.tuples(*(lines(server, 10 + place) for place in range(8))))
    def run(batch):
        for answer in server.exchange([line for line in batch if b"\n" not in line]):
            assert set(answer) in ({"id", "result"}, {"id", "error"}), answer
            if "error" in answer:
                assert answer["error"]["code"] in CODES, (answer, batch)
                assert not answer["error"]["message"].startswith("internal error"), (answer, batch)

    run()


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80),
    st.sampled_from((b'{"id":1,"method":"a","params":{}}', b'{"id":"x","result":[1.5e3,"\\u00e9"]}')),
    st.data(),
)
def test_the_decoder_takes_any_bytes_and_knows_a_request_when_it_sees_one(piece, message, data):
    at = data.draw(st.integers(0, len(message)))
    line = message[:at] + piece[: data.draw(st.integers(0, 4))] + message[at + data.draw(st.integers(0, 3)) :]
    for given_line in (line, piece):
        found = decode(given_line)
        assert found is None or isinstance(found, Request | Notification | Answer | Refused)
        if found is None or isinstance(found, Request):
            assert wanted(given_line) == (None if found is None else kept(found.id))


def test_a_guided_fuzzer_finds_nothing_either(tmp_path):
    pytest.importorskip("atheris", reason="pip install atheris")
    script = Path(__file__).with_name("fuzz_decoder.py")
    found = subprocess.run(
        [sys.executable, script, "-runs=20000", "-max_len=300", "-seed=1", "-verbosity=0"],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stderr.decode(errors="replace")[-3000:]
