"""An image's answer is the same, bit for bit, whatever is asked with it."""

import pytest
import torch
from torch import nn

import blindspots as bs
from blindspots.engine.batch import Pair
from blindspots.engine.device import lay_out, steadily, steady_layers
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.methods import METHODS, make_method
from tests.support.toys import random_images, toy


def layered():
    """Every kind of layer whose kernel torch chooses by the number of rows."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 64, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 512),
        nn.ReLU(),
        nn.Linear(512, 5),
    )


def answers(model, images):
    said = Evaluator(model).evaluate(images, torch.arange(len(images)) % 5)
    return said.score, said.objective, said.gradient


@pytest.fixture
def threads():
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("spec", ["zoo:shapes-resnet", "zoo:shapes-vit", "layers of torch"])
def test_an_image_is_answered_alike_in_any_company(spec, count, threads):
    threads(count)
    model = lay_out(bs.load_model(spec)) if spec.startswith("zoo") else toy(layered())
    images = torch.rand(17, 3, *model.size)
    with model.frozen():
        among = answers(model, images)
        for size in (1, 2, 5, 15 if count == 1 else 16):
            for some, all_of_them in zip(answers(model, images[:size]), among, strict=True):
                assert torch.equal(some, all_of_them[:size]), size


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_ends_bit_for_bit_alike_alone_and_among_others(method):
    images = random_images(6)
    todo = [Pair(f"pair-{i}", images[i], images[i + 1]) for i in range(5)]
    chosen = make_method(method, settings={"max_steps": "48"})

    def found(slots):
        engine = Engine(Evaluator(toy(layered())), chosen, slots=slots)
        return {end.pair.id: end for ended in engine.run(todo) for end in ended}

    alone, together = found(1), found(32)
    for name, end in alone.items():
        assert torch.equal(end.found, together[name].found)
        assert (end.ending, end.steps, end.p_found) == (
            together[name].ending,
            together[name].steps,
            together[name].p_found,
        )


def test_other_layers_and_other_inputs_are_left_alone():
    class Own(nn.Linear):
        def forward(self, input):
            return super().forward(input - input.mean(dim=0))

    own, plain, spread, patched = Own(4, 4), nn.Linear(4, 4), nn.Conv2d(3, 4, 1), nn.Linear(4, 4)
    vars(patched)["forward"] = torch.relu
    layers = steady_layers(nn.Sequential(own, plain, spread, patched))
    assert [layer for layer, _ in layers] == [plain, spread]
    with steadily(layers):
        assert [layer for layer, _ in steady_layers(plain)] == [plain]
    tokens, one = torch.rand(2, 3, 4), torch.rand(3, 5, 5)
    before = plain(tokens), plain(input=tokens[0]), spread(one)
    with steadily(layers):
        inside = plain(tokens), plain(input=tokens[0]), spread(one)
    for had, has in zip(before, inside, strict=True):
        torch.testing.assert_close(has, had)


def test_the_layers_are_as_they_were_afterwards_also_after_a_failure():
    layer = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="odd"), steadily(steady_layers(layer)):
        assert "forward" in layer.__dict__
        raise ValueError("odd")
    assert "forward" not in layer.__dict__


def test_a_model_sees_no_more_images_than_it_is_asked_about():
    seen = []
    layers = layered()
    model = toy(layers)
    layers[0].register_forward_pre_hook(lambda _layer, given: seen.append(len(given[0])))
    with model.frozen():
        answers(model, random_images(1))
    assert seen == [1]
