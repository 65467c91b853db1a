"""Image files of every kind become the right RGB, or say why not."""

import time
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from blindspots.images.decode import SUFFIXES, Unreadable, decode, examine
from tests.images.material import encoded, noise


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def flat_array(value, dtype):
    return Image.fromarray(np.full((6, 4), value, dtype))


def palette():
    image = Image.new("P", (4, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


def frames(*colours):
    first, *rest = [Image.new("RGB", (4, 6), colour) for colour in colours]
    return encoded(first, "GIF", save_all=True, append_images=rest)


def deep_colour():
    """A PNG of 16-bit RGB, which Pillow reads and does not write: 1 × 1, value 0xABCD."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + b"\xab\xcd" * 3))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


RED = Image.new("RGB", (4, 6), (255, 0, 0))
DECODED = {
    "rgb": (encoded(RED), (255, 0, 0), ""),
    "bmp": (encoded(RED, "BMP"), (255, 0, 0), ""),
    "webp": (encoded(RED, "WEBP", lossless=True), (255, 0, 0), ""),
    "grey": (encoded(Image.new("L", (4, 6), 77)), (77, 77, 77), "greyscale"),
    "grey jpeg": (encoded(Image.new("L", (4, 6), 77), "JPEG"), (77, 77, 77), "greyscale"),
    "bilevel": (encoded(Image.new("1", (4, 6), 1)), (255, 255, 255), "greyscale"),
    "palette": (encoded(palette()), (10, 20, 30), ""),
    "palette, clear": (encoded(palette(), transparency=1), (255, 255, 255), "on white"),
    "clear": (encoded(Image.new("RGBA", (4, 6), (255, 0, 0, 0))), (255, 255, 255), "on white"),
    "half clear": (
        encoded(Image.new("RGBA", (4, 6), (255, 0, 0, 51))),
        (255, 204, 204),
        "on white",
    ),
    "grey, clear": (encoded(Image.new("LA", (4, 6), (0, 0))), (255, 255, 255), "on white"),
    "cmyk tiff": (
        encoded(Image.new("CMYK", (4, 6), (0, 255, 255, 0)), "TIFF"),
        (255, 0, 0),
        "CMYK converted",
    ),
    "16-bit top": (encoded(flat_array(65535, np.uint16)), (255, 255, 255), "16-bit"),
    "16-bit mid": (encoded(flat_array(32896, np.uint16)), (128, 128, 128), "16-bit"),
    "16-bit low": (encoded(flat_array(300, np.uint16)), (1, 1, 1), "16-bit"),
    "16-bit tiff": (encoded(flat_array(32896, np.uint16), "TIFF"), (128, 128, 128), "16-bit"),
    "16-bit colour": (deep_colour(), (0xAB, 0xAB, 0xAB), "16-bit"),
    "32-bit": (encoded(flat_array(65535, np.int32), "TIFF"), (255, 255, 255), "16-bit"),
    "float": (encoded(flat_array(0.5, np.float32), "TIFF"), (128, 128, 128), "greyscale"),
    "animated": (frames("blue", "red"), (0, 0, 255), "first of 2 frames"),
}


@pytest.mark.parametrize("case", DECODED)
def test_every_kind_of_file_becomes_the_right_rgb(case):
    data, pixel, said = DECODED[case]
    found = decode(data)
    assert found.image.mode == "RGB"
    assert found.image.getpixel((0, 0)) == pixel
    assert said in "; ".join(found.converted)
    assert bool(said) == bool(found.converted)
    assert examine(data) == (found.image.size, found.converted)


def test_a_cmyk_jpeg_keeps_its_colours():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = decode(data).image.getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 16


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation, kind):
    upright = Image.new("RGB", (32, 48), "white")
    upright.paste("black", (0, 0, 16, 16))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    data = encoded(stored, kind, exif=exif(orientation))
    found = decode(data)
    assert found.image.size == upright.size == examine(data).size
    assert np.abs(np.asarray(found.image, float) - np.asarray(upright, float)).max() < 40
    assert bool(found.converted) == (orientation > 1)


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"hello, I am no image", "no image"),
    "cut jpeg": (encoded(noise(), "JPEG")[:-400], "damaged"),
    "cut png": (encoded(noise())[:-400], "damaged"),
    "cut in the header": (encoded(noise())[:20], "damaged"),
    "cut gif": (encoded(noise(), "GIF")[:-400], "damaged"),
    "float out of range": (encoded(flat_array(2.0, np.float32), "TIFF"), "expected 0 to 1"),
    "int out of range": (encoded(flat_array(70000, np.int32), "TIFF"), "expected 0 to 65535"),
    "bomb": (encoded(Image.new("1", (15000, 15000))), "million pixels"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("read", [decode, examine])
def test_what_cannot_be_read_says_why(case, read):
    data, reason = DAMAGED[case]
    with pytest.raises(Unreadable, match=reason):
        read(data)


@given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF"]))
def test_a_damaged_byte_is_decoded_or_unreadable_and_nothing_else(place, value, kind):
    data = bytearray(encoded(noise(24, 16), kind))
    data[place % len(data)] = value
    try:
        size = decode(bytes(data)).image.size
    except Unreadable:
        return
    assert examine(bytes(data)).size == size


def png_with(**options):
    return encoded(noise(12, 8), "PNG", **options)


def text(size, *, behind=False, zip=True):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * size, zip=zip)
    data = png_with(pnginfo=info)
    if not behind:
        return data
    start = data.index(b"zTXt") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    place = data.index(b"IEND") - 4
    return data[:start] + data[end:place] + data[start:end] + data[place:]


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(1_200_000)


@pytest.mark.parametrize(
    "data",
    [
        text(1_500_000),
        text(1_500_000, behind=True),
        text(70_000_000),
        text(70_000_000, zip=False),
        png_with(icc_profile=profile()),
    ],
    ids=["text", "behind the pixels", "much text", "plain text", "profile"],
)
def test_a_whole_png_is_read_whatever_is_written_beside_its_pixels(data):
    assert np.array_equal(np.asarray(decode(data).image), np.asarray(noise(12, 8)))
    assert examine(data) == ((12, 8), ())


@pytest.mark.parametrize("kind", [b"tEXt", b"tIME", b"IHDR"])
def test_another_check_sum_of_a_text_is_read_past_and_of_pixels_is_not(kind):
    image = noise(9, 7)
    data = encoded(image)
    chunk = kind + (b"a" * 7 if kind != b"IHDR" else data[16:29])
    size = (len(chunk) - 4).to_bytes(4)
    wrong = data[:8] + size + chunk + b"none" + data[33:]
    if kind == b"IHDR":
        with pytest.raises(Unreadable):
            decode(wrong)
        return
    wrong = data[:33] + size + chunk + b"none" + data[33:]
    assert np.array_equal(np.asarray(decode(wrong).image), np.asarray(image))
    examine(wrong)


def test_a_damaged_png_with_much_text_is_damaged():
    with pytest.raises(Unreadable, match="damaged"):
        decode(text(1_500_000)[:-60])


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, RecursionError, AttributeError])
@pytest.mark.parametrize("read", [decode, examine])
def test_whatever_a_decoder_raises_is_damage(monkeypatch, error, read):
    def load(_):
        raise error("AVIF decoding failed\nand more")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "verify", load)
    with pytest.raises(Unreadable, match=r"^it is damaged \(AVIF decoding failed\)$"):
        read(encoded(noise()))


def test_the_frames_of_a_long_film_are_not_counted():
    frame = encoded(Image.new("L", (1, 1)), "GIF", save_all=True)
    block = b"!\xf9\x04\0\0\0\0\0" + frame[frame.index(b",") : -1]
    film = frame[:-1] + block * 60_000 + b";"
    begun = time.perf_counter()
    assert "first of many frames taken" in decode(film).converted
    assert time.perf_counter() - begun < 0.5


def test_suffixes_are_lower_case_because_they_are_compared_so():
    assert all(suffix == suffix.lower() for suffix in SUFFIXES)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparency_is_composited_as_pillow_does_whatever_the_strips(mode, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (37, 23, 4), np.uint8)
    image = Image.fromarray(noise)
    image = image.quantize(16) if mode in ("P", "PA") else image.convert(mode)
    whole = image.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    data = BytesIO()
    image.save(data, "PNG")
    monkeypatch.setattr("blindspots.images.decode._STRIP", 23 * 5)
    assert np.array_equal(decode(data.getvalue()).image, expected)
