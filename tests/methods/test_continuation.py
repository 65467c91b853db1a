"""Adaptive, Star and Fan: closed forms, guarantees, and independence of company."""

import math
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import blindspots as bs
from blindspots.engine.batch import Pair, from_8bit, to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.look import Look
from blindspots.engine.scheduler import Engine
from blindspots.methods.fan import spread_evenly
from blindspots.methods.hull import GENTLER, MISSED, PATIENCE, RETREAT
from blindspots.methods.method import (
    RUNNING,
    LookResult,
    Problem,
    as_stored,
    clearance_needed,
    code,
    rms,
    triangle_weights,
)
from blindspots.scores.score import confidence, margin
from tests.support.toys import (
    PIXELS,
    SIDE,
    Cliff,
    Counting,
    Linear,
    convolutional,
    random_images,
    random_linear,
    toy,
)

SEEDS = st.integers(0, 2**31)
HALF_LEVEL = 0.5 / 255
NEW = [bs.Adaptive(max_steps=40), bs.Star(max_steps=12), bs.Fan(max_steps=8)]
METHOD = pytest.mark.parametrize("method", NEW, ids=lambda method: method.name)
TOLERANCE = 1e-5
CLOSE = 1.002


class Lens(nn.Module):
    """Class 0 outside a ball, class 1 inside it: no superlevel set of class 0 is convex."""

    def __init__(self, centre, radius, slope):
        super().__init__()
        self.centre, self.radius, self.slope = centre, radius, slope

    def forward(self, images):
        distance = (images - self.centre).flatten(1).norm(dim=1)
        logit = self.slope * (distance - self.radius)
        return torch.stack((logit, torch.zeros_like(logit)), dim=1)


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, logits):
        return self.scale * logits


def lens(radius=0.25, slope=200.0):
    """A ball between a source and a target, its centre a little off their segment."""
    grey = torch.full((1, 3, SIDE, SIDE), 0.5)
    along, aside = torch.zeros_like(grey), torch.zeros_like(grey)
    along[:, 0], aside[:, 1] = 1 / math.sqrt(SIDE**2), 1 / math.sqrt(SIDE**2)
    return Lens(grey[0] + 0.15 * aside[0], radius, slope), grey - 1.2 * along, grey + 1.2 * along


def least_distance(radius):
    """The RMSE from the target to the nearest line from the source that misses the ball."""
    aside, turn = math.atan(0.15 / 1.2), math.asin(radius / math.hypot(1.2, 0.15))
    return 2.4 * math.sin(turn - aside) / math.sqrt(PIXELS)


def traverse(module, sources, targets, method, **options):
    return bs.traverse(toy(module), sources, targets, method=method, **options)


def scores_along(module, source, found, label, points=401):
    t = torch.linspace(0, 1, points).view(-1, 1, 1, 1)
    with torch.no_grad():
        logits = toy(module)(source + t * (found - source))
    return confidence(logits, torch.full((points,), int(label)))


def linear_case(seed, drop=6.0):
    """A linear model, a source with a margin of 5 and a target `drop` logits below it."""
    weight = random_linear(seed, scale=20.0).weight.detach()
    normal = (weight[0] - weight[1]).view(1, 3, SIDE, SIDE)
    source, target = random_images(2, seed, 0.45, 0.55)[:, None]
    target = target - (normal * (target - source)).sum() / normal.square().sum() * normal
    target = target - drop / normal.square().sum() * normal
    bias = torch.tensor([5.0 - float((normal * source).sum()), 0.0])
    return Linear(weight, bias), source, target, normal


@given(SEEDS)
@settings(max_examples=4)
def test_adaptive_on_a_linear_model_ends_at_the_targets_projection(seed):
    """Onto the half-space of what is inside by the clearance, by the projection's closed form."""
    module, source, target, normal = linear_case(seed)
    method = bs.Adaptive(clearance=0.5, aim=1.0, tolerance=1e-6, max_steps=80)
    result = traverse(module, source, target, method)
    asked = bs.Confidence().height_at(result.p_source - method.delta) + method.clearance
    lift = (asked + 1.0) / normal.square().sum()
    torch.testing.assert_close(result.found, target + lift * normal, atol=1e-3, rtol=0)


