"""fs/*: files as the user may, and watching them."""

import base64
import os

import pytest

pytestmark = pytest.mark.anyio
GONE = {"code": -32603, "message": "No such file or directory (os error 2)"}


async def refused(app, method, **params):
    with pytest.raises(Exception) as caught:
        await app.call(method, params)
    return caught.value.error


@pytest.fixture
async def tree(app):
    root = app.work
    (root / "d" / "e").mkdir(parents=True)
    (root / "f").write_bytes(b"hi\n\xff")
    (root / "l").symlink_to("f")
    (root / "dead").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    return root


async def test_files_are_written_and_read_as_base64(app, tree, fits):
    data = bytes(range(256))
    text = base64.b64encode(data).decode()
    assert (
        fits("v2/FsWriteFileResponse", await app.call("fs/writeFile", {"path": f"{tree}/n", "dataBase64": text})) == {}
    )
    assert (tree / "n").read_bytes() == data
    assert fits("v2/FsReadFileResponse", await app.call("fs/readFile", {"path": f"{tree}/n"})) == {"dataBase64": text}
    assert await app.call("fs/readFile", {"path": f"{tree}/l"}) == {
        "dataBase64": base64.b64encode(b"hi\n\xff").decode()
    }


async def test_what_cannot_be_read_or_written_is_refused_in_words_that_clients_know(app, tree):
    assert await refused(app, "fs/readFile", path=f"{tree}/nope") == GONE
    assert await refused(app, "fs/readFile", path=f"{tree}/dead") == GONE
    for name in ("d", "pipe"):
        assert (await refused(app, "fs/readFile", path=f"{tree}/{name}"))["message"].endswith("is not a file")
    error = await refused(app, "fs/readFile", path="relative")
    assert error["message"] == "Invalid request: AbsolutePathBuf deserialized without a base path"
    error = await refused(app, "fs/writeFile", path=f"{tree}/x", dataBase64="a!!")
    assert error["message"] == "fs/writeFile requires valid base64 dataBase64: Invalid symbol 33, offset 1."
    assert await refused(app, "fs/writeFile", path=f"{tree}/no/x", dataBase64="") == GONE
    error = await refused(app, "fs/writeFile", path=f"{tree}/d", dataBase64="")
    assert error["message"] == "Is a directory (os error 21)"


async def test_metadata_and_folders_tell_what_symlinks_lead_to(app, tree, fits):
    found = fits("v2/FsGetMetadataResponse", await app.call("fs/getMetadata", {"path": f"{tree}/l"}))
    assert (found["isFile"], found["isDirectory"], found["isSymlink"]) == (True, False, True)
    assert found["modifiedAtMs"] == os.stat(tree / "f").st_mtime_ns // 1_000_000
    listed = fits("v2/FsReadDirectoryResponse", await app.call("fs/readDirectory", {"path": str(tree)}))
    kinds = {entry["fileName"]: (entry["isDirectory"], entry["isFile"]) for entry in listed["entries"]}
    assert kinds == {"d": (True, False), "f": (False, True), "l": (False, True), "pipe": (False, False)}
    assert (await refused(app, "fs/readDirectory", path=f"{tree}/f"))["message"] == "Not a directory (os error 20)"


async def test_folders_are_made_with_those_above_unless_told_otherwise(app, tree):
    assert await app.call("fs/createDirectory", {"path": f"{tree}/a/b"}) == {}
    assert (tree / "a" / "b").is_dir()
    assert await refused(app, "fs/createDirectory", path=f"{tree}/x/y", recursive=False) == GONE
    error = await refused(app, "fs/createDirectory", path=f"{tree}/d", recursive=False)
    assert error["message"] == "File exists (os error 17)"


async def test_copies_keep_symlinks_and_refuse_what_is_no_file(app, tree):
    def paths(source, target, **more):
        return {"sourcePath": f"{tree}/{source}", "destinationPath": f"{tree}/{target}", **more}

    (tree / "d" / "link").symlink_to("../f")
    await app.call("fs/copy", paths("f", "f2"))
    assert (tree / "f2").read_bytes() == b"hi\n\xff"
    await app.call("fs/copy", paths("d", "d2", recursive=True))
    assert os.readlink(tree / "d2" / "link") == "../f"
    error = await refused(app, "fs/copy", **paths("d", "d3"))
    assert error["message"] == "fs/copy requires recursive: true when sourcePath is a directory"
    error = await refused(app, "fs/copy", **paths("d", "d/e/in", recursive=True))
    assert error["message"] == "fs/copy cannot copy a directory to itself or one of its descendants"
    error = await refused(app, "fs/copy", **paths("pipe", "p2"))
    assert error["message"] == "fs/copy only supports regular files, directories, and symlinks"
    assert await refused(app, "fs/copy", **paths("nope", "x")) == GONE


async def test_a_symlink_is_removed_and_not_what_it_leads_to(app, tree):
    (tree / "dl").symlink_to("d")
    await app.call("fs/remove", {"path": f"{tree}/dl"})
    assert (tree / "d" / "e").is_dir()
    error = await refused(app, "fs/remove", path=f"{tree}/d", recursive=False)
    assert error["message"] == "Directory not empty (os error 39)"
    await app.call("fs/remove", {"path": f"{tree}/d"})
    assert not (tree / "d").exists()
    assert await app.call("fs/remove", {"path": f"{tree}/d"}) == {}
    assert await refused(app, "fs/remove", path=f"{tree}/d", force=False) == GONE


async def test_changes_of_a_folder_and_of_a_file_to_come_are_told_until_unwatched(app, tree, fits):
    watched = await app.call("fs/watch", {"path": f"{tree}/d", "watchId": "folder"})
    assert fits("v2/FsWatchResponse", watched) == {"path": f"{tree}/d"}
    await app.call("fs/watch", {"path": f"{tree}/later", "watchId": "file"})
    taken = await refused(app, "fs/watch", path=str(tree), watchId="folder")
    assert taken["message"] == "watchId already exists: folder"
    (tree / "d" / "e" / "deep").write_text("not told: it lies deeper")
    (tree / "d" / "new").write_text("x")
    told = (await app.until("fs/changed", watchId="folder"))["params"]
    assert fits("v2/FsChangedNotification", told)["changedPaths"] == [f"{tree}/d/new"]
    (tree / "later").write_text("x")
    assert (await app.until("fs/changed", watchId="file"))["params"]["changedPaths"] == [f"{tree}/later"]
    assert await app.call("fs/unwatch", {"watchId": "folder"}) == {}
    assert await app.call("fs/unwatch", {"watchId": "nobody"}) == {}
    (tree / "d" / "newer").write_text("x")
    (tree / "later").write_text("y")
    await app.until("fs/changed", watchId="file")
    await app.call("fs/watch", {"path": f"{tree}/d", "watchId": "folder"})
    folder = [m for m in app.heard if m["method"] == "fs/changed" and m["params"]["watchId"] == "folder"]
    assert all(m["params"]["changedPaths"] == [f"{tree}/d/new"] for m in folder)
    assert await refused(app, "fs/watch", path="/no/such/folder/file", watchId="z") == GONE
