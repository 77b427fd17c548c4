from codex_kernel.discovery import Candidate, bundled_distributions, discover, normalise


def _dist(root, name, version, entry_points="", metadata="Metadata-Version: 2.1\n"):
    folder = root / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(metadata)
    if entry_points:
        (folder / "entry_points.txt").write_text(entry_points)
    return folder


def test_entry_points_of_the_group_are_found_with_their_distribution(tmp_path):
    _dist(
        tmp_path,
        "acme_tool",
        "1.2",
        "[console_scripts]\nx = y:z\n\n[codex]\nclock = acme.plugin\n# no\n[other]\na = b\n",
    )
    _dist(tmp_path, "plain", "3.0")
    assert discover([str(tmp_path)]) == (
        Candidate(name="clock", module="acme.plugin", dist="acme-tool", version="1.2"),
    )


def test_the_first_of_two_copies_counts(tmp_path):
    _dist(tmp_path / "a", "acme", "2.0", "[codex]\nx = new.plugin\n")
    _dist(tmp_path / "b", "acme", "1.0", "[codex]\nx = old.plugin\n")
    found = discover([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [c.module for c in found] == ["new.plugin"]


def test_folders_that_are_not_there_and_files_are_passed_over(tmp_path):
    (tmp_path / "file.zip").write_text("")
    assert discover([str(tmp_path / "no"), str(tmp_path / "file.zip"), str(tmp_path)]) == ()


def test_an_egg_info_folder_counts_as_a_distribution(tmp_path):
    folder = tmp_path / "old_tool-0.5-py3.11.egg-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[codex]\nold=old.plugin\n")
    assert discover([str(tmp_path)])[0].version == "0.5"


def test_bundled_distributions_are_what_the_root_distribution_requires(tmp_path):
    metadata = (
        "Name: codex-agent\nRequires-Dist: codex-exec~=0.1.0\n"
        "Requires-Dist: codex_sandbox.linux (>=1); sys_platform == 'linux'\n\nRequires-Dist: prose-below\n"
    )
    _dist(tmp_path, "codex_agent", "1.0", metadata=metadata)
    assert bundled_distributions([str(tmp_path)]) == {"codex-exec", "codex-sandbox-linux"}
    assert bundled_distributions([]) == frozenset()


def test_names_are_normalised_as_installers_do():
    assert normalise("Acme._Tool--X") == "acme-tool-x"
