"""The real programs `codex login`, `codex login status` and `codex logout`."""

from __future__ import annotations

import fcntl
import getpass
import io
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from codex_kernel.cli import dispatch
from codex_login import login

PROGRAM = Path(sys.executable).with_name("codex")
KEY = "sk-proj-QRST5678uvwx9012YZab"
PARTS = [KEY[at : at + 5] for at in range(len(KEY) - 4)]
BACKEND = "codex_plugin_sdk.testing.fake_keyring.FileKeyring"


class Codex:
    """Runs the program in a home of its own and collects all that it says."""

    def __init__(self, root):
        self.home = root / "home"
        self.home.mkdir(mode=0o700)
        self.auth = self.home / "auth.json"
        self.vault = root / "keyring.json"
        self.said = []

    def environ(self, env):
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"}
        return {**base, "FAKE_KEYRING_FILE": str(self.vault), **env}

    def run(self, *args, stdin=b"", **env):
        done = subprocess.run(
            [str(PROGRAM), *args], input=stdin, env=self.environ(env), capture_output=True, timeout=60, check=False
        )
        self.said += [done.stdout.decode(), done.stderr.decode()]
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def here(self, *args, stdin=b""):
        """The same command line in this process, which is quicker where there are many of one kind."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for stream in ("stdout", "stderr"):
                patch.setattr(sys, stream, io.StringIO())
            for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
                patch.delenv(name, raising=False)
            patch.setenv("CODEX_HOME", str(self.home))
            code = dispatch(args)
            answer = int(code), sys.stdout.getvalue(), sys.stderr.getvalue()
        self.said += answer[1:]
        return answer

    def login(self, *args, **env):
        return self.run("login", "--with-api-key", *args, stdin=env.pop("stdin", KEY.encode()), **env)

    def status(self, *args, **env):
        code, out, _ = self.run("login", "status", "--json", *args, **env)
        found = json.loads(out)
        assert code == (0 if found["logged_in"] else 1)
        return found

    def stored(self):
        return json.loads(self.auth.read_text())


@pytest.fixture
def codex(tmp_path):
    """At the end nothing that was said or logged may hold more of a key than its last four characters."""
    made = Codex(tmp_path)
    yield made
    logs = [path.read_text() for path in (made.home / "log").rglob("*") if path.is_file()]
    for text in made.said + logs:
        assert not [part for part in PARTS if part in text], text


def told(answer, code, *parts):
    """One error or word on stderr, with these parts; nothing on stdout."""
    assert answer[0] == code, answer
    assert answer[1] == ""
    assert "Traceback" not in answer[2]
    for part in parts:
        assert part in answer[2]


# -- login, status, logout -----------------------------------------------------------------------


def test_login_status_and_logout_as_in_codex(codex):
    told(codex.run("login", "status"), 1, "Not logged in\n")
    told(codex.run("logout"), 0, "Not logged in\n")
    told(codex.login(stdin=KEY.encode() + b"\n"), 0, "API key saved", str(codex.auth))
    assert codex.stored() == {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}
    assert stat.S_IMODE(codex.auth.stat().st_mode) == 0o600
    told(codex.run("login", "status"), 0, f"API key configured - ***YZab (file {codex.auth})\n")
    told(codex.run("logout"), 0, "Successfully logged out", str(codex.auth))
    assert not codex.auth.exists()
    told(codex.run("login", "status"), 1, "Not logged in\n")


def test_status_as_json(codex):
    codex.login()
    assert codex.status() == {
        "schema_version": 1,
        "logged_in": True,
        "method": "api_key",
        "source": "file",
        "place": str(codex.auth),
        "key": "***YZab",
        "store": "file",
        "problem": None,
        "cure": None,
        "warnings": [],
    }


@pytest.mark.parametrize("variable", ["CODEX_API_KEY", "OPENAI_API_KEY"])
def test_a_key_of_the_environment_counts_and_is_named(codex, variable):
    told(codex.run("login", "status", **{variable: KEY}), 0, f"(environment variable {variable})")
    told(codex.run("logout", **{variable: KEY}), 0, "Not logged in", variable)
    told(codex.login(**{variable: KEY}), 0, f"{variable} counts before")
    assert codex.status(**{variable: KEY})["source"] == "environment"


def test_other_members_survive_a_login(codex):
    before = {"auth_mode": "chatgpt", "tokens": {"access_token": "t"}, "last_refresh": "2026-01-01T00:00:00Z", "x": [1]}
    codex.auth.write_text(json.dumps(before))
    found = codex.status()
    assert (found["logged_in"], "ChatGPT" in found["problem"]) == (False, True)
    told(codex.login(), 0)
    assert codex.stored() == before | {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "no key"),
        (b"\n", "no key"),
        (b"  \r\n", "no key"),
        (KEY.encode() + b"\nsecond\n", "several lines"),
        (KEY.encode() + b"\n\n", "several lines"),
        (KEY.encode() + b"\0", "character that no key has"),
        (KEY.encode() + b" more", "blank"),
        (KEY.encode() + b"\xff", "characters that no key has"),
        (KEY.encode() * 1000, "16 KiB"),
    ],
    ids=["empty", "line", "blank", "lines", "ends", "zero", "words", "bytes", "large"],
)
def test_what_is_no_key_is_refused_in_one_line_and_changes_nothing(codex, stdin, words):
    answer = codex.here("login", "--with-api-key", stdin=stdin)
    told(answer, 1, words)
    assert len([line for line in answer[2].splitlines() if not line.startswith("  hint: ")]) == 1
    assert not codex.auth.exists()


@pytest.mark.parametrize(
    "args",
    [
        ("login", KEY),
        ("login", "--with-api-key", KEY),
        ("login", f"--with-api-key={KEY}"),
        ("login", f"--{KEY}"),
        ("login", "status", KEY),
        ("login", "status", f"--json={KEY}"),
        ("logout", KEY),
    ],
)
def test_a_key_typed_in_the_wrong_place_is_not_repeated(codex, args):
    told(codex.here(*args), 2, "Error: ")
    assert not codex.auth.exists()


def test_a_misspelt_option_is_named(codex):
    told(codex.here("login", "--bogus"), 2, "--bogus")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--api-key", KEY), "--api-key is not taken any more"),
        (("--api-key",), "--api-key is not taken any more"),
        (("--device-auth",), "device code is not available"),
        (("--with-api-key", "--device-auth"), "device code is not available"),
        (("--with-access-token",), "access token is not available"),
        ((), "stdin is no terminal"),
    ],
)
def test_ways_that_there_are_not_name_the_one_that_there_is(codex, args, words):
    told(codex.here("login", *args, stdin=KEY.encode()), 1, words, "codex login --with-api-key")
    assert not codex.auth.exists()


@pytest.mark.parametrize("args", [(), ("--with-api-key",)])
def test_on_a_terminal_the_key_is_asked_for_and_not_shown(codex, args):
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [str(PROGRAM), "login", *args],
        env=codex.environ({}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        seen = b""
        while b"not shown): " not in seen:
            seen += os.read(leader, 4096)
        os.write(leader, KEY.encode() + b"\n")
        try:
            while more := os.read(leader, 4096):
                seen += more
        except OSError:
            pass  # the other side is closed: all is read
        assert process.wait(30) == 0
    os.close(leader)
    codex.said.append(seen.decode())
    assert b"browser is not available" in seen
    assert codex.stored()["OPENAI_API_KEY"] == KEY


@pytest.mark.filterwarnings("ignore::getpass.GetPassWarning")
def test_a_terminal_that_would_show_the_key_is_not_used(codex, monkeypatch):
    monkeypatch.setattr(login, "_is_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", getpass.fallback_getpass)  # what it falls back to where echo stays on
    told(codex.here("login", stdin=KEY.encode() + b"\n"), 1, "cannot hide what is typed", "codex login --with-api-key")
    assert not codex.auth.exists()


# -- settings ------------------------------------------------------------------------------------


def test_a_login_method_that_is_forced_is_respected(codex):
    chatgpt = ("-c", "forced_login_method=chatgpt")
    told(codex.login(*chatgpt), 1, "API key login is disabled")
    assert not codex.auth.exists()
    told(codex.login("-c", "forced_login_method=api"), 0)
    told(codex.run("login", "status", *chatgpt), 1, "Not logged in", "forced_login_method")
    assert codex.stored()["OPENAI_API_KEY"] == KEY
    told(codex.login("-c", "forced_login_method=magic"), 3, "magic", "chatgpt")


def test_a_key_that_would_be_forgotten_is_refused(codex):
    told(codex.login("-c", "cli_auth_credentials_store=ephemeral"), 1, "forgotten")
    assert not codex.auth.exists()


def test_a_store_that_there_is_not_is_told_with_its_place(codex):
    (codex.home / "config.toml").write_text('\ncli_auth_credentials_store = "vault"\n')
    for args in (("login", "--with-api-key"), ("login", "status"), ("logout",)):
        answer = codex.here(*args, stdin=KEY.encode())
        told(answer, 3, f"{codex.home / 'config.toml'}:2", "vault", "keyring")


def test_options_before_the_subcommand_hold_for_it(codex):
    assert codex.status("-c", "cli_auth_credentials_store=auto", PYTHON_KEYRING_BACKEND=BACKEND)["store"] == "auto"
    _, out, _ = codex.run("login", "-c", "cli_auth_credentials_store=ephemeral", "status", "--json")
    assert json.loads(out)["store"] == "ephemeral"
    told(codex.run("login", "--with-api-key", "status"), 2, "does not go with")


@pytest.mark.parametrize("store", ["keyring", "auto"])
def test_a_keyring_keeps_the_key(codex, store):
    (codex.home / "config.toml").write_text(f'cli_auth_credentials_store = "{store}"\n')
    env = {"PYTHON_KEYRING_BACKEND": BACKEND}
    told(codex.login(**env), 0, "saved in keyring Fake")
    assert not codex.auth.exists()
    assert KEY in codex.vault.read_text()
    told(codex.run("login", "status", **env), 0, "***YZab (keyring Fake)")
    told(codex.run("logout", **env), 0, "Successfully logged out", "keyring Fake")
    assert json.loads(codex.vault.read_text()) == {}
    told(codex.run("login", "status", **env), 1, "Not logged in")


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        {"PYTHON_KEYRING_BACKEND": "no.such.module.Keyring"},
        {"PYTHON_KEYRING_BACKEND": BACKEND, "FAKE_KEYRING_FAULT": "leaks"},
    ],
    ids=["none", "null", "missing", "leaks"],
)
def test_without_a_keyring_that_works_auto_takes_the_file_and_says_so(codex, env):
    told(codex.login("-c", "cli_auth_credentials_store=keyring", **env), 1, "keyring", "hint: ", '"file"')
    assert not codex.auth.exists()
    told(codex.login("-c", "cli_auth_credentials_store=auto", **env), 0, "warning: ", "instead", str(codex.auth))
    assert stat.S_IMODE(codex.auth.stat().st_mode) == 0o600
    assert codex.status("-c", "cli_auth_credentials_store=auto", **env)["source"] == "file"


def test_no_traceback_of_a_keyring_holds_the_key(codex):
    env = {"PYTHON_KEYRING_BACKEND": BACKEND, "FAKE_KEYRING_FAULT": "leaks"}
    args = ("--debug", "login", "--with-api-key", "-c", "cli_auth_credentials_store=keyring")
    code, _, err = codex.run(*args, stdin=KEY.encode(), **env)
    assert code == 1
    assert "Traceback" in err


# -- faults --------------------------------------------------------------------------------------


def test_a_file_that_is_no_json_is_moved_aside_and_said(codex):
    codex.auth.write_text('{"OPENAI_API_KEY": "' + KEY)
    told(codex.run("login", "status"), 1, "Not logged in", "is not JSON", "hint: ")
    assert "is not JSON" in codex.status()["problem"]
    told(codex.login(), 0, "auth.json.broken-1")
    assert codex.stored()["OPENAI_API_KEY"] == KEY
    assert (codex.home / "auth.json.broken-1").read_text() == '{"OPENAI_API_KEY": "' + KEY


def test_permissions_that_are_too_wide_are_warned_of_and_tightened(codex):
    codex.login()
    codex.auth.chmod(0o644)
    told(codex.run("login", "status"), 0, "warning: ", "0644", f"chmod 600 {codex.auth}")
    assert "0644" in codex.status()["warnings"][0]
    codex.login()
    assert codex.status()["warnings"] == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_told(codex, make):
    make(codex.auth)
    for args in (("login", "--with-api-key"), ("login", "status"), ("logout",)):
        answer = codex.here(*args, stdin=KEY.encode())
        told(answer, 1, "cannot be read", str(codex.auth))


def test_a_home_that_cannot_be_written_is_told(codex):
    told(codex.login(CODEX_HOME="/proc/self"), 1, "/proc/", "cannot be changed")


def test_programs_that_log_in_at_once_wait_for_each_other(codex):
    codex.auth.write_text(json.dumps({"tokens": {"access_token": "t"}}))
    with (codex.home / "auth.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = [
            subprocess.Popen(
                [str(PROGRAM), "login", "--with-api-key"],
                env=codex.environ({}),
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(4)
        ]
        for process in started:
            process.stdin.write(KEY.encode())
            process.stdin.close()
        assert "OPENAI_API_KEY" not in codex.stored()
    for process in started:
        codex.said.append(process.stderr.read().decode())
        assert process.wait(30) == 0
        process.stderr.close()
    assert codex.stored() == {"tokens": {"access_token": "t"}, "auth_mode": "apikey", "OPENAI_API_KEY": KEY}
    assert sorted(path.name for path in codex.home.iterdir()) == ["auth.json", "auth.json.lock"]
