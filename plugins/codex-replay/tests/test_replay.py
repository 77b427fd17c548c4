"""`codex replay` on sessions of the real program."""

from __future__ import annotations

import copy as copying
import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires_tool("git")
DIVERGED = 12


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(recorded, tmp_path):
    """The recorded home, to be altered."""
    found = copying.copy(recorded)
    found.home = tmp_path / "home"
    shutil.copytree(recorded.home, found.home)
    found.env = {**recorded.env, "CODEX_HOME": str(found.home)}
    return found


def test_replay_reports_no_divergence_twice_and_leaves_the_folder_alone(recorded):
    before = tree_of(recorded.work)
    for _ in range(2):
        done = recorded.codex("replay", "--json", recorded.thread_id)
        body = json.loads(done.stdout or "null")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert (body["diverged"], body["steps"], body["requests_compared"]) == (False, 4, 4)
        assert body["outputs_compared"] == 3
    assert tree_of(recorded.work) == before


@pytest.mark.parametrize("which", ["trace", "rollout"])
def test_altered_output_is_named_as_the_very_step(copy, which):
    path = getattr(copy, which)
    text = path.read_text()
    assert "TWO\\nthree\\nnew" in text
    path.write_text(text.replace("TWO\\nthree\\nnew", "TWO\\nthree\\nold"))
    done = copy.codex("replay", "--json", copy.thread_id)
    found = json.loads(done.stdout)["divergence"]
    assert done.returncode == DIVERGED
    assert (found["step"], found["call_id"], found["tool"], found["kind"]) == (4, "c3", "exec_command", "tool output")
    assert "-old" in found["diff"]
    assert "+new" in found["diff"]


def test_rollout_without_a_trace_is_compared_by_its_outputs(copy):
    id = copy.thread_id
    copy.trace.unlink()
    copy.rollout.write_text(copy.rollout.read_text().replace("exited with code 3", "exited with code 4"))
    done = copy.codex("replay", copy.rollout)
    assert done.returncode == DIVERGED, done.stdout
    assert "there is no trace" in done.stdout
    # Without pre-images the file is what was committed: the patch does not fit it.
    assert "DIVERGED at step 3 (turn 1, call c2 (apply_patch)): patch result" in done.stdout
    fits = copy.root / "fits"
    fits.mkdir(exist_ok=True)
    (fits / "a.txt").write_text("one\ntwo\nthree\n")
    done = copy.codex("replay", id, "--workspace", fits)
    assert "DIVERGED at step 4 (turn 1, call c3 (exec_command)): exit code" in done.stdout


def test_capsule_replays_elsewhere_and_holds_no_secret(recorded, elsewhere):
    import tarfile
    import zlib

    capsule = elsewhere.root / "bug.tar.gz"
    (recorded.home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "canary-in-the-login-0001"}))
    done = recorded.codex("bug-capsule", recorded.thread_id, "-o", capsule)
    assert done.returncode == 0, done.stderr
    with tarfile.open(capsule) as archive:
        members = {entry.name: archive.extractfile(entry).read() for entry in archive}
    assert {"README.md", "capsule.json", "config.json", "rollout.jsonl"} <= members.keys()
    everything = [zlib.decompress(data) if name.endswith(".z") else data for name, data in members.items()]
    for canary in (*recorded.canaries, "canary-in-the-login-0001"):
        assert not any(canary.encode() in data for data in everything), canary
    done = elsewhere.codex("replay", "--json", capsule, SERVICE_PASSWORD=recorded.canaries[1])
    body = json.loads(done.stdout or "null")
    assert done.returncode == 0, (body, done.stderr)
    assert (body["diverged"], body["steps"], body["workspace"]) == (False, 4, "the files of the capsule")


def test_nothing_on_the_disk_of_a_trace_holds_a_secret_or_is_for_others(recorded):
    import zlib

    for path in (recorded.home / "kernel" / "trace").rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0
            continue
        data = path.read_bytes()
        data = zlib.decompress(data) if path.suffix == ".z" else data
        assert path.stat().st_mode & 0o777 == 0o600
        assert not any(canary.encode() in data for canary in recorded.canaries), path


def test_tree_shows_requests_calls_and_decisions(recorded, tmp_path):
    done = recorded.codex("debug", "trace", recorded.thread_id)
    assert done.returncode == 0, done.stderr
    for words in ("turn 1: repair it", "request 1  (100 in (40 cached), 20 out", "thinks: look", "allow: ", "exit 3"):
        assert words in done.stdout
    page = tmp_path / "trace.html"
    done = recorded.codex("debug", "trace", recorded.thread_id, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "repair it" in page.read_text()


def test_what_if_asks_the_real_model_and_keeps_the_fork(copy):
    from codex_plugin_sdk.testing.model import say
    from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

    id = copy.thread_id
    with ScriptedResponsesServer() as server:
        copy.use(server.base_url)
        server.play(server.answer(say("otherwise")))
        done = copy.codex("replay", id, "--what-if", "-m", "gpt-5.4", "--json")
        (request,) = server.requests
    body = json.loads(done.stdout)
    assert (done.returncode, body["message"], body["model"]) == (0, "otherwise", "gpt-5.4"), done.stderr
    assert request.json["model"] == "gpt-5.4"
    assert "repair it" in json.dumps(request.json["input"])
    assert body["thread_id"] != id
    kept = json.loads(Path(body["rollout"]).read_text().partition("\n")[0])["payload"]
    assert (kept["cwd"], kept["forked_from_id"]) == (body["workspace"], id)
    shutil.rmtree(Path(body["workspace"]).parent)