@given(SEEDS)
@settings(max_examples=4)
def test_adaptive_settles_where_nothing_nearer_is_inside(seed):
    """Outside a ball the nearest point to a target in it lies on the ray from its centre."""
    generator = torch.Generator().manual_seed(seed)
    centre, way = (torch.rand(3, SIDE, SIDE, generator=generator) / 5 + 0.4 for _ in range(2))
    way = (way - way.mean()) / (way - way.mean()).norm()
    module = Lens(centre, radius=0.8, slope=10.0)
    source, target = centre + 1.5 * way.flip(0), centre + 0.4 * way
    result = traverse(module, source, target, bs.Adaptive(tolerance=1e-6))
    floor, normal = bs.Confidence().height_at(result.p_source - 0.2), result.found - centre
    images, gradient = (
        x.reshape(1, 3, SIDE, SIDE) for x in (result.found, 10.0 * normal / normal.norm())
    )
    own = margin(module(source[None]), torch.tensor([0])) - floor
    needed = clearance_needed(bs.Adaptive().clearance, own, images, gradient)
    nearest = centre + (0.8 + (floor + needed) / 10) * way
    assert rms(result.found - target) <= CLOSE * rms(nearest - target)


@given(SEEDS)
@settings(max_examples=4)
def test_star_on_a_linear_model_moves_the_end_along_the_normal_alone(seed):
    """With one gradient everywhere every plane is parallel, and the programme's answer is too."""
    module, source, target, normal = linear_case(seed)
    result = traverse(module, source, target, bs.Star(tolerance=1e-6, max_steps=80))
    moved = result.found - target
    along = (moved * normal).sum() / normal.square().sum() * normal
    torch.testing.assert_close(moved, along, atol=2 * HALF_LEVEL, rtol=0)
    deep = margin(module(result.found), result.label)
    floor = bs.Confidence().height_at(result.p_source - 0.2)
    assert floor - 1e-3 <= deep <= floor + bs.Star().aim


@METHOD
@given(SEEDS)
@settings(max_examples=4)
def test_what_is_found_is_inside_and_in_range_and_the_budget_is_kept(method, seed):
    module = random_linear(seed, classes=4, scale=3.0)
    sources, targets = random_images(3, seed, 0, 1), random_images(3, seed + 1, 0, 1)
    result = traverse(module, sources, targets, method)
    again = confidence(module(result.found).detach(), result.label)
    torch.testing.assert_close(again, result.confidence, atol=TOLERANCE, rtol=0)
    started = result.p_source > method.delta
    assert (again >= result.p_source - method.delta - TOLERANCE)[started].all()
    assert result.found.min() >= 0
    assert result.found.max() <= 1
    assert (result.evaluations <= method.most_evaluations() + 0.5).all()


@METHOD
def test_the_images_passed_on_the_way_are_inside(method):
    module, pairs = convolutional(), make_pairs(4)
    outcomes = fly(module, pairs, method, snapshots=11)
    for outcome in outcomes.values():
        assert outcome.p_path_min >= outcome.p_source - method.delta
        assert len(outcome.path) == len(outcome.path_step) == len(outcome.path_confidence)


@pytest.mark.parametrize(("radius", "slope"), [(0.25, 200.0), (0.5, 40.0)])
def test_star_bends_the_segment_around_what_is_in_its_way(radius, slope):
    module, source, target = lens(radius, slope)
    straight = scores_along(module, source, target, 0)
    assert straight.min() < 0.01
    result = traverse(module, source, target, bs.Star())
    along = scores_along(module, source, result.found, 0)
    assert along.min() >= result.p_source - 0.2
    assert (result.found - target).square().mean().sqrt() < 1.5 * least_distance(radius)
    assert 13 <= result.check_evaluations <= 26


