"""Uploads are decoded beside the server, to the same pixels, and cut off there."""

import io

import numpy as np
import psutil
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from blindspots.errors import UsageError
from blindspots.explorer.upload_decoder import UploadDecoder, seen
from blindspots.images.decode import decode
from blindspots.images.preprocessing import Preprocessing

GEOMETRIES = [Preprocessing(size=(24, 24)), Preprocessing(size=(20, 30), squash=True)]


def encoded(mode="RGB", size=(90, 60)):
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(out, "PNG")
    return out.getvalue()


def flat(size):
    out = io.BytesIO()
    Image.new("RGBA", size).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.fixture
def made():
    """Makes decoders, and ends what they started."""
    decoders = []

    def make(**limits):
        decoders.append(UploadDecoder(**limits))
        return decoders[-1]

    yield make
    for decoder in decoders:
        decoder.close()


def test_pixels_are_those_of_this_process_and_its_own_process_goes_on(made):
    decoder = made()
    for mode in ("RGB", "L", "RGBA"):
        data = encoded(mode)
        for one, geometry in zip(decoder.decode(data, GEOMETRIES), GEOMETRIES, strict=True):
            assert np.array_equal(one, np.array(geometry(decode(data).image)))
    with pytest.raises(UsageError, match="no image that can be read"):
        decoder.decode(b"nothing", GEOMETRIES)
    decoder.process.kill()
    decoder.process.join()
    assert len(decoder.decode(encoded(), GEOMETRIES)) == 2


@pytest.mark.parametrize("hidden", ["text", "profile"])
def test_a_png_with_long_texts_is_seen_as_one_without(hidden):
    image, out, info = Image.effect_noise((90, 60), 60).convert("RGB"), io.BytesIO(), PngInfo()
    info.add_text("workflow", "x" * 1_500_000 * (hidden == "text"), zip=True)
    profile = {"icc_profile": bytes(1_500_000)} if hidden == "profile" else {}
    image.save(out, "PNG", pnginfo=info, **profile)
    for one, geometry in zip(seen(out.getvalue(), GEOMETRIES), GEOMETRIES, strict=True):
        assert np.array_equal(one, np.array(geometry(image)))


def test_what_takes_too_long_is_cut_off_and_the_next_one_is_taken(made):
    decoder = made(seconds=0.0)
    with pytest.raises(UsageError, match=r"takes more than 0 seconds or .* scale the image down"):
        decoder.decode(encoded(), GEOMETRIES)
    assert decoder.process is None
    decoder.seconds = 20.0
    assert len(decoder.decode(encoded(), GEOMETRIES)) == 2


def test_what_takes_too_much_memory_is_refused_and_this_process_takes_none(made):
    decoder, data = made(memory=2**27), flat((5000, 5000))
    decoder.decode(encoded(), GEOMETRIES)
    before = psutil.Process().memory_info().rss
    with pytest.raises(UsageError, match="memory"):
        decoder.decode(data, GEOMETRIES)
    assert psutil.Process().memory_info().rss - before < 2**26
