"""Scores: their formulas, what traversals hold of them, and runs that hold them."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import blindspots as bs
from blindspots.cli.main import call
from blindspots.engine.evaluator import Evaluator
from blindspots.reporting.tables import build_table
from blindspots.scores import describe_score, make_score, parse_score
from blindspots.study.targets import draw_outside
from tests.support.tiny import MODEL, run, spec, without_figures
from tests.support.toys import SIDE, Linear, convolutional, random_images, random_linear, toy

SEEDS = st.integers(0, 2**31)
CLASSES = 5
FEATURES = 6
SCORES = [bs.Confidence(), bs.Group([0, 3]), bs.Margin(), bs.Embedding()]
SCORE = pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
METHODS = [
    bs.Adaptive(max_steps=30),
    bs.Star(max_steps=12),
    bs.Fan(max_steps=8),
    bs.Paper(max_steps=20),
    bs.Reference(max_steps=20),
]
METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def embedder(seed=0):
    return bs.Classifier(convolutional(seed, classes=FEATURES), size=SIDE, embeds=True)


def model_for(score, seed=0):
    if score.embeds:
        return embedder(seed)
    return toy(_Shifted(convolutional(seed, classes=CLASSES), torch.zeros(CLASSES), scale=20))


def answers(score, seed, count=7, scale=4.0):
    generator = torch.Generator().manual_seed(seed)
    answer = scale * torch.randn(count, FEATURES if score.embeds else CLASSES, generator=generator)
    other = scale * torch.randn(answer.shape, generator=generator)
    label = torch.randint(0, CLASSES, (count,), generator=generator)
    return answer, score.keep(other, label), other, label


def by_hand(score, answer, other, label):
    """The score in float64, from its definition."""
    p = answer.double().softmax(dim=1)
    rows = torch.arange(len(answer))
    if score.name == "confidence":
        return p[rows, label]
    if score.name == "group":
        return p[:, 0] + p[:, 3]
    if score.name == "margin":
        return torch.logit(p[rows, label])
    return F.cosine_similarity(answer.double(), other.double())


@SCORE
@given(SEEDS)
@settings(max_examples=20)
def test_a_score_is_its_definition(score, seed):
    answer, kept, other, label = answers(score, seed)
    expected = by_hand(score, answer, other, label)
    torch.testing.assert_close(score(answer, kept).double(), expected, atol=1e-5, rtol=1e-5)


@SCORE
@given(SEEDS)
@settings(max_examples=20)
def test_the_height_rises_with_the_score_and_is_that_of_its_value(score, seed):
    answer, kept, *_ = answers(score, seed, scale=1.0)
    value, height = score(answer, kept), score.height(answer, kept)
    torch.testing.assert_close(score.height_at(value), height, atol=1e-3, rtol=1e-3)
    order = value.argsort()
    assert (height[order].diff() >= -1e-5).all()


@SCORE
@given(SEEDS)
@settings(max_examples=20)
def test_the_slope_is_the_derivative_of_the_loss_by_the_height(score, seed):
    """Both differentiated by torch with respect to the same answers: parallel, by that factor."""
    answer, kept, *_ = answers(score, seed, scale=1.0)
    answer.requires_grad_(True)
    height, loss = score.height(answer, kept), score.loss(answer, kept)
    (up,) = torch.autograd.grad(height.sum(), answer, retain_graph=True)
    (down,) = torch.autograd.grad(loss.sum(), answer)
    slope = score.loss_slope(height.detach())
    torch.testing.assert_close(slope[:, None] * up, down, atol=1e-5, rtol=1e-3)


@SCORE
def test_heights_stay_finite_and_keep_their_direction_where_the_score_saturates(score):
    answer = torch.zeros(1, FEATURES if score.embeds else CLASSES)
    answer[0, 0] = 1e3
    answer.requires_grad_(True)
    kept = score.keep(answer.detach(), torch.tensor([0]))
    height = score.height(answer, kept)
    (gradient,) = torch.autograd.grad(height.sum(), answer)
    assert height.isfinite().all()
    assert gradient.isfinite().all()
    assert score.embeds or gradient[0, 0] > 0.4


@SCORE
@METHOD
def test_what_is_found_holds_the_score(score, method):
    """Asked of the module itself, with the score from its definition."""
    model, sources, targets = model_for(score), random_images(4), random_images(4, 9)
    answer = model(sources).detach()
    label = torch.full((4,), -1) if score.embeds else answer.argmax(dim=1)
    model = _believing(model, sources, score)
    delta = 0.02 if score.embeds else 0.1
    method = type(method)(**{**vars(method), "delta": delta})
    result = bs.traverse(model, sources, targets, method=method, score=score)
    assert all(ending.started for ending in result.ending)
    with torch.no_grad():
        before, after = model(sources), model(result.found)
    at_source = by_hand(score, before, before, result.label.clamp(min=0))
    at_found = by_hand(score, after, before, result.label.clamp(min=0))
    torch.testing.assert_close(result.p_source.double(), at_source, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(result.confidence.double(), at_found, atol=1e-5, rtol=1e-5)
    assert (at_source - at_found <= delta + 1e-5).all()
    assert (result.found - targets).square().sum() < (sources - targets).square().sum()
    assert label.shape == result.label.shape


class _Shifted(nn.Module):
    def __init__(self, module, offset, scale=1.0):
        super().__init__()
        self.module, self.offset, self.scale = module, offset, scale

    def forward(self, images):
        return self.scale * self.module(images) + self.offset


def _believing(model, sources, score):
    """For a group: a model that names class 0 or 3 for every source."""
    if score.name != "group":
        return model
    offset = torch.zeros(CLASSES)
    offset[0] = 5.0
    return toy(_Shifted(model.module, offset))


def test_a_group_moves_freely_where_its_own_classes_trade_places():
    """Between two classes of the group nothing need be held: the target itself is found."""
    weight = torch.zeros(3, 3 * SIDE * SIDE)
    weight[0, :10], weight[1, :10] = 30.0, -30.0
    model = toy(Linear(weight, torch.tensor([-15.0, 15.0, -20.0]) * 10))
    source, target = torch.full((1, 3, SIDE, SIDE), 0.45), torch.full((1, 3, SIDE, SIDE), 0.55)
    named = model(torch.cat((source, target))).argmax(dim=1).tolist()
    assert named == [1, 0]
    group = bs.traverse(model, source, target, score=bs.Group([0, 1]), method=bs.Adaptive())
    alone = bs.traverse(model, source, target, method=bs.Adaptive())
    assert (group.found - target).square().mean().sqrt() <= bs.Adaptive().tolerance
    assert (alone.found - target).square().mean().sqrt() > 3 * bs.Adaptive().tolerance


def test_the_embedding_of_a_linear_map_is_held_within_its_cone():
    """For e(x) = x the score is the angle to the source, and it stays within arccos(1 − δ)."""
    model = bs.Classifier(nn.Flatten(), size=SIDE, embeds=True)
    source, target = random_images(1, 1), random_images(1, 2, 0.0, 1.0)
    result = bs.traverse(model, source, target, score=bs.Embedding(), method=bs.Star(delta=0.02))
    line = bs.segment(model, source[0], result.found[0], -1, 201, score=bs.Embedding())
    t = torch.linspace(0, 1, 201).view(-1, 1, 1, 1)
    points = (source + t * (result.found - source)).flatten(1)
    cosine = F.cosine_similarity(points, source.flatten(1))
    torch.testing.assert_close(line.confidence, cosine, atol=1e-5, rtol=0)
    assert cosine.min() >= 1 - 0.02 - 1e-6
    assert F.cosine_similarity(target.flatten(1), source.flatten(1)) < 0.95


@SCORE
def test_hulls_hold_the_score_whatever_the_batch(score):
    model, images = model_for(score), random_images(3)
    label = -1 if score.embeds else 1
    plain = bs.triangle(model, *images, label, score=score)
    narrow = bs.triangle(model, *images, label, evaluator=Evaluator(model, score, chunk=5))
    torch.testing.assert_close(plain.confidence, narrow.confidence, atol=1e-5, rtol=0)
    with torch.no_grad():
        answer = model(torch.einsum("pc,cdhw->pdhw", plain.weights, images))
        own = model(images[:1]).expand(len(answer), -1)
    expected = by_hand(score, answer, own, torch.full((len(answer),), max(label, 0)))
    torch.testing.assert_close(plain.confidence.double(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("confidence", {"name": "confidence"}),
        ("margin", {"name": "margin"}),
        ("embedding", {"name": "embedding"}),
        ("group:3,1", {"name": "group", "classes": [1, 3]}),
        ("group:151-153,7", {"name": "group", "classes": [7, 151, 152, 153]}),
    ],
)
def test_a_score_is_parsed_described_and_made_again(text, described):
    score = parse_score(text)
    assert describe_score(score) == described
    assert make_score(json.loads(json.dumps(described))) == score


def test_a_model_of_the_other_kind_is_refused():
    sources, targets = random_images(1), random_images(1, 1)
    with pytest.raises(bs.Refused, match="--score embedding"):
        bs.traverse(embedder(), sources, targets)
    with pytest.raises(bs.Refused, match="num_classes=0"):
        bs.traverse(toy(random_linear(0)), sources, targets, score=bs.Embedding())
    with pytest.raises(bs.Refused, match="2 classes"):
        bs.traverse(toy(random_linear(0)), sources, targets, score=bs.Group([0, 1]))


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 99), st.data())
def test_targets_outside_a_group_are_shared_out_evenly(sources, candidates, seed, data):
    count = data.draw(st.integers(1, candidates))
    drawn = draw_outside(sources, candidates, count, seed)
    assert all(len(set(row)) == count for row in drawn.tolist())
    used = torch.bincount(torch.tensor(drawn).flatten(), minlength=candidates)
    assert used.max() - used.min() <= 1


@pytest.mark.parametrize("text", ["group:" + "9" * 5000, f"group:1-{'9' * 5000}", "x" * 5000])
def test_a_group_of_thousands_of_digits_is_refused_in_one_short_sentence(text):
    with pytest.raises(bs.Refused, match="expected") as refusal:
        parse_score(text)
    assert len(str(refusal.value)) < 300


@pytest.fixture
def held(tmp_path, tiny_images):
    """A run that held a score, verified."""

    def make(score, model=MODEL, sources="3"):
        out = tmp_path / "run"
        given = ("--score", score, "--sources", sources)
        with without_figures():
            assert run(tiny_images, out, *given, models=(model,)) == 0
        assert call(["verify", str(out), "--quiet", "--trust-run-code"]) == 0
        return bs.Run(out)

    return make


def test_a_run_holds_the_margin(held):
    run = held("margin")
    assert run.delta == 2.0
    assert run.plan["score"] == {"name": "margin"}
    table = build_table(run, "confidence")
    assert table.title == "Margin of the source's class, in logits, over triangles and segments"
    assert [column.title for column in table.columns][2:] == ["Δ margin", "Δ inside", "path margin"]
    assert table.rows[0].cells["fraction"].n == 3
    for row in run.pair_rows(started=True):
        assert row["p_source"] > 1
        assert row["p_source"] - row["p_found"] <= 2.0 + 1e-4


def test_a_run_holds_a_group_whose_targets_are_outside_it(held):
    rows = held("group:0,1", sources="4").pair_rows(started=True)
    assert len(rows) == 8
    assert {row["source_class"] for row in rows} == {0, 1}
    assert {row["target_class"] for row in rows} == {2}


def test_a_run_holds_an_embedding(held):
    run = held("embedding", model=spec("embedding"))
    rows = run.pair_rows(started=True)
    assert len(rows) == 6
    said = {column.key: column.definition for column in build_table(run, "summary").columns}
    assert said["p_found"] == "Cosine similarity to the source's embedding at the found image."
    for row in rows:
        assert row["p_source"] == pytest.approx(1, abs=1e-5)
        assert row["p_found"] >= 0.9 - 1e-4
        assert row["source_name"] != row["target_name"]
