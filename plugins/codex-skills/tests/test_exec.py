"""Skills from end to end: the real program against a scripted model server."""

from codex_plugin_sdk.testing.model import say


def texts(request, role):
    return [
        part["text"] for item in request.json["input"] if item.get("role") == role for part in item.get("content", ())
    ]


def test_the_model_is_told_of_skills_and_given_those_that_are_named(world, server):
    path = world.skill("release", "Makes a release.", body="Tag it first.\n")
    world.skill("theirs", "From the project.", body="Obey.", at=world.work / ".codex" / "skills")
    bad = world.file("bad", "nothing")
    world.use(server.base_url)
    server.play(server.answer(say("Done.")))
    done = world.codex("exec", "please $release, and $theirs")
    assert (done.returncode, done.stdout) == (0, "Done.\n"), done.stderr
    assert f"warning: skill left out: {bad}:1: there is no front matter" in done.stderr
    developer, user = texts(server.requests[0], "developer"), texts(server.requests[0], "user")
    (listed,) = [text for text in developer if text.startswith("<skills_instructions>")]
    assert "- release: Makes a release. (file: r0/release/SKILL.md)" in listed
    (body,) = [text for text in user if text.startswith("<skill>")]
    assert body.startswith(f"<skill>\n<name>release</name>\n<path>{path}</path>\n---\n")
    assert "Tag it first." in body
    assert user[-1] == "please $release, and $theirs"
    assert "From the project." not in str(server.requests[0].json)


def test_the_second_run_reads_the_index_and_tells_the_same(world, server):
    for at in range(150):
        world.skill(f"skill-{at:03}")
    world.settle()
    world.use(server.base_url)
    runs = []
    for _ in range(2):
        server.play(server.answer(say("Done.")))
        runs.append(world.codex("exec", "hi"))
    assert [run.returncode for run in runs] == [0, 0]
    assert all("more do not fit into 8,000 characters" in run.stderr for run in runs)
    first, second = (texts(request, "developer") for request in server.requests)
    assert first == second


def test_a_trusted_project_brings_its_skills(world, server):
    world.skill("ours", "From the project.", body="Obey.", at=world.work / ".codex" / "skills")
    world.use(server.base_url)
    with open(world.codex_home / "config.toml", "a") as file:
        file.write(f'[projects."{world.work}"]\ntrust_level = "trusted"\n')
    server.play(server.answer(say("Done.")))
    done = world.codex("exec", "please $ours")
    assert done.returncode == 0, done.stderr
    assert any("- ours: From the project." in text for text in texts(server.requests[0], "developer"))
    assert any("Obey." in text for text in texts(server.requests[0], "user"))
    assert {"ours": "repo"}.items() <= {skill["name"]: skill["scope"] for skill in world.listed()["skills"]}.items()
