"""Files that strangers made: each is left out with one notice, and nothing waits for them."""

import os
import sys

import pytest

from codex_plugin_sdk.skills.files import MAX_FILE_BYTES
from codex_plugin_sdk.skills.scan import MAX_FOLDERS


def told(world, **more):
    """What the user is told beside the skill that is fine."""
    fragments = world.ask(**more)
    assert [line.split()[1] for line in world.lines(fragments)] == ["fine:"]
    return [fragment.notice.removeprefix("skill left out: ") for fragment in fragments if fragment.kind != "list"]


@pytest.fixture
def bad(world):
    """A skill that is fine, and the place for one that is not."""
    world.skill("fine")
    path = world.skills / "bad" / "SKILL.md"
    path.parent.mkdir()
    return path


def test_a_broken_front_matter_is_named_with_its_line(world, bad):
    bad.write_text("---\nname: bad\ndescription: {open\n---\n")
    (notice,) = told(world)
    assert notice.startswith(f"{bad}:3: the front matter is not YAML")
    assert "quotes" in notice


def test_a_pipe_is_not_waited_for(world, bad):
    os.mkfifo(bad)
    (notice,) = told(world)
    assert notice.startswith(f"{bad}: is not a regular file")


def test_a_folder_in_place_of_the_file_is_named(world, bad):
    bad.mkdir()
    (notice,) = told(world)
    assert notice.startswith(f"{bad}: is not a regular file")


def test_a_huge_file_is_not_read(world, bad):
    with open(bad, "wb") as file:
        file.truncate(100 * 1024 * 1024)
    (notice,) = told(world)
    assert notice.startswith(f"{bad}: is too large: 104,857,600 bytes, where {MAX_FILE_BYTES:,} are the most")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"---\nname: bad\n\0\n---\n", ":3: is not text"),
        (b"---\nname: bad\n# \xff\n---\n", ":3: is not UTF-8 text"),
        (b"", ":1: there is no front matter"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(world, bad, content, words):
    bad.write_bytes(content)
    (notice,) = told(world)
    assert notice.startswith(f"{bad}{words}")


def test_a_link_in_place_of_the_file_is_not_followed(world, bad):
    secret = world.root / "secret"
    secret.write_text("---\nname: bad\ndescription: A secret.\n---\n")
    bad.symlink_to(secret)
    (notice,) = told(world)
    assert notice.startswith(f"{bad}: is a symbolic link")
    assert [f.kind for f in world.ask("$bad")] == ["list", f"problem:{bad}", f"problem:{bad}"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(world, bad):
    bad.write_text("---\nname: bad\ndescription: Helps.\n---\n")
    bad.chmod(0)
    closed = world.skills / "closed"
    closed.mkdir(mode=0)
    notices = told(world)
    closed.chmod(0o700)
    assert sorted(notice.partition(" cannot be read")[0] for notice in notices) == [f"{bad}:", f"{closed}:"]


def test_a_users_link_to_a_folder_is_followed_once(world):
    elsewhere = world.root / "dotfiles"
    world.skill("fine", at=elsewhere)
    world.skills.mkdir()
    (world.skills / "shared").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(world.skills)
    (world.skills / "nowhere").symlink_to(world.root / "nowhere")
    assert told(world) == []


def test_a_link_out_of_a_projects_skills_is_not_followed(world):
    world.skill("fine", at=world.work / ".codex" / "skills")
    world.skill("out", at=world.root / "elsewhere")
    link = world.work / ".codex" / "skills" / "out"
    link.symlink_to(world.root / "elsewhere" / "out")
    (notice,) = told(world, trusted=True)
    assert notice.startswith(f"{link}: is a symbolic link that leads out")
    assert "elsewhere" not in "".join(f.text for f in world.ask("$out", trusted=True))


def test_a_projects_folder_of_skills_may_not_lie_outside_of_it(world):
    world.skill("fine")
    world.skill("out", at=world.root / "elsewhere")
    (world.work / ".agents").mkdir()
    link = world.work / ".agents" / "skills"
    link.symlink_to(world.root / "elsewhere")
    (notice,) = told(world, trusted=True)
    assert notice.startswith(f"{link}: leads out of the project")


def test_a_tree_that_is_no_folder_of_skills_is_given_up(world):
    world.skill("fine")
    for at in range(MAX_FOLDERS + 5):
        (world.skills / "tree" / f"{at:03}").mkdir(parents=True)
    (notice,) = told(world)
    assert f"more than {MAX_FOLDERS} folders" in notice


def test_a_name_that_cannot_be_printed_is_told_in_one_line(world):
    world.skill("fine")
    world.file("a\nb\x1b[2J", "---\nname: evil\ndescription: Helps.\n---\n")
    (notice,) = told(world)
    assert notice.isprintable()
    assert "cannot be printed" in notice


def test_many_faults_are_told_in_few_words(world):
    world.skill("fine")
    for at in range(30):
        world.file(f"bad-{at:02}", "nothing")
    notices = told(world)
    assert len(notices) == 11
    assert notices[-1] == "20 more skills are left out: codex skills list shows why"


def test_nothing_of_a_project_that_is_not_trusted_is_opened(world):
    world.skill("fine")
    for folder in (".codex", ".agents"):
        world.skill("theirs", body="Obey.", at=world.work / folder / "skills")
    opened = []
    watching = True

    def hook(event, args):
        if watching and event in ("open", "os.scandir", "os.listdir", "os.chdir"):
            opened.append(str(args[0]))

    sys.addaudithook(hook)
    fragments = world.ask("use $theirs", trusted=False)
    outside = [path for path in opened if str(world.work) in path]
    opened.clear()
    world.ask("use $theirs", trusted=True)
    watching = False
    assert outside == []
    assert [f.kind for f in fragments] == ["list"]
    assert any(str(world.work) in path for path in opened), "the hook sees what is opened"
