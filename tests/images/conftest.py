"""A folder of images as people have them."""

import pytest

from tests.images.material import encoded, noise, write


@pytest.fixture
def photos(tmp_path):
    """Two classes, three images, and what tends to lie about."""
    root = tmp_path / "photos"
    write(root / "cat" / "Tom & friends.png", seed=1)
    write(root / "cat" / "deep" / "b.JPG", encoded(noise(seed=2), "JPEG"))
    write(root / "dog" / "b.png", seed=3)
    write(root / "cat" / ".hidden.png", seed=4)
    write(root / ".cache" / "x.png", seed=5)
    write(root / "cat" / "notes.txt", b"mine")
    return root
