"""`codex cost` from the shell: totals worked out by hand, which sessions and times count, and bad input."""

from __future__ import annotations

import json
import os
import time

import pytest


def figures(report):
    return {group["name"]: group["cost_usd"] for group in report["groups"]}


def test_a_request_costs_what_a_person_works_out(home, rollout, report):
    # 900 fresh at 2 + 100 cached at 0.5 + 50 out at 10, USD per million: 1800 + 50 + 500 = 2350
    rollout().turn().spend(1000, 100, 50, 20).write(home)
    found = report("--all")
    assert found["total"] == {
        "cost_usd": "0.00235",
        "complete": True,
        "requests": 1,
        "unpriced_requests": 0,
        "unpriced_tokens": 0,
        "input_tokens": 1000,
        "cached_input_tokens": 100,
        "cache_write_input_tokens": 0,
        "output_tokens": 50,
        "reasoning_output_tokens": 20,
    }
    assert found["prices"] == {"table": None, "models": {"plain": "config"}}


def test_cached_input_without_a_price_costs_as_input_does(home, rollout, report):
    rollout().turn("other").spend(1000, 400, 100, 0).write(home)
    assert report("--all")["total"]["cost_usd"] == "0.0013"


def test_the_model_of_each_turn_counts(home, rollout, report):
    thread = rollout().turn("plain").spend(1000, 0, 0, 0).turn("other").spend(1000, 0, 0, 0).spend(0, 0, 1000, 0)
    thread.write(home)
    assert figures(report("--all")) == {"plain": "0.002", "other": "0.004"}


def test_an_unknown_model_is_unknown_and_the_sum_says_so(home, rollout, report, codex):
    rollout().turn("plain").spend(1000, 0, 0, 0).turn("acme-9").spend(70, 0, 7, 0).write(home)
    found = report("--all")
    assert figures(found) == {"plain": "0.002", "acme-9": None}
    total = found["total"]
    assert (total["cost_usd"], total["complete"], total["unpriced_tokens"]) == ("0.002", False, 77)
    assert found["unpriced_models"] == ["acme-9"]
    text = codex("--all").stdout
    assert "0.0020 + unknown" in text
    assert "No price is known for acme-9: 1 requests with 77 tokens are not in the sum." in text


def test_a_sum_of_unknown_prices_alone_is_not_zero(home, rollout, report, codex):
    rollout().turn("acme-9").spend(70, 0, 7, 0).write(home)
    assert report("--all")["total"]["cost_usd"] is None
    assert [line.split()[-1] for line in codex("--all").stdout.splitlines()[1:4:2]] == ["unknown", "unknown"]


def test_a_model_that_costs_nothing_costs_zero_and_is_known(home, rollout, report):
    (home / "config.toml").write_text("[cost.models.free]\ninput = 0\noutput = 0\n")
    rollout().turn("free").spend(70, 0, 7, 0).write(home)
    found = report("--all")["total"]
    assert (found["cost_usd"], found["complete"]) == ("0", True)


def test_a_model_of_the_price_table_is_priced_and_the_table_named(home, rollout, report, codex):
    rollout(model_provider="openai").turn("gpt-5-mini").spend(1_000_000, 0, 0, 0).write(home)
    found = report("--all")
    assert found["total"]["complete"]
    assert float(found["total"]["cost_usd"]) > 0
    assert found["prices"]["models"] == {"gpt-5-mini": "openai/gpt-5-mini"}
    assert found["prices"]["table"]["name"] == "genai-prices"
    assert f"Prices: genai-prices {found['prices']['table']['version']}, with changes up to 20" in codex("--all").stdout


def test_own_prices_come_before_those_of_the_table(home, rollout, report):
    rollout(model_provider="openai").turn("gpt-5-mini").spend(1_000_000, 0, 0, 0).write(home)
    own = ("-c", 'cost.models={"gpt-5-mini" = {input = 0.125, output = "7"}}')
    found = report("--all", *own)
    assert (found["total"]["cost_usd"], found["prices"]["table"]) == ("0.125", None)


def test_a_price_is_given_on_the_command_line_by_the_model_in_quotes(home, rollout, report):
    rollout().turn("acme-9.1").spend(1_000_000, 0, 0, 0).write(home)
    own = ("-c", 'cost.models."acme-9.1".input=0.125', "-c", "cost.models.'acme-9.1'.output=7")
    assert report("--all", *own)["total"]["cost_usd"] == "0.125"


