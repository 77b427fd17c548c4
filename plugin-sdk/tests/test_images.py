"""Image files as data URLs."""

import base64
import os
import struct
import zlib

import pytest

from codex_plugin_sdk.images import MAX_IMAGE_BYTES, ImageError, ImageHeader, image_header, load_image_data_url


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width=3, height=2):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x10\x20\x30" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width=3, height=2, frame=0xC0):
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\1\1\0\0\1\0\1\0\0"
    sof = bytes([0xFF, frame]) + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    scan = b"\xff\xda" + struct.pack(">H", 8) + b"\1\1\0\0\x3f\0" + b"\x55\xaa"
    return b"\xff\xd8" + app0 + sof + scan + b"\xff\xd9"


def gif(width=3, height=2, version=b"GIF89a"):
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    picture = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0"
    return version + screen + picture + b"\x3b"


def webp(kind, body):
    data = b"WEBP" + kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def webp_lossy(width=3, height=2):
    return webp(b"VP8 ", b"\x30\1\0\x9d\1\x2a" + struct.pack("<HH", width, height) + b"\0" * 8)


def webp_lossless(width=3, height=2):
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 8)


def webp_extended(width=3, height=2):
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\0\0\0\0" + sides)


SAMPLES = {
    "png": (png, "image/png"),
    "jpeg": (jpeg, "image/jpeg"),
    "gif": (gif, "image/gif"),
    "webp-lossy": (webp_lossy, "image/webp"),
    "webp-lossless": (webp_lossless, "image/webp"),
    "webp-extended": (webp_extended, "image/webp"),
}
each_kind = pytest.mark.parametrize(("make", "media_type"), SAMPLES.values(), ids=SAMPLES)


def refusal(path):
    with pytest.raises(ImageError) as caught:
        load_image_data_url(str(path))
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    def write(data, name="picture.png"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@each_kind
def test_image_becomes_data_url_with_its_own_bytes(make, media_type, file):
    url = load_image_data_url(str(file(make(), "no-telling-name")))
    head, _, body = url.partition(",")
    assert head == f"data:{media_type};base64"
    assert base64.b64decode(body, validate=True) == make()


@each_kind
def test_width_and_height_are_read_and_not_swapped(make, media_type):
    assert image_header(make(1234, 77)) == ImageHeader(media_type=media_type, width=1234, height=77)


@pytest.mark.parametrize("make", [webp_extended, png])
def test_sizes_above_sixteen_bits_are_read(make):
    assert image_header(make(70_000, 1)).width == 70_000


def test_progressive_jpeg_and_old_gif_are_images_too():
    assert image_header(jpeg(frame=0xC2)).width == 3
    assert image_header(gif(version=b"GIF87a")).height == 2


def test_jpeg_segments_that_look_like_frames_are_skipped():
    tables = b"\xff\xc4" + struct.pack(">H", 6) + b"\0\1\2\3"
    padded = jpeg().replace(b"\xff\xc0", tables + b"\xff\xff\xff\xc0", 1)
    assert image_header(padded).width == 3


@pytest.mark.parametrize("make", [png, jpeg, gif, webp_lossy])
def test_image_without_width_or_height_is_refused(make, file):
    assert refusal(file(make(0, 2))).endswith("is no usable image: it has no width or no height")
    assert refusal(file(make(2, 0))).endswith("is no usable image: it has no width or no height")


@pytest.mark.parametrize("make", [png, jpeg, webp_lossy, webp_lossless, webp_extended])
def test_image_cut_off_anywhere_is_refused(make):
    whole = make()
    for length in range(1, len(whole)):
        with pytest.raises(ImageError):
            image_header(whole[:length])


def test_gif_cut_off_before_its_first_image_is_refused_as_cut_off():
    whole = gif()
    for length in range(1, whole.index(b"\x2c")):
        with pytest.raises(ImageError, match="is cut off"):
            image_header(whole[:length])


@each_kind
def test_header_cut_off_is_named_with_the_path(make, media_type, file):
    path = file(make()[:12])
    assert refusal(path) == f"{path} is cut off: its header is not complete"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"0123456789abc") + chunk(b"IEND", b""),
        png().replace(chunk(b"IDAT", zlib.compress((b"\0" + b"\x10\x20\x30" * 3) * 2)), b""),
        b"\xff\xd8\xff\xda" + b"\0" * 40,
        b"\xff\xd8\xff\xe0\0\0" + b"\0" * 40,
        b"GIF89a" + b"\1\0\1\0\0\0\0" + b"nothing",
        webp(b"ALPH", b"\0" * 20),
        webp(b"ANIM", b"\0" * 20),
    ],
    ids=[
        "png-no-header",
        "png-no-pixels",
        "jpeg-no-frame",
        "jpeg-no-length",
        "gif-no-image",
        "webp-alpha",
        "webp-anim",
    ],
)
def test_file_that_only_begins_like_an_image_is_refused(data, file):
    assert "is no valid" in refusal(file(data))


@pytest.mark.parametrize(
    "text",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "\ufeff\n <?xml version='1.0'?><!-- drawn --><SVG/>",
        "<!-- drawn --><svg/>",
        "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'><svg/>",
    ],
)
def test_svg_is_refused_with_its_reason(text, file):
    path = file(text.encode(), "drawing.svg")
    assert refusal(path).startswith(f"{path} is an SVG drawing, which models cannot see: render it to PNG")


@pytest.mark.parametrize(
    "data", [b"hello, world", b"%PDF-1.7", b"BM" + b"\0" * 60, b"<html><svg/></html>", b"RIFF\4\0\0\0WAVEfmt "]
)
def test_what_is_no_image_is_refused_whatever_its_name(data, file):
    path = file(data, "claims.png")
    assert refusal(path) == f"{path} is not an image that models can see (PNG, JPEG, GIF or WebP)"


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "gone.png"
    assert refusal(path) == f"{path} does not exist"


def test_folder_is_named(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path} is a folder, not an image file"


def test_empty_file_is_named(file):
    path = file(b"")
    assert refusal(path) == f"{path} is empty"


def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert refusal(path) == f"{path} is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_named(file):
    path = file(png())
    path.chmod(0)
    assert refusal(path) == f"{path} cannot be read: Permission denied"


def test_error_of_the_system_is_told_in_its_words(file):
    path = file(png()) / "below-a-file.png"
    assert refusal(path) == f"{path} cannot be read: Not a directory"


def test_path_with_a_zero_byte_is_an_image_error():
    assert "cannot be read" in refusal("a\0b.png")


def test_file_at_the_limit_is_read_and_one_byte_more_is_not(file):
    spare = MAX_IMAGE_BYTES - len(png())
    path = file(png() + b"\0" * spare)
    assert load_image_data_url(str(path)).startswith("data:image/png;base64,")
    with path.open("ab") as more:
        more.write(b"\0")
    assert refusal(path) == f"{path} is too large: at most 20 MB are read; scale it down"