@pytest.mark.parametrize("radius", [0.1515, 0.155, 0.2])
def test_a_look_sees_a_dip_between_two_points_that_it_asks_for(radius):
    """Points 8 apart touch the last dip alone; all are asked for where nothing will mend it."""
    module, source, target = lens(radius)
    floor, own = torch.tensor([0.0]), torch.tensor([0.99])
    problem = Problem(source, target, torch.tensor([0]), own, own, floor)

    def look(end, last=True):
        t = torch.linspace(0, 1, 201)
        return Look(Evaluator(toy(module)), problem, end[:, None], t, 0.49, torch.tensor([last]))

    across, away, early = look(target), look(source), look(target, last=False)
    along = scores_along(module, source, target, 0, 201)
    assert (along[::8].min() > 0.5) == (radius < 0.2)
    torch.testing.assert_close(across.along()[0, 0], along)
    away.along()
    assert (across.asked, away.asked) == (201, 26)
    assert early.along().min() == along.min()
    assert early.asked < 201


def test_a_look_tells_the_heights_of_segments_and_hull():
    """Against the model asked outright; every image that it asks for is counted."""
    module, (source, *ends) = Counting(convolutional()), random_images(3)
    own, corners = torch.tensor([0.9]), torch.stack(ends)
    problem = Problem(source[None], corners[None], torch.tensor([1]), own, own, own - 9)
    surface = bs.Fan().surface(2)
    t, last = torch.linspace(0, 1, 201), torch.tensor([False])
    look = Look(Evaluator(toy(module)), problem, corners[None], t, 0.9, last)
    result = look.take(surface)
    assert module.without == look.asked == look._asked.sum() + len(surface)
    plain, label = toy(convolutional()), torch.tensor([1])
    points = [source + a * (ends[0] - source) + b * (ends[1] - source) for a, b in surface]
    expected = margin(plain(torch.stack(points)), label.expand(len(points)))
    torch.testing.assert_close(result.hull[0, 2:], expected)
    for i, end in enumerate(ends):
        line = torch.lerp(source, end, t.view(-1, 1, 1, 1))
        lowest = margin(plain(line), label.expand(201)).min()
        torch.testing.assert_close(result.hull[0, i], lowest, atol=1e-5, rtol=0)


@given(st.integers(1, 6))
def test_the_points_of_a_hull_that_a_fan_looks_at_are_of_its_simplex_and_its_far_face(corners):
    surface = bs.Fan().surface(corners)
    share = surface.sum(dim=1)
    assert (surface >= 0).all()
    assert (share < 1 + 1e-6).all()
    far = (share > 1 - 1e-6).sum()
    assert (len(surface), far) == ((0, 0) if corners == 1 else (25 * corners, 5 * corners))


def looked(method, state, problem, **faults):
    """The state after a look that saw nothing outside but these faults."""
    targets = state.found.shape[1]
    fine = {
        "found": state.found,
        "segments": torch.ones(1, targets, 201),
        "hull": 9 * torch.ones(1, targets + len(method.surface(targets))),
    }
    return method.looked(problem, state, LookResult(**(fine | faults)))


