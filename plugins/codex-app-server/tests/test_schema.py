"""`codex app-server generate-json-schema` and `generate-ts`."""

import asyncio
import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codex_app_server.methods import load_all
from codex_app_server.notifications import NOTIFICATIONS
from codex_app_server.results import RESULTS, params_name
from codex_app_server.schema import Definitions
from codex_app_server.schema_json import BUNDLE, BUNDLE_V2, files
from codex_app_server.schema_ts import files as ts_files
from codex_app_server.server_requests import SERVER_REQUESTS
from codex_app_server.unserved import UNSENT, UNSERVED

HERE = Path(__file__).parent
RECORDED = HERE.parents[3] / "shared" / "protocol" / "app_server"


def protocol_names():
    """The names of the protocol by section."""
    parser = configparser.ConfigParser(allow_no_value=True, delimiters="\0")
    parser.optionxform = str
    parser.read(HERE / "protocol_names.txt")
    return {section: set(parser[section]) for section in parser.sections()}


NAMES = protocol_names()


def references(schema):
    """All references in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in schema.values():
            yield from references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from references(inner)


def test_each_method_declares_what_it_answers_with_and_nothing_else_does():
    assert sorted(RESULTS) == sorted(load_all()), "a method and its result (results.py) come and go together"


def test_a_server_that_runs_does_not_read_declarations_that_only_schemas_need():
    code = (
        "import sys; from codex_app_server import server, methods; methods.load_all();"
        "print(*(name for name in sys.modules if name.startswith('codex_app_server.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    only = (
        "results",
        "notifications",
        "server_requests",
        "wire_types",
        "wire_catalogue",
        "wire_thread_settings",
        "schema",
        "schema_ts",
    )
    assert not {f"codex_app_server.{name}" for name in only} & set(loaded)


def test_each_name_of_ours_is_one_of_the_protocol():
    methods = NAMES["methods"] | NAMES["experimentalMethods"]
    assert set(load_all()) <= methods
    assert set(NOTIFICATIONS) <= NAMES["notifications"]
    assert set(SERVER_REQUESTS) <= NAMES["serverRequests"]
    assert {name for name, found in load_all().items() if found.experimental} <= NAMES["experimentalMethods"]


def test_each_method_of_the_protocol_is_either_served_or_said_to_be_not():
    methods = NAMES["methods"] | NAMES["experimentalMethods"]
    assert not set(load_all()) & set(UNSERVED), "these are served now: take them out of unserved.py"
    assert set(load_all()) | set(UNSERVED) == methods


def test_each_notification_of_the_protocol_is_either_sent_or_said_to_be_not():
    assert not set(NOTIFICATIONS) & set(UNSENT), "these are sent now: take them out of unserved.py"
    assert set(NOTIFICATIONS) | set(UNSENT) == NAMES["notifications"]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded schema is not at hand")
def test_the_names_are_those_of_the_recorded_schema():
    definitions = json.loads((RECORDED / "schema-experimental.json").read_text())["definitions"]

    def names(envelope):
        return {variant["properties"]["method"]["enum"][0] for variant in definitions[envelope]["oneOf"]}

    retired = {name for name in UNSERVED if "/" not in name}
    assert names("ClientRequest") | retired == NAMES["methods"] | NAMES["experimentalMethods"]
    assert names("ServerNotification") == NAMES["notifications"]
    assert names("ServerRequest") == NAMES["serverRequests"]


@pytest.mark.parametrize("experimental", [False, True])
def test_json_schemas_are_valid_and_hold_all_that_they_refer_to(experimental):
    validator = pytest.importorskip("jsonschema").Draft7Validator
    for path, schema in files(Definitions(experimental=experimental)).items():
        validator.check_schema(schema)
        for reference in references(schema):
            found = schema
            for part in reference.removeprefix("#/").split("/"):
                assert part in found, f"{path} refers to {reference}"
                found = found[part]


def test_each_message_has_a_schema_of_its_own():
    found = files(Definitions(experimental=True))
    for name in load_all():
        assert any(f"{folder}{RESULTS[name].definition}.json" in found for folder in ("", "v1/", "v2/"))
        if params := params_name(name):
            assert any(f"{folder}{params}.json" in found for folder in ("", "v1/", "v2/"))
    assert found["v2/TurnSteerParams.json"]["required"] == ["expectedTurnId", "input", "threadId"]
    assert "UserInput" in found["v2/TurnSteerParams.json"]["definitions"]


def test_experimental_methods_and_members_are_told_of_only_when_asked_for():
    plain, whole = (json.dumps(files(Definitions(experimental=flag))[BUNDLE]) for flag in (False, True))
    for word in ("process/spawn", "outputDeferred", "ancestorThreadId"):
        assert word not in plain
        assert word in whole


def test_a_schema_refuses_what_the_server_refuses():
    validator = pytest.importorskip("jsonschema").Draft7Validator
    schema = files(Definitions(experimental=False))["ClientRequest.json"]
    steer = {"threadId": "t", "expectedTurnId": "u", "input": [{"type": "text", "text": "go"}]}
    request = {"id": 1, "method": "turn/steer", "params": steer}
    check = validator(schema)
    assert check.is_valid(request)
    assert not check.is_valid({**request, "method": "turn/stear"})
    assert not check.is_valid({**request, "params": {**steer, "input": [{"type": "smell"}]}})
    assert not check.is_valid({**request, "params": {"threadId": "t"}})


def test_types_refer_to_files_that_are_there():
    found = ts_files(Definitions(experimental=True))
    for path, text in found.items():
        for line in text.splitlines():
            if line.startswith(("import", "export")) and " from " in line:
                target = line.rpartition(' from "')[2].rstrip('";')
                file = os.path.normpath(os.path.join(os.path.dirname(path), target))
                assert f"{file}.ts" in found or f"{file}/index.ts" in found, f"{path}: {line}"


async def written(host, *args):
    """What a command exits with, and its stderr."""
    process = await asyncio.create_subprocess_exec(
        "codex", "app-server", *args, env=host.env, cwd=host.root, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, told = await process.communicate()
    return process.returncode, told.decode()


@pytest.mark.anyio
async def test_the_commands_write_their_files(host):
    assert await written(host, "generate-json-schema", "--out", "a/json") == (0, "")
    assert await written(host, "generate-ts", "-o", "ts", "--experimental") == (0, "")
    found = files(Definitions(experimental=False))
    there = {str(path.relative_to(host.root / "a/json")) for path in (host.root / "a/json").rglob("*.json")}
    assert there == set(found)
    assert json.loads((host.root / "a/json" / BUNDLE_V2).read_text()) == found[BUNDLE_V2]
    text = (host.root / "ts/v2/TurnSteerParams.ts").read_text()
    assert 'import type { UserInput } from "./UserInput";' in text
    assert (host.root / "ts/index.ts").read_text().endswith('export * as v2 from "./v2";\n')


@pytest.mark.anyio
async def test_a_place_that_cannot_be_written_is_told(host):
    (host.root / "file").write_text("")
    code, told = await written(host, "generate-ts", "--out", "file/below")
    assert code != 0
    assert "file/below" in told


@pytest.mark.anyio
async def test_types_are_formatted_by_the_program_that_is_given(host):
    program = host.root / "formatter"
    program.write_text('#!/bin/sh\nfor name; do case "$name" in *.ts) echo "// formatted" >"$name";; esac; done\n')
    program.chmod(0o755)
    assert await written(host, "generate-ts", "--out", "ts", "--prettier", str(program)) == (0, "")
    assert (host.root / "ts/index.ts").read_text() == "// formatted\n"
    code, told = await written(host, "generate-ts", "--out", "ts", "--prettier", "/no/such/program")
    assert code != 0
    assert "/no/such/program" in told


@pytest.mark.anyio
async def test_the_types_compile_under_strict_rules(host):
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("tsc is not installed")
    assert await written(host, "generate-ts", "--out", "ts", "--experimental") == (0, "")
    use = (
        'import type { ClientRequest, ServerNotification, v2 } from "./ts/index";\n'
        'const input: v2.UserInput = { type: "text", text: "go" };\n'
        'export const ask: ClientRequest = { method: "turn/start", id: 1, params: { threadId: "t", input: [input] } };\n'
        "export function told(message: ServerNotification): string {\n"
        '  return message.method === "turn/completed" ? message.params.turn.status : message.method;\n'
        "}\n"
    )
    (host.root / "use.ts").write_text(use)
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
    process = await asyncio.create_subprocess_exec(
        tsc, *options, "use.ts", *sorted(str(p) for p in (host.root / "ts").rglob("*.ts")),
        cwd=host.root, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


@pytest.mark.anyio
async def test_a_method_without_meaning_here_is_refused_unlike_one_that_does_not_exist(app):
    answers = []
    for method in ("windowsSandbox/readiness", "thread/realtime/start", "no/such"):
        with pytest.raises(Exception, match=method) as caught:
            await app.call(method, {})
        answers.append(caught.value.error)
    windows, realtime, unknown = answers
    assert windows == {
        "code": -32601,
        "message": "windowsSandbox/readiness is not served here: the sandbox of Windows is not part of this server",
        "data": {"type": "notServed", "method": "windowsSandbox/readiness"},
    }
    assert realtime["data"] == {"type": "notServed", "method": "thread/realtime/start"}
    assert unknown["code"] == -32600
    assert "unknown variant" in unknown["message"]


@pytest.mark.anyio
async def test_before_the_handshake_a_method_without_meaning_is_refused_as_any_other(host):
    async with host.start(handshake=False) as app:
        with pytest.raises(Exception, match="Not initialized"):
            await app.call("windowsSandbox/readiness", {})
