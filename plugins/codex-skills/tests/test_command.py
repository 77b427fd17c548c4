"""`codex skills list` and `codex skills validate`, the real program."""


def test_list_shows_all_skills_and_what_is_wrong_with_others(world):
    path = world.skill("release", "Makes a release.")
    bad = world.file("bad", "---\nname: bad\n---\n")
    done = world.codex("skills", "list")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"NAME     SCOPE  ENABLED  PATH{' ' * (len(str(path)) - 4)}  DESCRIPTION",
        f"release  user   yes      {path}  Makes a release.",
    ]
    assert done.stderr == f"{bad}:1: `description` is missing (add a line description: …)\n"


def test_json_has_a_stable_schema(world):
    strong = world.skill("same", "Strong.")
    weak = world.skill("same", "Weak.", at=world.home / ".agents" / "skills")
    world.skill("off", "Off.")
    bad = world.file("bad", "nothing")
    (world.codex_home / "config.toml").write_text('[[skills.config]]\nname = "off"\nenabled = false\n')
    whole = world.listed()
    assert {key: whole[key] for key in ("schema_version", "project_trusted")} == {
        "schema_version": 1,
        "project_trusted": False,
    }
    common = {"scope": "user", "plugin": None}
    ours = [skill for skill in whole["skills"] if skill["path"].startswith(str(world.root))]
    assert ours == [
        {
            **common,
            "name": "off",
            "enabled": False,
            "shadowed_by": None,
            "path": str(world.skills / "off" / "SKILL.md"),
            "description": "Off.",
        },
        {**common, "name": "same", "enabled": True, "shadowed_by": None, "path": str(strong), "description": "Strong."},
        {
            **common,
            "name": "same",
            "enabled": True,
            "shadowed_by": str(strong),
            "path": str(weak),
            "description": "Weak.",
        },
    ]
    (problem,) = [problem for problem in whole["problems"] if problem["path"] == str(bad)]
    assert (problem["line"], problem["message"]) == (1, "there is no front matter")
    assert problem["cure"]


def test_a_project_that_is_not_trusted_offers_nothing(world):
    world.skill("theirs", at=world.work / ".codex" / "skills")
    assert "theirs" not in {skill["name"] for skill in world.listed("-C", str(world.work))["skills"]}


def test_a_folder_that_does_not_exist_is_an_error(world):
    done = world.codex("skills", "list", "-C", str(world.root / "none"))
    assert done.returncode == 1
    assert "is not a folder" in done.stderr


def test_a_setting_of_the_wrong_kind_is_named_when_a_turn_starts(world, server):
    world.use(server.base_url, more='skills = { include_instructions = "no" }')
    done = world.codex("exec", "hi")
    assert done.returncode == 3
    assert "skills" in done.stderr
    assert server.requests == []


def test_validate_tells_every_problem_with_its_line_and_a_cure(world):
    world.skill("fine")
    bad = world.file("bad", "---\nname: other\ndescription: [1]\n---\n")
    done = world.codex("skills", "validate", str(world.skills), str(world.root / "none"), str(bad.parent))
    assert done.returncode == 3
    once = [
        f"{bad}:2: warning: `name` is 'other', but the folder is 'bad' (give both the same name)",
        f"{bad}:3: error: `description` is not a text (write a text after description:)",
    ]
    none = f"{world.root / 'none'}: error: does not exist (a skill is a folder that holds a SKILL.md)"
    assert done.stdout.splitlines() == [*once, none, *once]
    assert done.stderr == "4 checked, 3 errors, 2 warnings\n"


def test_validate_is_content_with_what_is_fine(world):
    path = world.skill("fine")
    for named in (path, path.parent, world.skills):
        done = world.codex("skills", "validate", str(named))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 checked, 0 errors, 0 warnings\n")


def test_validate_names_what_holds_no_skill(world):
    (world.root / "README.md").write_text("x")
    done = world.codex("skills", "validate", str(world.home), str(world.root / "README.md"))
    assert done.returncode == 3
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == [
        f"{world.home}: error: holds no skill",
        f"{world.root / 'README.md'}: error: is not named SKILL.md",
    ]