@pytest.mark.parametrize("fault", ["hull", "segments"])
@pytest.mark.parametrize("left", [True, False])
def test_a_fan_goes_on_at_the_lowest_points_while_steps_are_left(fault, left):
    method = bs.Fan()
    problem, state = begun(method)
    steps = torch.full_like(state.steps, method.max_steps - left)
    state = replace(state, steps=steps, ending=steps * 0 + code(bs.Ending.BUDGET))
    state = replace(state, clear=torch.tensor([0.5]), found=problem.target)
    low = {
        "hull": 9 * torch.ones(1, 2 + len(method.surface(2))),
        "segments": torch.ones(1, 2, 201),
    }
    low["hull"][0, 9 if fault == "hull" else 1] = problem.floor - 3
    low["segments"][0, 1, 100] = 0.1 if fault == "segments" else 1.0
    after = looked(method, state, problem, **low)
    assert (after.ending == RUNNING).item() == left
    assert looked(method, state, problem).ending == state.ending
    asked = {tuple(point.tolist()) for point in after.weights[0]}
    assert (tuple(method.surface(2)[7].tolist()) in asked) or fault != "hull"
    if left:
        assert after.missing.item() == pytest.approx(0.5 + MISSED * 3)
        again = looked(method, replace(state, missing=state.clear), problem, **low)
        assert again.missing.item() == pytest.approx(0.5 + 3)
    shorter = (after.found - problem.source[:, None]).flatten(2).norm(dim=2)[0]
    way = (state.found - problem.source[:, None]).flatten(2).norm(dim=2)[0]
    cut = [1.0, 0.495] if fault == "segments" and not left else [1.0, 1.0]
    torch.testing.assert_close(shorter, way * torch.tensor(cut), atol=1e-4, rtol=0)


def test_adaptive_walks_around_what_is_in_its_way():
    module, source, target = lens()
    result = traverse(module, source, target, bs.Adaptive())
    assert result.ending == [bs.Ending.REACHED]
    assert (result.found - target).square().mean().sqrt() <= bs.Adaptive().tolerance


def test_a_star_without_steps_left_is_cut_where_it_would_leave():
    module, source, target = lens()
    result = traverse(module, source, target, bs.Star(max_steps=1))
    along = scores_along(module, source, result.found, 0)
    assert result.ending == [bs.Ending.BUDGET]
    assert along.min() >= result.p_source - 0.2 - TOLERANCE
    cut = (result.found - source).norm() / (target - source).norm()
    assert 0.1 < cut < 0.5
    expected = source + cut * (target - source)
    torch.testing.assert_close(result.found, expected, atol=HALF_LEVEL + 1e-3, rtol=0)


@pytest.mark.parametrize("kind", [bs.Star, bs.Fan])
@pytest.mark.parametrize("steps", [1, 3, 30])
def test_what_is_returned_is_as_stored_and_its_segments_are_inside(kind, steps):
    """Of models so steep that rounding alone takes logits, and with hardly a step to mend it."""
    moved = 0
    for seed in range(6):
        module = nn.Sequential(convolutional(seed), Scaled(300.0))
        images = as_stored(random_images(3, seed))
        sources = images[:1].expand(2, -1, -1, -1)
        result = traverse(module, sources, images[1:], kind(max_steps=steps))
        assert torch.equal(result.found, as_stored(result.found))
        for one, found in enumerate(result.found):
            along = scores_along(module, images[0], found, result.label[one], 201)
            assert along.min() >= result.p_source[one] - 0.2 - TOLERANCE
            assert result.confidence[one] == pytest.approx(along[-1].item(), abs=1e-4)
            moved += not torch.equal(found, images[0])
    assert moved > 6


@given(SEEDS)
def test_as_stored_is_as_a_picture_is_read(seed):
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_stored(from_8bit(levels)), from_8bit(levels))
    images = random_images(1, seed)
    assert torch.equal(as_stored(images), from_8bit(to_8bit(images)))


class Between(nn.Module):
    """Class 0 for what lies between grey levels or is darker, class 1 for images of 8 bits."""

    def __init__(self, darker):
        super().__init__()
        self.darker = darker

    def forward(self, images):
        levels = images.flatten(1) * 255
        stored = ((levels - levels.round()).abs() < 1e-2).all(dim=1)
        seen = (stored & (levels.mean(dim=1) > self.darker)).float()
        return torch.stack((6 - 12 * seen + 0 * levels.sum(dim=1), 0 * seen), dim=1)


@pytest.mark.parametrize("kind", [bs.Star, bs.Fan])
def test_only_what_is_outside_wherever_it_is_stored_goes_back_to_its_source(kind):
    source = random_images(1)
    targets = torch.cat((source - 0.2, source + 0.2))
    between = 255 * float(source.mean())
    result = traverse(Between(between), source.expand(2, -1, -1, -1), targets, kind(max_steps=8))
    assert torch.equal(result.found[1:], source)
    assert result.confidence[1] == result.p_source[1]
    torch.testing.assert_close(result.found[0], targets[0], atol=HALF_LEVEL + 1e-6, rtol=0)


