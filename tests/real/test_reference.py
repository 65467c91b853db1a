"""The reference method on a real ImageNet classifier, against what the authors' script returned."""

import pytest
import torch

import blindspots as bs
from tests.real.assets import ASSETS, MODEL, REAL

pytestmark = REAL


@pytest.fixture(scope="module")
def golden():
    from safetensors.torch import load_file

    return load_file(ASSETS / "golden" / "reference_traversal.safetensors")


@pytest.fixture(scope="module")
def model():
    return bs.load_model(MODEL)


@pytest.mark.parametrize("iterations", [1, 25])
def test_the_authors_script_is_reproduced(model, golden, iterations):
    result = bs.traverse(
        model,
        golden["sources"].float() / 255,
        golden["targets"].float() / 255,
        golden["labels"].tolist(),
        method=bs.Reference(max_steps=iterations, jitter=0),
    )
    deviation = (result.found - golden[f"found_{iterations}"]).square().mean(dim=(1, 2, 3)).sqrt()
    assert deviation.max() <= 1e-4
    expected = golden[f"confidence_{iterations}"]
    torch.testing.assert_close(result.confidence, expected, atol=1e-3, rtol=0)
    assert set(result.ending) == {bs.Ending.FINISHED}
