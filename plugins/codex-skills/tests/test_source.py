"""What the model is told, turn by turn."""

import json

import pytest

from codex_plugin_sdk import Notice, SkillFolderSpec
from codex_plugin_sdk.skills import shelf
from codex_plugin_sdk.skills.files import HEAD_BYTES
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say
from codex_skills import plugin as skills_plugin
from codex_skills.source import SkillsSource
from codex_skills.wording import MAX_CHARS


def switched(*entries, **more):
    return {"skills": {"config": list(entries), **more}}


# -- the list --------------------------------------------------------------------------------------


def test_without_skills_nothing_is_told_and_nothing_is_written(world):
    assert world.ask("use $release and $PATH") == []
    assert not (world.codex_home / "kernel").exists()


def test_the_list_names_each_skill_with_its_file(world):
    world.skill("release", "Makes a release.")
    world.skill("deep", "Lies deeper.", at=world.skills / "team" / "tools")
    (fragment,) = world.ask()
    assert (fragment.kind, fragment.role, fragment.notice) == ("list", "developer", "")
    assert fragment.text.startswith("<skills_instructions>\n## Skills\n")
    assert fragment.text.endswith("</skills_instructions>")
    assert f"### Skill roots\n- `r0` = `{world.skills}`\n### Available skills\n" in fragment.text
    assert world.lines([fragment]) == [
        "- release: Makes a release. (file: r0/release/SKILL.md)",
        "- deep: Lies deeper. (file: r0/team/tools/deep/SKILL.md)",
    ]
    assert "Do it." not in fragment.text


def test_roots_have_an_order_and_the_strongest_has_a_name(world):
    places = [
        world.work / "sub" / ".agents" / "skills",
        world.work / ".codex" / "skills",
        world.skills,
        world.home / ".agents" / "skills",
        world.root / "plugin",
        world.skills / ".system",
        world.root / "admin",
    ]
    for at, place in enumerate(places):
        world.skill("same", f"Number {at}.", at=place)
        world.skill(f"own-{at}", at=place)
    more = {"skill_folders": {"acme": str(world.root / "plugin")}, "cwd": str(world.work / "sub")}
    fragments = world.ask("$same", trusted=True, **more)
    assert [line.split()[1] for line in world.lines(fragments)] == [
        "own-0:",
        "same:",
        *(f"own-{n}:" for n in range(1, 7)),
    ]
    assert "Number 0." in fragments[0].text
    assert [f.kind for f in fragments] == ["list", "skill:same"]
    assert str(places[0]) in fragments[1].text
    assert "own-0" not in world.names(**more)
    assert "Number 2." in world.ask("$same", **more)[0].text


def test_of_two_with_one_name_in_a_root_the_one_whose_folder_has_it_counts(world):
    world.file("another", "---\nname: release\ndescription: The wrong one.\n---\nwrong")
    world.skill("release", "The right one.", body="right")
    listed, body = world.ask("$release")
    assert world.lines([listed]) == ["- release: The right one. (file: r0/release/SKILL.md)"]
    assert "right" in body.text


def test_a_home_that_is_the_working_folder_is_the_users(world):
    world.skill("mine", at=world.work / ".agents" / "skills")
    environ = {"HOME": str(world.work)}
    assert world.names(environ=environ, trusted=False) == ["mine"]
    assert world.names(environ=environ, trusted=True) == ["mine"]


def test_single_skills_are_switched_off_by_name_or_path(world):
    for name in ("one", "two", "three", "four"):
        world.skill(name)
    config = switched(
        {"name": "one", "enabled": False},
        {"path": str(world.skills / "two" / "SKILL.md"), "enabled": False},
        {"path": str(world.skills / "three"), "enabled": False},
        {"name": "four", "enabled": False},
        {"name": "four"},
    )
    fragments = world.ask("$one $two $three $four", config=config)
    assert [f.kind for f in fragments] == ["list", "skill:four"]
    assert [line.split()[1] for line in world.lines(fragments)] == ["four:"]


def test_a_faulty_skill_that_is_switched_off_is_not_complained_of(world):
    path = world.file("bad", "no front matter")
    assert [f.kind for f in world.ask()] == [f"problem:{path}"]
    assert world.ask(config=switched({"path": str(path), "enabled": False})) == []