@pytest.mark.parametrize("method", [bs.Star(max_steps=3), bs.Fan(max_steps=3)])
def test_the_lowest_score_on_the_way_is_no_higher_than_the_ends(method):
    """Also where the end was cut, or rounding took of its score, after the last step."""
    module = nn.Sequential(convolutional(1), Scaled(300.0))
    source, *targets = random_images(6, 1)
    pairs = [Pair(str(i), source, target, group="one") for i, target in enumerate(targets)]
    results = [r for ended in Engine(Evaluator(toy(module)), method).run(pairs) for r in ended]
    assert len(results) == 5
    assert all(r.p_path_min <= r.p_found for r in results)


@pytest.mark.parametrize("method", NEW[1:], ids=lambda method: method.name)
def test_a_target_that_is_held_as_it_is_is_returned_as_it_is(method):
    weight = random_linear(0).weight.detach()
    source, target = from_8bit(to_8bit(random_images(2)))[:, None]
    result = traverse(Linear(0 * weight, torch.tensor([9.0, 0.0])), source, target, method)
    assert result.ending == [bs.Ending.REACHED]
    torch.testing.assert_close(result.found, target)


@pytest.mark.parametrize("scale", [1e-30, 1e3, 1e6], ids=str)
@METHOD
def test_saturated_and_vanishing_gradients_leave_no_nan(method, scale):
    result = traverse(
        random_linear(2, scale=scale), random_images(4, 5), random_images(4, 6), method
    )
    assert result.found.isfinite().all()
    assert result.confidence.isfinite().all()
    assert bs.Ending.FAILED not in result.ending


@METHOD
def test_zero_gradients_end_by_themselves_inside(method):
    source, target = torch.full((2, 1, 3, SIDE, SIDE), 0.4)
    target = target + 0.5
    result = traverse(Cliff(0.5), source, target, method)
    assert result.confidence >= result.p_source - method.delta
    assert result.ending[0] in (bs.Ending.STATIONARY, bs.Ending.BUDGET)


def make_pairs(count, groups=0):
    sources, targets = random_images(count), random_images(count, 1)
    if groups:
        sources = sources[torch.arange(count) % groups]
    names = [f"group-{i % groups}" if groups else "" for i in range(count)]
    rows = zip(sources, targets, names, strict=True)
    return [Pair(f"pair-{i}", s, t, group=g) for i, (s, t, g) in enumerate(rows)]


def fly(module, pairs, method, **options):
    engine = Engine(Evaluator(toy(module)), method, **options)
    return {outcome.pair.id: outcome for ended in engine.run(pairs) for outcome in ended}


@METHOD
def test_a_pair_ends_alike_in_any_batch_and_any_order(method):
    pairs = make_pairs(5)
    alone = fly(convolutional(), pairs, method, slots=1)
    orders = list(permutations(range(5)))[33::50]
    for slots, order in zip((2, 64), orders, strict=True):
        together = fly(convolutional(), [pairs[i] for i in order], method, slots=slots)
        for name, outcome in alone.items():
            torch.testing.assert_close(together[name].found, outcome.found, atol=1e-3, rtol=0)
            assert together[name].ending == outcome.ending


@METHOD
def test_looking_at_the_endings_every_few_turns_changes_nothing(method):
    module, pairs = convolutional(), make_pairs(5)
    often, seldom = (fly(module, pairs, method, look=look, snapshots=11) for look in (1, 4))
    for name, outcome in often.items():
        torch.testing.assert_close(seldom[name].found, outcome.found, atol=1e-5, rtol=0)
        for column in ("steps", "evaluations", "ending", "path_step"):
            assert getattr(seldom[name], column) == getattr(outcome, column)
        assert math.isclose(seldom[name].p_path_min, outcome.p_path_min, abs_tol=1e-5)


