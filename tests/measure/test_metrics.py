"""Distances against scikit-image, lpips and their formulas."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import blindspots as bs
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.measure import metrics
from blindspots.measure.hulls import Corners
from blindspots.measure.measurer import Measurer
from blindspots.models import repositories
from tests.support.pictures import write_backbone


def images(count=3, height=40, width=33, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator)


def wang(a, b):
    from skimage.metrics import structural_similarity

    return structural_similarity(
        a.permute(1, 2, 0).double().numpy(),
        b.permute(1, 2, 0).double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1,
    )


PAIRS = {
    "noise": (images(), images(seed=1)),
    "near": (images(), (images() + 0.05 * images(seed=2)).clamp(0, 1)),
    "smallest": (images(height=11, width=11), images(height=11, width=11, seed=1)),
    "flat": (torch.full((2, 3, 16, 16), 0.25), torch.full((2, 3, 16, 16), 0.75)),
    "one": (images(count=1), images(count=1, seed=1)),
}


@pytest.mark.parametrize("case", PAIRS)
def test_ssim_equals_scikit_image_with_wangs_settings(case):
    a, b = PAIRS[case]
    expected = [wang(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(metrics.ssim(a, b).numpy(), expected, atol=1e-6, rtol=0)


def test_equal_images_are_at_no_distance():
    a = images()
    assert metrics.ssim(a, a).tolist() == pytest.approx([1, 1, 1], abs=1e-12)
    assert metrics.rmse(a, a).tolist() == metrics.linf(a, a).tolist() == [0, 0, 0]


def test_ssim_of_images_below_its_window_is_refused():
    with pytest.raises(UsageError, match="at least 11 × 11 pixels, but these are 10 × 12"):
        metrics.ssim(images(height=10, width=12), images(height=10, width=12))


def test_rmse_and_linf_follow_their_formulas_per_sample():
    a, b = PAIRS["noise"]
    difference = (a.double() - b.double()).numpy().reshape(3, -1)
    np.testing.assert_allclose(metrics.rmse(a, b), np.sqrt((difference**2).mean(1)))
    np.testing.assert_allclose(metrics.linf(a, b), np.abs(difference).max(1))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("hub") / "checkpoints")


@pytest.fixture(scope="module")
def ours(backbone):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_LPIPS_SHA256", "")
        return metrics.Lpips(backbone)


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize("side", [31, 64])
def test_lpips_equals_the_lpips_package(ours, backbone, side):
    import lpips

    evaluator = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(backbone, weights_only=True)
    for key, weight in evaluator.net.named_parameters():
        weight.data = state[f"features.{key.partition('.')[2]}"]
    a, b = images(2, side, side), images(2, side, side, seed=1)
    with torch.no_grad():
        expected = evaluator(2 * a - 1, 2 * b - 1).flatten()
    torch.testing.assert_close(ours(a, b), expected, atol=1e-7, rtol=1e-5)


def test_lpips_of_one_pair_is_one_number_and_zero_for_equal_images(ours):
    a = images(1, 64, 64)
    assert ours(a, a).tolist() == [0]


def test_lpips_of_images_too_small_for_its_backbone_is_refused(ours):
    with pytest.raises(UsageError, match="at least 31 pixels"):
        ours(images(1, 30, 40), images(1, 30, 40))


def test_a_backbone_of_another_hash_is_refused(backbone):
    with pytest.raises(UsageError, match=r"values' SHA-256 begins with .*, not [0-9a-f]{8}; exp"):
        metrics.find_lpips(backbone)


def test_a_file_without_the_convolutions_is_no_backbone(tmp_path):
    save_file({"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"lacks the convolutions of torchvision's AlexNet; give"):
        metrics.find_lpips(tmp_path / "w.pth")


def test_a_download_that_cannot_be_had_names_the_file_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(repositories, "answers", lambda _: False)
    with pytest.raises(UsageError, match=r"cannot be had .*; give a file that has them as"):
        metrics.find_lpips("download")
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_fetched_once(backbone, tmp_path, monkeypatch):
    fetched = []

    def fetch(address, file, progress):
        fetched.append((address.rpartition("/")[2], progress))
        shutil.copy(backbone, file)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(repositories, "answers", lambda _: True)
    monkeypatch.setattr(repositories, "file_digest", lambda _: "7be5be79")
    monkeypatch.setattr(metrics, "_LPIPS_SHA256", "")
    assert metrics.find_lpips("download")[0] is not None
    assert metrics.find_lpips("download")[0] is not None
    assert fetched == [(metrics.LPIPS_FILE, False)]


def test_a_missing_backbone_is_refused_only_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found, note = metrics.find_lpips()
    assert found is None
    assert note is not None
    assert "--lpips-weights FILE" in note
    with pytest.raises(UsageError, match="no weights file"):
        metrics.find_lpips(tmp_path / "none.pth")


def test_a_backbone_in_the_hubs_cache_is_checked_too(backbone, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(backbone.parent.parent))
    with pytest.raises(UsageError, match="not LPIPS's backbone"):
        metrics.find_lpips()


@pytest.mark.parametrize(("side", "known"), [(30, False), (31, True)])
def test_lpips_is_measured_where_images_are_large_enough_and_else_left_out(ours, side, known):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * side * side, 2))
    model = bs.Classifier(module, size=side)
    source, target = images(2, side, side)
    (row,) = Measurer(model, Evaluator(model), 0.2, ours).nulls([Corners((source, target), 0)])
    assert ("random_pair_lpips" in row) is known
    if known:
        expected = ours(source[None], target[None]).item()
        assert row["random_pair_lpips"] == pytest.approx(expected, rel=1e-5)