def test_a_skill_that_is_switched_off_makes_way_for_a_weaker_one(world):
    strong = world.skill("same", "Strong.")
    world.skill("same", "Weak.", at=world.home / ".agents" / "skills")
    (fragment,) = world.ask(config=switched({"path": str(strong), "enabled": False}))
    assert [line.split(" (")[0] for line in world.lines([fragment])] == ["- same: Weak."]


def test_the_list_can_be_left_out_and_a_mention_still_works(world):
    world.skill("release")
    assert [f.kind for f in world.ask("$release", config=switched(include_instructions=False))] == ["skill:release"]


def test_the_skills_of_the_installation_can_be_left_out(world):
    world.skill("shipped", at=world.skills / ".system")
    assert world.names() == ["shipped"]
    assert world.names(config={"skills": {"bundled": {"enabled": False}}}) == []


def test_descriptions_are_shortened_before_skills_are_left_out(world):
    for at in range(40):
        world.skill(f"skill-{at:02}", "words " * 150)
    (fragment,) = world.ask()
    assert len(world.lines([fragment])) == 40
    assert len(fragment.text) <= MAX_CHARS
    assert fragment.text.count("…") == 40
    assert fragment.notice == ""


def test_what_does_not_fit_is_counted_for_model_and_user(world):
    for at in range(300):
        world.skill(f"skill-{at:03}", "words " * 20)
    (fragment,) = world.ask()
    left = 300 - len(world.lines([fragment]))
    assert 200 < left < 300
    assert len(fragment.text) <= MAX_CHARS
    assert f"- … and {left:,} more" in fragment.text
    assert f"told of {300 - left:,} skills; {left:,} more do not fit" in fragment.notice
    assert [f.kind for f in world.ask("$skill-299")] == ["list", "skill:skill-299"]


# -- mentions --------------------------------------------------------------------------------------


def test_the_body_comes_only_with_a_mention(world):
    path = world.skill("release", body="Step one.\n")
    assert len(world.ask("release it")) == 1
    _, body = world.ask("please $release it")
    assert (body.kind, body.role) == ("skill:release", "user")
    content = path.read_text()
    assert body.text == f"<skill>\n<name>release</name>\n<path>{path}</path>\n{content}\n</skill>"


@pytest.mark.parametrize(
    "text", ["$release", "($release)", "use $release.", "[$release](x)", "a\n$release:", "$release-"]
)
def test_a_mention_may_stand_anywhere(world, text):
    world.skill("release")
    assert len(world.ask(text)) == 2


@pytest.mark.parametrize(
    "text", ["release", "$releases", "\\$release", "$$release", "a$release", "${release}", "$ release"]
)
def test_what_only_looks_like_a_mention_is_none(world, text):
    world.skill("release")
    assert len(world.ask(text)) == 1


def test_a_skill_whose_folder_has_another_name_is_found_among_hundreds(world):
    for at in range(shelf.HEAD_SIZE + 10):
        world.skill(f"skill-{at:03}")
    path = world.file("zz-folder", "---\nname: odd\ndescription: Helps.\n---\n")
    world.settle()
    for _ in range(2):
        assert str(path) in world.ask("$odd $other")[1].text
    path.write_text("---\nname: other\ndescription: Helps.\n---\n")
    assert [f.kind for f in world.ask("$odd")] == ["list"]


def test_a_long_body_is_cut_and_both_are_told(world):
    path = world.skill("long", body="é" * HEAD_BYTES)
    _, body = world.ask("$long")
    assert HEAD_BYTES / 2 < len(body.text) < HEAD_BYTES / 2 + 500
    assert f"[The file goes on. Read the rest of {path} before you act on it.]" in body.text
    assert f"{path} was cut after 65,536 of its" in body.notice


def test_only_ten_mentions_bring_a_body(world):
    for at in range(12):
        world.skill(f"s{at:02}")
    fragments = world.ask(" ".join(f"$s{at:02}" for at in range(12)))
    assert [f.kind for f in fragments] == ["list", *(f"skill:s{at:02}" for at in range(10)), "mention:s10"]
    assert "first 10 skills" in fragments[-1].notice


