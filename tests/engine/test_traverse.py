import pytest
import torch
from safetensors import safe_open

import blindspots as bs
from blindspots.cli.options import MethodFlags
from blindspots.methods import make_method
from tests.support.toys import SIDE, convolutional, random_images, toy

SHORT = bs.Reference(max_steps=5)


def test_the_default_method_is_star_on_the_command_line():
    assert (make_method(), bs.Confidence()) == MethodFlags().build() == (bs.Star(), bs.Confidence())


def test_labels_default_to_what_the_model_says():
    model, sources, targets = toy(convolutional()), random_images(4), random_images(4, 1)
    said = model(sources).argmax(1)
    result = bs.traverse(model, sources, targets, method=SHORT)
    assert torch.equal(result.label, said)
    wrong = bs.traverse(model, sources, targets, (said + 1) % 5, method=SHORT)
    assert set(wrong.ending) == {bs.Ending.SOURCE_MISCLASSIFIED}


def test_without_ids_the_content_keys_the_draws():
    model, sources, targets = toy(convolutional()), random_images(3), random_images(3, 1)
    together = bs.traverse(model, sources, targets, method=SHORT)
    turned = bs.traverse(model, sources.flip(0), targets.flip(0), method=SHORT)
    assert together.ids == turned.ids[::-1]
    torch.testing.assert_close(together.found, turned.found.flip(0), atol=1e-6, rtol=0)


def test_the_same_pair_twice_gives_the_same_twice():
    model, source, target = toy(convolutional()), random_images(1), random_images(1, 1)
    result = bs.traverse(model, source.repeat(2, 1, 1, 1), target.repeat(2, 1, 1, 1), method=SHORT)
    torch.testing.assert_close(result.found[0], result.found[1], atol=1e-6, rtol=0)


def test_a_result_is_saved_whole(tmp_path):
    result = bs.traverse(toy(convolutional()), random_images(2), random_images(2, 1), method=SHORT)
    path = result.save(tmp_path / "result.safetensors")
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("found"), result.found)
        assert torch.equal(file.get_tensor("confidence"), result.confidence)
        assert file.metadata()["ids"].split("\n") == result.ids
        assert file.metadata()["endings"] == "finished\nfinished"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": random_images(3)}, r"both must be \(pairs, 3, 4, 4\)"),
        ({"sources": torch.rand(2, 3, 8, 8), "targets": torch.rand(2, 3, 8, 8)}, "for this model"),
        ({"sources": random_images(2) * 255}, "divide 8-bit images by 255"),
        ({"targets": random_images(2) - 1}, "targets hold values from"),
        ({"sources": random_images(2) * torch.nan}, "sources hold values"),
        ({"labels": [1]}, "1 labels were given for 2 pairs"),
        ({"ids": ["a"]}, "1 ids were given for 2 pairs"),
        ({"groups": ["a"]}, "1 groups were given for 2 pairs"),
        ({"groups": ["a", "a"], "method": bs.Fan()}, "the group 'a' holds pairs of different"),
        ({"method": bs.Reference(delta=1.5)}, "--delta 1.5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_traversed_is_refused(change, words):
    given = {"sources": random_images(2), "targets": random_images(2, 1), "method": SHORT} | change
    with pytest.raises(bs.Refused, match=words):
        bs.traverse(toy(convolutional()), **given)


def test_float_noise_at_the_bounds_is_in_range():
    sources = random_images(1)
    sources[0, 0, 0, 0] = -3e-8
    found = bs.traverse(toy(convolutional()), sources, sources, method=SHORT).found
    assert found.shape == (1, 3, SIDE, SIDE)