def test_models_served_on_the_own_machine_are_not_priced_by_their_name(home, rollout, report):
    rollout(model_provider="ollama").turn("gpt-5-mini").spend(10, 0, 0, 0).write(home)
    assert report("--all")["total"]["cost_usd"] is None


# -- which sessions ----------------------------------------------------------------------------------------


def test_today_counts_what_was_spent_today(home, rollout, report):
    now_ms = time.time_ns() // 1_000_000
    rollout(now_ms - 2 * 86_400_000, 1).turn().spend(1000, 0, 0, 0).write(home)
    rollout(now_ms, 2).turn().spend(3000, 0, 0, 0).write(home)
    today = report("--today")
    assert today["total"]["input_tokens"] == 3000
    assert today["since"].endswith("T00:00:00+00:00")
    assert report("--all")["total"]["input_tokens"] == 4000


def test_sessions_that_did_not_change_in_the_time_are_not_read(home, rollout, report):
    path = rollout(time.time_ns() // 1_000_000, 1).turn().spend(1000, 0, 0, 0).write(home)
    assert report("--month")["total"]["requests"] == 1
    os.utime(path, (1, 1))
    assert report("--month")["total"]["requests"] == 0


def test_a_request_counts_on_the_day_of_its_own_and_not_of_its_session(home, rollout, report):
    thread = rollout().turn().spend(1000, 0, 0, 0)
    thread.now_ms += 86_400_000
    thread.spend(3000, 0, 0, 0).write(home)
    assert figures(report("--all", "--by", "day")) == {"2026-11-18": "0.002", "2026-11-19": "0.006"}
    assert report("--since", "2026-11-19")["total"]["input_tokens"] == 3000


def test_days_are_those_of_the_users_time_zone(home, rollout, report):
    rollout().turn().spend(1000, 0, 0, 0).write(home)  # 11:06 UTC
    assert list(figures(report("--all", "--by", "day", TZ="XXX-14"))) == ["2026-11-19"]


def test_the_last_session_is_the_one_that_changed_last(home, rollout, report):
    older = rollout(number=1).turn().spend(1000, 0, 0, 0).write(home)
    newer = rollout(number=2).turn("other").spend(1000, 0, 0, 0).write(home)
    os.utime(newer, (1, 1))
    os.utime(older, (2, 2))
    assert figures(report("--last")) == {"plain": "0.002"}


def test_a_session_is_found_by_id_by_its_beginning_by_name_and_by_file(home, rollout, report):
    wanted = rollout(number=1).turn().spend(1000, 0, 0, 0)
    path = wanted.write(home)
    rollout(1_700_000_000_000, number=2).turn("other").spend(1000, 0, 0, 0).write(home)
    (home / "session_index.jsonl").write_text(json.dumps({"id": wanted.id, "thread_name": "my work"}) + "\n{torn")
    for name in (wanted.id, wanted.id[:9], "my work", path):
        assert figures(report(name)) == {"plain": "0.002"}, name


def test_archived_sessions_count_and_one_that_is_in_both_places_once(home, rollout, report):
    thread = rollout().turn().spend(1000, 0, 0, 0)
    thread.write(home, "archived_sessions")
    assert report("--all")["total"]["requests"] == 1
    thread.write(home)
    assert report("--all")["total"]["requests"] == 1


def test_a_session_is_counted_with_its_sub_agents_and_theirs(home, rollout, report):
    def spawned(parent, number, role):
        spawn = {"parent_thread_id": parent.id, "depth": 1, "agent_role": role}
        return rollout(parent.now_ms + 1000, number, source={"subagent": {"thread_spawn": spawn}})

    parent = rollout(number=1).turn().spend(1000, 0, 0, 0)
    child = spawned(parent, 2, "worker").turn().spend(2000, 0, 0, 0)
    grandchild = spawned(child, 3, "").turn().spend(4000, 0, 0, 0)
    stranger = rollout(parent.now_ms + 9000, 4, source={"subagent": "review"}).turn().spend(8000, 0, 0, 0)
    for thread in (parent, child, grandchild, stranger):
        thread.write(home)
    assert figures(report(parent.id, "--by", "subagent")) == {"main": "0.002", "worker": "0.004", "sub-agent": "0.008"}
    assert figures(report(child.id, "--by", "subagent")) == {"worker": "0.004", "sub-agent": "0.008"}
    assert report("--all", "--by", "subagent")["total"]["input_tokens"] == 15_000


def test_projects_are_repositories(home, rollout, report, tmp_path):
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/sub").mkdir()
    thread = rollout().turn(cwd=str(tmp_path / "repo/sub")).spend(1000, 0, 0, 0)
    thread.turn(cwd=str(tmp_path / "repo")).spend(1000, 0, 0, 0).turn(cwd="/gone").spend(500, 0, 0, 0).write(home)
    assert figures(report("--all", "--by", "project")) == {str(tmp_path / "repo"): "0.004", "/gone": "0.001"}


def test_a_request_stands_with_the_tools_that_its_answer_called(home, rollout, report):
    thread = rollout().turn().call("exec_command").spend(1000, 0, 0, 0)
    thread.call("exec_command").call("apply_patch", "custom_tool_call").spend(2000, 0, 0, 0)
    thread.call("look", namespace="mcp__demo").spend(4000, 0, 0, 0).spend(8000, 0, 0, 0).write(home)
    assert figures(report("--all", "--by", "tool")) == {
        "exec_command": "0.002",
        "apply_patch + exec_command": "0.004",
        "mcp__demo__look": "0.008",
        "(no tool)": "0.016",
    }


# -- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nobody"], 2, "there is no session 'nobody'"),
        (["--last", "x"], 2, "a session and --last exclude each other"),
        (["--today", "--all"], 2, "--today and --all exclude each other"),
        (["--since", "yesterday"], 2, "--since 'yesterday' is no date"),
        (["--since", "2999-01-01"], 2, "lies in the future"),
        (["--by", "moon"], 2, "moon"),
        (["--last"], 2, "no session is recorded yet"),
        (["-c", "cost.models=3"], 3, "cost"),
        (["-c", "cost.models.x.input=-1", "-c", "cost.models.x.output=1"], 3, "which is no price"),
        (["-c", "cost.models.x.input=nan", "-c", "cost.models.x.output=1"], 3, "which is no price"),
        (["-c", "cost.models.x.input='a'", "-c", "cost.models.x.output=1"], 3, "which is not a number"),
        (["-c", "cost.models.x.input=true", "-c", "cost.models.x.output=1"], 3, "must be a number"),
        (["-c", "cost.models.x.input=1"], 3, "lacks `output`"),
        (["-c", "cost.models.x.inptu=1"], 3, '`cost.models."x".inptu` is not known'),
    ],
)
def test_bad_input_is_told_in_one_message(codex, args, code, words):
    result = codex(*args)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_id_that_fits_several_sessions_is_not_guessed(home, rollout, codex):
    first, _ = (rollout(number=n).turn().spend(1, 0, 0, 0) for n in (1, 2))
    first.write(home)
    rollout(number=2).write(home)
    result = codex(first.id[:10])
    assert result.returncode == 2
    assert "2 sessions begin with" in result.stderr