# -- changes ---------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_read_again(world, monkeypatch):
    world.skill("release")
    world.file("team/notes", "no front matter")
    world.settle()
    before = world.ask()

    def forbidden(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(shelf, "scan", forbidden)
    monkeypatch.setattr(shelf, "_load", forbidden)
    assert world.ask() == before
    assert len(before) == 2


@pytest.mark.parametrize("settled", [True, False])
def test_every_change_is_seen_by_the_next_turn(world, settled):
    world.skill("one")
    (world.skills / "empty" / "inner").mkdir(parents=True)
    source = SkillsSource()

    def told():
        if settled:
            world.settle()
        same = world.names(source=source)
        assert world.names() == same
        return same

    assert told() == ["one"]
    world.skill("two")
    assert world.names(source=source) == ["one", "two"]
    told()
    world.file("one", "---\nname: uno\ndescription: Helps.\n---\n")
    assert world.names(source=source) == ["uno", "two"]
    told()
    world.skill("inner", at=world.skills / "empty")
    assert world.names(source=source) == ["inner", "uno", "two"]
    told()
    (world.skills / "two" / "SKILL.md").unlink()
    assert world.names(source=source) == ["inner", "uno"]
    told()
    world.file("one", "broken")
    assert world.names(source=source) == ["inner"]


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b'{"version": 1}', b'{"version": 2, "roots": {}}', b"\xff", b'{"version":1,"roots":[]}'],
)
def test_a_damaged_index_costs_nothing_but_time(world, content):
    world.skill("release")
    world.settle()
    before = world.ask()
    index = world.codex_home / "kernel" / "skills-index.json"
    index.write_bytes(content)
    assert world.ask() == before
    assert json.loads(index.read_bytes())["version"] == 1


@pytest.mark.parametrize("damage", ["scope", "stamps", "total", "skills", "aliases", "problems"])
def test_a_damaged_entry_of_the_index_costs_nothing_but_time(world, damage):
    world.skill("release")
    world.settle()
    before = world.ask()
    index = world.codex_home / "kernel" / "skills-index.json"
    whole = json.loads(index.read_bytes())
    whole["roots"][str(world.skills)][damage] = ["x"]
    index.write_text(json.dumps(whole))
    assert world.ask() == before


def test_an_index_that_cannot_be_written_costs_nothing_but_time(world):
    world.skill("release")
    (world.codex_home / "kernel").write_text("in the way")
    assert world.names() == ["release"]


@pytest.mark.anyio
async def test_a_thread_tells_the_list_once_and_news_when_they_come(world):
    world.skill("one", body="First body.")
    model = ScriptedModel([say("ok"), say("ok"), say("ok")])
    ours = plugin(codex_context_sources=list(skills_plugin.codex_context_sources()))
    async with open_thread(model, ours, home=str(world.codex_home), cwd=str(world.work), environ=world.env) as h:
        await h.turn("hello")
        world.skill("two")
        await h.turn("use $one")
        await h.turn("use $one again")
    sent = [b"".join(entry.encoded for entry in request.input).decode() for request in model.requests]
    assert [text.count("<skills_instructions>") for text in sent] == [1, 2, 2]
    assert [text.count("First body.") for text in sent] == [0, 1, 1]
    assert sent[1].index("<environment_context>") < sent[1].index("<skill>") < sent[1].rindex("use $one")


@pytest.mark.anyio
async def test_a_plugin_brings_skills_by_its_hook(world):
    world.skill("theirs", "Comes with a plugin.", at=world.root / "acme")

    def unknown():
        raise RuntimeError("no such folder")

    acme = plugin(
        codex_skill_folders=[
            SkillFolderSpec(name="acme", path=lambda: str(world.root / "acme")),
            SkillFolderSpec(name="broken", path=unknown),
        ]
    )
    ours = plugin(codex_context_sources=list(skills_plugin.codex_context_sources()))
    model = ScriptedModel([say("ok")])
    async with open_thread(model, ours, acme, home=str(world.codex_home), cwd=str(world.work), environ=world.env) as h:
        await h.turn("use $theirs")
        notices = [notice.message for notice in h.of(Notice)]
    sent = b"".join(entry.encoded for entry in model.requests[0].input).decode()
    assert "- theirs: Comes with a plugin. (file: r0/theirs/SKILL.md)" in sent
    assert "<name>theirs</name>" in sent
    assert any("no such folder" in notice for notice in notices)
