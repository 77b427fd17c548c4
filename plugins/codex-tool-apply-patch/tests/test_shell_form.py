"""Shell commands that are nothing but a patch."""

import pytest

from codex_tool_apply_patch.shell_form import extract_patch

PATCH = "*** Begin Patch\n*** Add File: a\n+y $HOME `x`\n*** End Patch"


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("apply_patch <<'EOF'\n{}\nEOF", None),
        ("apply_patch <<EOF\n{}\nEOF\n", None),
        ('applypatch <<"EOF"\n{}\nEOF', None),
        ("apply_patch<<\\EOF\n{}\nEOF", None),
        ("apply_patch <<-'EOF'\n{}\n\tEOF", None),
        ("\n  apply_patch  <<  'END OF PATCH'  \n{}\nEND OF PATCH\n\n ", None),
        ("apply_patch <<'EOF'\n{}", None),
        ("cd sub && apply_patch <<'EOF'\n{}\nEOF", "sub"),
        ("cd /a/b-c.d&&apply_patch <<'EOF'\n{}\nEOF", "/a/b-c.d"),
        ("cd 'my $dir' && apply_patch <<'EOF'\n{}\nEOF", "my $dir"),
        ("cd \"my dir\" &&\n apply_patch <<'EOF'\n{}\nEOF", "my dir"),
        ("cd my\\ dir && apply_patch <<'EOF'\n{}\nEOF", "my dir"),
    ],
)
def test_lone_patch_is_recognised(script, folder):
    found = extract_patch(script.replace("{}", PATCH))
    assert found is not None
    assert (found.folder, found.patch) == (folder, PATCH)


@pytest.mark.parametrize(
    "script",
    [
        "apply_patch '{}'",
        "apply_patch <<'EOF'\n{}\nEOF\necho hi",
        "true && apply_patch <<'EOF'\n{}\nEOF",
        "cd a && cd b && apply_patch <<'EOF'\n{}\nEOF",
        "cd a; apply_patch <<'EOF'\n{}\nEOF",
        "cd a || apply_patch <<'EOF'\n{}\nEOF",
        "cd $HOME && apply_patch <<'EOF'\n{}\nEOF",
        "cd \"$HOME\" && apply_patch <<'EOF'\n{}\nEOF",
        "cd ~ && apply_patch <<'EOF'\n{}\nEOF",
        "cd -P a && apply_patch <<'EOF'\n{}\nEOF",
        "cd a* && apply_patch <<'EOF'\n{}\nEOF",
        "apply_patch <<'EOF' && ls\n{}\nEOF",
        "apply_patch <<'EOF' | cat\n{}\nEOF",
        "apply_patch <<'EOF' > log\n{}\nEOF",
        "(apply_patch <<'EOF'\n{}\nEOF\n)",
        "cat <<'EOF' | apply_patch\n{}\nEOF",
        "apply_patch <<< '{}'",
        "my_apply_patch <<'EOF'\n{}\nEOF",
        "apply_patch.sh <<'EOF'\n{}\nEOF",
        "{}",
        "",
    ],
)
def test_everything_else_is_left_to_the_shell(script):
    assert extract_patch(script.replace("{}", PATCH)) is None
