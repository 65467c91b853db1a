"""Widths against closed forms: spheres around a centre, and the law of a random direction."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from scipy.stats import beta

from blindspots import Run, load_model
from blindspots.cli.main import call
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.reporting.figures.curve_plots import widths
from blindspots.reporting.figures.style import PRINT
from blindspots.settings import Trust
from blindspots.store.width_rows import WIDTHS_FILE, WidthSettings, add_widths, read_widths
from blindspots.study.widths import FoundPath, directions, measure_widths, path_of, path_widths
from tests.support.run_factory import Factory
from tests.support.tiny import MODEL, NAMES
from tests.support.tiny import SIDE as SIDE_OF_TINY
from tests.support.toys import PIXELS, SIDE, Linear, Radial, random_images, toy

ROW = {"model": "own", "pair_id": "pair", "source_class": 0, "p_source": 0.9}


def way(points, tangent):
    tangents = tangent.expand(len(points), *tangent.shape)
    return FoundPath(points, tangents, np.linspace(0, 1, len(points)).tolist())


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_directions_are_unit_and_orthogonal_and_the_same_in_any_number():
    tangent = random_images(1)[0]
    drawn = torch.stack(list(directions(tangent, 32, seed=3, key="a")))
    assert drawn.flatten(1).norm(dim=1) == pytest.approx(torch.ones(32), abs=1e-5)
    assert (drawn * tangent).flatten(1).sum(dim=1) == pytest.approx(torch.zeros(32), abs=1e-5)
    fewer = torch.stack(list(directions(tangent, 5, seed=3, key="a")))
    assert torch.allclose(drawn[:5], fewer, atol=1e-6)
    other = torch.stack(list(directions(tangent, 5, seed=4, key="a")))
    assert not torch.allclose(fewer, other)


def test_across_a_ray_every_direction_leads_to_the_same_sphere():
    """Level sets are spheres around a centre; a path through it is orthogonal to all of them."""
    centre, slope, radius = torch.full((3, SIDE, SIDE), 0.5), 2.0, 1.0
    model = toy(Radial(centre, radius, slope))
    ray = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    ray = ray / ray.norm()
    away = torch.tensor([0.2, 0.7])
    settings = WidthSettings(directions=16, radii=(0.5, 2.0), points=2)
    points = centre + away.view(-1, 1, 1, 1) * ray
    rows = path_widths(Evaluator(model, chunk=7), ROW, way(points, ray), settings, delta=0.2)
    assert len(rows) == 4
    for row in rows:
        at = float(away[row["point"]])
        expected = sigmoid(slope * (radius - math.hypot(at, row["radius"])))
        assert [row[name] for name in ("low", "median", "high")] == pytest.approx([expected] * 3)
        assert row["confidence"] == pytest.approx(sigmoid(slope * (radius - at)))
        assert row["inside"] == (expected >= 0.9 - 0.2)


def test_the_quantiles_are_those_of_a_random_direction():
    """⟨w, u⟩² / ‖w‖² of a uniform unit u in n dimensions is Beta(1/2, (n − 1)/2)."""
    weight = torch.zeros(2, PIXELS)
    weight[0] = torch.randn(PIXELS, generator=torch.Generator().manual_seed(1))
    tangent = random_images(1, seed=2)[0] - 0.5
    flat = tangent.flatten()
    weight[0] -= (weight[0] @ flat) / (flat @ flat) * flat
    radius, settings = 1.5, WidthSettings(directions=2000, radii=(1.5,), points=2)
    points = torch.zeros(2, 3, SIDE, SIDE)
    rows = path_widths(
        Evaluator(toy(Linear(weight)), chunk=512), ROW, way(points, tangent), settings, delta=0.2
    )
    share = math.sqrt(beta(0.5, (PIXELS - 2) / 2).ppf(0.9))
    logit = radius * float(weight[0].norm()) * share
    for row in rows:
        assert row["low"] == pytest.approx(sigmoid(-logit), abs=0.02)
        assert row["median"] == pytest.approx(0.5, abs=0.02)
        assert row["high"] == pytest.approx(sigmoid(logit), abs=0.02)


def test_the_batch_size_does_not_change_a_row():
    model = toy(Linear(torch.randn(3, PIXELS, generator=torch.Generator().manual_seed(0))))
    settings = WidthSettings(directions=9, points=2)
    path = way(random_images(2), random_images(1)[0])
    small, large = (
        path_widths(Evaluator(model, chunk=chunk), ROW, path, settings, 0.2) for chunk in (3, 100)
    )
    for one, other in zip(small, large, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_a_stepwise_path_is_its_snapshots_with_central_differences(tmp_path):
    run = Run(Factory(size=8, sources=2, frames=5, models=["zoo:one"]).write(tmp_path))
    row = run.pair_rows(started=True)[0]
    found = path_of(run, row, 11)
    frames = np.stack(run.frames(row["pair_id"], 5)).transpose(0, 3, 1, 2) / 255
    assert found.points.numpy() == pytest.approx(frames, abs=1e-6)
    assert found.tangents.numpy() == pytest.approx(np.gradient(frames, axis=0), abs=1e-6)
    assert found.along == pytest.approx(np.array(row["path_step"]) / row["path_step"][-1])
    assert len(path_of(run, row, 3).points) == 3


@pytest.mark.parametrize(
    ("method", "keep", "option"), [("reference", "found", "--keep path"), ("star", "none", "found")]
)
def test_a_path_that_was_not_kept_is_refused_with_the_option(tmp_path, method, keep, option):
    factory = Factory(size=8, sources=2, models=["zoo:one"], method=method, keep=keep)
    run = Run(factory.write(tmp_path))
    with pytest.raises(UsageError, match=option):
        path_of(run, run.pair_rows(started=True)[0], 11)


def test_stored_widths_are_replaced_pair_by_pair(tmp_path):
    names = {"low": 0.1, "median": 0.2, "high": 0.3, "inside": 1.0, "confidence": 0.9}
    first = {"model": "m", "pair_id": "a", "point": 0, "along": 0.0, "radius": 0.5, **names}
    first |= {"directions": 8, "seed": 0}
    add_widths(tmp_path, [first, {**first, "pair_id": "b"}])
    add_widths(tmp_path, [{**first, "low": 0.05}])
    assert [(row["pair_id"], row["low"]) for row in read_widths(tmp_path)] == [
        ("b", 0.1),
        ("a", 0.05),
    ]
    (tmp_path / WIDTHS_FILE).write_text("no table")
    with pytest.raises(UsageError, match="remove it"):
        read_widths(tmp_path)


def made(path):
    """The tiny model, and a made-up run of it."""
    model = load_model(MODEL)
    facts = {"name": MODEL, "spec": MODEL, "fingerprint": model.fingerprint()}
    wishes = {"size": SIDE_OF_TINY, "sources": 2, "frames": 3, "classes": NAMES}
    return model, Factory(**wishes, models=[MODEL], info={"models": [facts]}).write(path)


def test_the_command_measures_once_and_the_figure_reads_what_is_stored(tmp_path, capsys):
    model, path = made(tmp_path / "run")
    few = ["--directions", "3", "--points", "3", "--radii", "0.5,2", "--quiet", "--trust-run-code"]
    assert call(["widths", str(path), *few]) == 0
    rows, file = read_widths(path), path / WIDTHS_FILE
    assert len(rows) == 3 * 2
    run = Run(path)
    pair = next(r for r in run.pair_rows() if r["pair_id"] == rows[0]["pair_id"])
    frames = np.stack(run.frames(pair["pair_id"], 3)).transpose(0, 3, 1, 2) / 255
    with model.frozen(), torch.no_grad():
        expected = model(torch.from_numpy(frames).float()).softmax(dim=1)[:, pair["source_class"]]
    on_path = [row["confidence"] for row in rows if row["radius"] == 2]
    assert on_path == pytest.approx(expected.tolist(), abs=1e-5)
    before = file.stat().st_mtime_ns
    assert call(["widths", str(path), *few]) == 0
    assert file.stat().st_mtime_ns == before
    assert call(["widths", str(path), *few, "--seed", "1"]) == 0
    assert {row["seed"] for row in read_widths(path)} == {1}
    capsys.readouterr()
    assert call(["plot", str(path), "--figure", "widths", "--format", "svg"]) == 0
    assert capsys.readouterr().out.strip().endswith("widths-1-column.svg")


def bands(ax):
    """The filled bands of an axis, in the order in which they were drawn."""
    return [one for one in ax.collections if isinstance(one, PolyCollection)]


def test_the_figure_draws_the_quantiles_that_numpy_finds_among_the_directions(tmp_path):
    """256 directions at radii ½, 1, 1½ and 2, the usual ones, and the lines read back."""
    key = "widths:{pair_id}:{point}"
    model, path = made(tmp_path / "run")
    run = Run(path)
    row, settings = run.pair_rows(started=True)[0], WidthSettings(points=2)
    assert (settings.directions, settings.radii) == (256, (0.5, 1.0, 1.5, 2.0))
    measure_widths(run, [row], settings, trust=Trust(run_code=True))
    way, expected = path_of(run, row, 2), {}
    for point, (image, tangent) in enumerate(zip(way.points, way.tangents, strict=True)):
        own = key.format(pair_id=row["pair_id"], point=point)
        drawn = torch.stack(list(directions(tangent, 256, 0, own)))
        for radius in settings.radii:
            with torch.no_grad():
                said = model.eval()(image + radius * drawn).softmax(dim=1)[:, row["source_class"]]
            expected[radius, point] = np.quantile(said.double().numpy(), (0.05, 0.95))
    page = widths(run, [row], PRINT["1"])
    (ax,) = [one for one in page.child_axes if bands(one)]
    edges, colours = defaultdict(list), [tuple(band.get_facecolor()[0][:3]) for band in bands(ax)]
    for line in ax.lines:
        edges[tuple(to_rgb(line.get_color()))].append(line.get_ydata())
    # The widest radius is drawn first, behind the others.
    for radius, colour in zip(sorted(settings.radii, reverse=True), colours, strict=True):
        wanted = np.array([expected[radius, point] for point in range(2)]).T
        assert np.array(edges[colour]) == pytest.approx(wanted, abs=1e-5)
    spread = [high - low for low, high in expected.values()]
    assert max(spread) > 0.01
