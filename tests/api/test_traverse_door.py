"""What a researcher hands to `traverse` first is accepted, or refused with a sentence."""

import base64
import io
import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import blindspots as bs
from blindspots.engine.scheduler import Engine
from blindspots.methods import METHODS
from tests.support import checker
from tests.support.toys import convolutional, random_images, toy

SHORT = bs.Reference(max_steps=3)
SOURCES, TARGETS = random_images(2), random_images(2, 1)


@pytest.fixture
def model():
    return toy(convolutional())


def traverse(model, sources=SOURCES, targets=TARGETS, **given):
    return bs.traverse(model, sources, targets, **{"method": SHORT} | given)


def assert_same(one, other):
    assert one.ids == other.ids
    assert torch.equal(one.found, other.found)


def test_a_plain_module_is_wrapped_and_the_warning_says_how(model):
    with pytest.warns(UserWarning, match=r"Sequential was given .*mean 0, std 1.*4 × 4 pixels"):
        found = traverse(convolutional())
    assert_same(found, traverse(model))


def test_a_classifier_is_taken_without_a_warning(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traverse(model)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_converted(model, dtype):
    asked = traverse(model, SOURCES.numpy().astype(dtype), TARGETS.numpy().astype(dtype))
    assert_same(asked, traverse(model))
    assert asked.found.dtype == torch.float32


def test_double_precision_and_what_requires_a_gradient_is_converted(model):
    assert_same(traverse(model, SOURCES.double(), TARGETS.requires_grad_()), traverse(model))


def test_a_list_of_images_is_a_batch(model):
    assert_same(
        traverse(model, list(SOURCES), [one.numpy() for one in TARGETS.detach()]), traverse(model)
    )


def test_one_image_without_a_batch_axis_is_a_batch_of_one(model):
    assert_same(traverse(model, SOURCES[0], TARGETS[0]), traverse(model, SOURCES[:1], TARGETS[:1]))


def test_one_target_goes_with_every_source_and_one_source_with_every_target(model):
    many = traverse(model, SOURCES, TARGETS[0])
    assert_same(many, traverse(model, SOURCES, TARGETS[[0, 0]]))
    star = traverse(model, SOURCES[:1], TARGETS, labels=int(many.label[0]))
    assert_same(star, traverse(model, SOURCES[[0, 0]], TARGETS, labels=[int(many.label[0])] * 2))


@pytest.mark.parametrize("name", [*METHODS, None])
def test_a_method_is_found_by_its_name_and_is_star_without_one(model, name, monkeypatch):
    asked = []

    def engine(evaluator, method, *rest):
        asked.append(method)
        return Engine(evaluator, SHORT, *rest)

    monkeypatch.setattr("blindspots.api.traverse.Engine", engine)
    assert len(traverse(model, method=name)) == 2
    assert asked == [METHODS[name or "star"]()]


def test_labels_may_be_an_array(model):
    said = traverse(model).label
    assert_same(traverse(model, labels=said.numpy()), traverse(model, labels=said.tolist()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"model": "zoo:shapes-resnet"},
            "'zoo:shapes-resnet' was given as the model; .*load_model",
        ),
        ({"model": nn.Linear}, "the class Linear was given as the model"),
        ({"sources": "photo.png"}, "'photo.png' was given as sources; .*load_images"),
        ({"sources": None}, "a NoneType was given as sources"),
        ({"sources": [SOURCES[0], SOURCES[0, 0]]}, "sources cannot be joined to one batch"),
        ({"sources": (255 * SOURCES).byte()}, r"sources hold uint8; .*type sources / 255"),
        ({"targets": TARGETS[0, 0]}, r"targets of shape \(4, 4\) were given; expected \(batch, 3"),
        ({"targets": TARGETS[:0]}, r"targets of shape \(0, 3, 4, 4\)"),
        ({"sources": SOURCES.movedim(1, 3)}, r"type sources.permute\(0, 3, 1, 2\)"),
        ({"sources": SOURCES[:, :1]}, r"sources of shape \(2, 1, 4, 4\)"),
        ({"method": "stra"}, "method='stra' is unknown; .*star"),
        ({"method": bs.Star}, "the class Star was given as the method; .*method='star'"),
        ({"score": "margin"}, "'margin' was given as the score"),
        ({"labels": [5, 0]}, "the label 5 was given and model has 5 classes"),
        ({"labels": [0.5, 1]}, "a list was given as labels; expected one whole number per pair"),
        ({"batch": 0}, "batch=0 was given"),
        ({"snapshots": -1}, "snapshots=-1 was given"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused_in_one_sentence(model, change, words):
    checker.watch(False)
    given = {"model": model} | change
    with pytest.raises(bs.UsageError, match=words) as refusal:
        traverse(**given)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def corners(model):
    images = random_images(3)
    return images, int(model(images[:1]).argmax())


def test_hulls_take_a_batch_axis_of_one_arrays_and_a_label_as_a_tensor(model, corners):
    images, label = corners
    plain = bs.triangle(model, *images, label, steps=3)
    assert re.fullmatch(r"<triangle of 10 points: source \S+, mean \S+, minimum \S+>", repr(plain))
    loose = bs.triangle(
        model, *(x[None].double().numpy() for x in images), torch.tensor([label]), 3
    )
    assert torch.equal(plain.confidence, loose.confidence)
    line = bs.segment(model, images[:1], images[1:2], label, 11)
    assert torch.equal(line.confidence, bs.segment(model, *images[:2], label, 11).confidence)
    cloud = bs.simplex(model, images[:1], images[1:], label, 20)
    again = bs.simplex(model, images[0], list(images[1:]), label, 20)
    assert torch.equal(cloud.confidence, again.confidence)


def test_a_triangle_shows_itself_in_a_notebook_at_its_true_distances():
    model, images = toy(convolutional()), random_images(3)
    shown = bs.triangle(model, *images, 0, steps=3)
    (data,) = re.findall(r'base64,([^"]+)"', shown._repr_html_())
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 10
    assert f"{float((images[0] - images[1]).square().mean().sqrt()):.3f}"[1:] in "".join(
        text.get_text() for text in shown.plot().texts
    )
    authors = bs.triangle(model, *images, 0, grid="reference")
    assert "<img" not in authors._repr_html_()
    with pytest.raises(bs.UsageError, match="lacks two corners"):
        authors.plot()


def test_a_hull_of_a_plain_module_warns(model, corners):
    images, label = corners
    with pytest.warns(UserWarning, match="mean 0, std 1"):
        asked = bs.triangle(convolutional(), *images, label, 3)
    assert torch.equal(asked.confidence, bs.triangle(model, *images, label, 3).confidence)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m, x: bs.triangle(m, x, x[1], x[2], 0), "3 images were given as source"),
        (lambda m, x: bs.segment(m, x[0], "b.png", 0), "'b.png' was given as found"),
        (lambda m, x: bs.segment(m, x[0], x[1], 7), "the label 7 was given"),
        (lambda m, x: bs.segment(m, x[0], x[1], -1), "the label -1 was given"),
        (lambda m, x: bs.segment(m, x[0], x[1], None), "label=None was given"),
        (lambda m, x: bs.segment(m, x[0], x[1], [0, 1]), r"label=\[0, 1\] was given"),
        (lambda m, x: bs.simplex(m, x[0], x[1:] * 2, 0), "found hold values from"),
        (
            lambda m, x: bs.segment(m, x[0], torch.rand(3, 8, 8), 0),
            r"found of shape \(1, 3, 8, 8\)",
        ),
    ],
)
def test_a_hull_of_what_cannot_be_used_is_refused(model, corners, ask, words):
    checker.watch(False)
    with pytest.raises(bs.UsageError, match=words):
        ask(model, corners[0])