def test_a_fan_takes_the_targets_of_a_source_together_and_shares_their_cost():
    module, method = Counting(convolutional()), bs.Fan(max_steps=3, tolerance=1e-9)
    outcomes = fly(module, sorted(make_pairs(6, groups=2), key=lambda p: p.group), method, slots=64)
    for outcome in outcomes.values():
        assert outcome.evaluations == pytest.approx((4 * method.points(3) + 0.5) / 3)
        assert outcome.check_evaluations >= 26 / 2
    looked = sum(outcome.check_evaluations for outcome in outcomes.values())
    assert module.without == pytest.approx(2 + 2 * looked)
    assert module.with_gradient == 2 * 4 * method.points(3) == 2 * method.most_evaluations(3)


def test_fans_of_different_sizes_fly_in_one_run():
    pairs = make_pairs(6, groups=4)
    outcomes = fly(convolutional(), sorted(pairs, key=lambda p: p.group), bs.Fan(max_steps=4))
    assert outcomes.keys() == {pair.id for pair in pairs}


def test_traverse_groups_pairs_of_equal_sources_for_a_fan():
    sources, targets = random_images(2)[[0, 1, 0, 1]], random_images(4, 1)
    found = traverse(convolutional(), sources, targets, bs.Fan(max_steps=4)).found
    named = traverse(
        convolutional(), sources, targets, bs.Fan(max_steps=4), groups=["a", "b", "a", "b"]
    ).found
    torch.testing.assert_close(found, named, atol=1e-5, rtol=0)
    apart = traverse(
        convolutional(), sources, targets, bs.Fan(max_steps=4), groups=["a", "b", "c", "d"]
    ).found
    assert not torch.allclose(found, apart, atol=1e-5)


def test_what_a_fan_looks_at_leaves_smaller_gaps_in_a_triangle_than_random_points():
    """The farthest that a point of the triangle's grid is from 36 points, mean of many starts."""
    grid, starts = triangle_weights(), torch.Generator().manual_seed(0)
    evenly = [spread_evenly(36, torch.rand(2, generator=starts)).float() for _ in range(50)]
    random = [torch.rand(36, 3, generator=starts).log().neg() for _ in range(50)]
    gaps = {
        name: sum(torch.cdist(grid, p / p.sum(dim=1, keepdim=True)).amin(dim=1).max() for p in kind)
        for name, kind in {"evenly": evenly, "random": random}.items()
    }
    assert gaps["evenly"] < 0.9 * gaps["random"]


@given(st.integers(1, 6), SEEDS)
def test_even_points_of_a_simplex_have_the_mean_of_uniform_ones(corners, seed):
    start = torch.rand(corners, generator=torch.Generator().manual_seed(seed))
    shares = spread_evenly(500, start)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(500).double(), atol=1e-12, rtol=0)
    assert (shares.mean(dim=0) * (corners + 1) - 1).abs().max() < 0.1


def begun(method):
    """A problem of two targets, and the state of its first step."""
    pairs = make_pairs(2)
    source, label = pairs[0].source[None], torch.tensor([pairs[0].label])
    targets = torch.stack([pair.target for pair in pairs])[None]
    problem = Problem(source, targets, label, *torch.tensor([[0.9], [2.0], [0.8]]))
    state = method.init(problem, [torch.Generator()])
    return problem, replace(state, steps=state.steps + 1)


@pytest.mark.parametrize("held", [False, True])
def test_a_fan_that_stalls_goes_back_to_what_it_held(held):
    """Late in a search, corners a fifth nearer to the source would not come back in time."""
    method = bs.Fan()
    problem, state = begun(method)
    state = replace(
        state,
        found=torch.rand_like(state.found),
        ever=torch.tensor([held]),
        stalled=state.stalled + PATIENCE - 1,
        shortfall=torch.tensor([1.0]),
    )
    back = method._retreated(problem, state, torch.tensor([1.0]))
    nearer = problem.source[:, None].lerp(state.corners, RETREAT)
    assert torch.equal(back.corners, state.found if held else nearer)
    on = method._retreated(problem, state, torch.tensor([0.5]))
    assert torch.equal(on.corners, state.corners)