def test_an_empty_home_costs_nothing_and_says_that_nothing_is_recorded(codex, report):
    result = codex("--all")
    assert (result.returncode, result.stdout) == (0, "No request to a model is recorded.\n")
    assert (report("--all")["total"]["cost_usd"], report("--all")["groups"]) == ("0", [])


def test_a_file_that_cannot_be_read_is_told_and_the_rest_counted(home, rollout, codex, report):
    path = rollout(number=1).turn().spend(1000, 0, 0, 0).write(home)
    os.mkfifo(path.with_name(path.name.replace("0001.jsonl", "0002.jsonl")))
    found = report("--all")
    assert found["total"]["cost_usd"] == "0.002"
    assert [file["reason"] for file in found["unread_files"]] == ["not a regular file"]
    assert "could not be read: not a regular file" in codex("--all").stderr


def test_a_session_that_cannot_be_read_at_all_is_an_error(home, rollout, codex):
    thread = rollout()
    path = thread.write(home)
    path.unlink()
    os.mkfifo(path)
    result = codex(thread.id)
    assert (result.returncode, result.stdout) == (8, "")
    assert "cannot be read: not a regular file" in result.stderr


def test_names_in_a_rollout_do_not_steer_the_terminal(home, rollout, codex):
    rollout().turn("evil\x1b[2Jmodel\nrow").spend(1, 0, 1, 0).write(home)
    assert "\x1b" not in codex("--all").stdout
    assert "evil\ufffd[2Jmodel\ufffdrow" in codex("--all").stdout


def test_help_and_registering_import_no_price_table(codex):
    result = codex("--help", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    assert "codex_cost.command" in result.stderr
    assert "genai_prices" not in result.stderr
    assert "pydantic" not in result.stderr
