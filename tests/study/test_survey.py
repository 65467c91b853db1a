"""What models say of clean images, before anything is traversed."""

import pytest
import torch

from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.errors import UsageError
from blindspots.images import load_images
from blindspots.models.classifier import Classifier
from blindspots.study.survey import survey
from tests.support.tiny_model import SIDE, Around, build


def surveyed(spec, behind):
    images, model = load_images(spec), Classifier(Around(build(), behind=behind), size=SIDE)
    subject = Subject("tiny", model, images, Evaluator(model), "", batch=15)
    return survey([subject], range(len(images)), 1, {})


def test_a_sigmoid_at_the_end_is_refused_and_the_advice_helps(tiny_images):
    with pytest.raises(UsageError, match=r"as after a sigmoid.* torch\.logit"):
        surveyed(tiny_images, torch.sigmoid)
    assert len(surveyed(tiny_images, lambda z: z.sigmoid().logit()).seen) == 15