def test_corners_that_went_back_are_pulled_more_gently_from_then_on():
    """Without planes a step is the pull alone, a share of the way to the target."""
    method = bs.Fan(pull=0.4, last_pull=0.4)
    problem, state = begun(method)
    state = replace(state, stalled=state.stalled + PATIENCE - 1, shortfall=torch.tensor([1.0]))
    corners = problem.source[:, None].expand_as(state.corners)
    for shortfall, pull in ((0.5, 0.4), (1.0, 0.4 * GENTLER)):
        now = method._retreated(problem, state, torch.tensor([shortfall]))
        moved = method._moved(problem, replace(now, corners=corners))
        torch.testing.assert_close(moved, corners.lerp(problem.target, pull))


def test_a_corner_within_the_tolerance_is_pulled_no_nearer():
    """Of two that no plane bends, the one that is farther away than the tolerance moves alone."""
    method = bs.Fan(tolerance=0.02)
    problem, state = begun(method)
    away = torch.tensor([0.01, 0.04]).view(1, 2, 1, 1, 1)
    corners = from_8bit(to_8bit((problem.target - away).clamp(0, 1)))
    moved = method._moved(problem, replace(state, corners=corners))
    assert torch.equal(moved[:, 0], corners[:, 0])
    assert ((moved - corners)[:, 1] > 0).any()


def test_planes_of_a_fans_past_bend_its_corners_once_a_hull_was_held():
    method = bs.Fan(memory=3)
    problem, empty = begun(method)
    oldest = {
        name: getattr(empty, f"plane_{name}").clone() for name in ("normal", "weights", "scale")
    }
    oldest["normal"][0, -1], oldest["weights"][0, -1, 0], oldest["scale"][0, -1] = 0.01, 1.0, 1.0
    known = replace(empty, **{f"plane_{name}": plane for name, plane in oldest.items()})
    unbent = method._moved(problem, empty)
    assert torch.equal(method._moved(problem, known), unbent)
    bent = method._moved(problem, replace(known, ever=torch.tensor([True])))
    assert not torch.equal(bent[:, 0], unbent[:, 0])
    assert torch.equal(bent[:, 1], unbent[:, 1])


def test_a_fan_holds_more_of_its_triangle_than_targets_do():
    """Around a lens: the triangle of the targets is cut by the ball, the fan's is not."""
    module, source, target = lens(radius=0.5, slope=40.0)
    other = target.clone()
    other[:, 2] += 0.1
    model = toy(module)
    result = bs.traverse(
        model, source.repeat(2, 1, 1, 1), torch.cat((target, other)), method=bs.Fan()
    )
    before = bs.triangle(model, source[0], target[0], other[0], 0).fraction(0.2)
    after = bs.triangle(model, source[0], *result.found, 0).fraction(0.2)
    assert before < 0.9
    assert after == 1.0
    for end in result.found:
        along = scores_along(module, source, end[None], 0, points=201)
        assert along.min() >= result.p_source[0] - 0.2


def test_a_path_of_a_straight_method_is_its_segment():
    module, source, target = lens()
    (outcome,) = fly(module, [Pair("a", source[0], target[0])], bs.Star(), snapshots=11).values()
    assert outcome.path_step == list(range(0, 101, 10))
    t = torch.linspace(0, 1, 11).view(-1, 1, 1, 1)
    expected = source + t * (outcome.found - source)
    assert abs(torch.from_numpy(outcome.path).float() / 255 - expected).max() < 0.5 / 255 + 1e-6
    along = scores_along(module, source, outcome.found, 0, points=11)
    torch.testing.assert_close(torch.tensor(outcome.path_confidence), along, atol=1e-5, rtol=0)


def test_there_are_as_many_pixels_as_the_toys_say():
    assert random_images(1).numel() == PIXELS
