"""Comparing, judging, diagnosing, measuring: the commands' work by one call each."""

import shutil

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

import blindspots as bs
from blindspots.cli.main import call
from tests.support import checker, tiny_model
from tests.support.run_factory import Factory
from tests.support.tiny import MODEL

SIDE = 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    one = Factory(models=("zoo:a", "zoo:b"), sources=4, size=16).write(folder / "one")
    return one, shutil.copytree(one, folder / "two")


@pytest.mark.parametrize("style", ["text", "latex", "markdown", "csv", "json"])
def test_a_comparison_is_the_one_that_the_command_prints(runs, capsys, style):
    compared = bs.compare(*runs)
    assert call(["compare", *map(str, runs), "--format", style]) == 0
    assert getattr(compared, f"to_{style}")() == capsys.readouterr().out
    assert repr(compared) == str(compared) == compared.to_text()


def test_open_runs_and_models_of_one_run_are_compared(runs, tmp_path):
    compared = bs.compare(bs.open_run(runs[0]), baseline="zoo:a", table="distance")
    assert [one.before for one in compared.comparison.contrasts] == ["zoo:a"]
    page = compared.write_page(tmp_path / "compare.html")
    assert page.read_text().startswith("<!")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda _: bs.compare(), "no run was given"),
        (lambda runs: bs.compare(runs[0], table="transfer"), "table='transfer' was given"),
        (lambda runs: bs.compare(runs[0], model="zoo:c"), "zoo:c"),
        (lambda _: bs.compare("nothing"), "is not a run"),
        (lambda runs: bs.transfer(runs[0], [3]), "3 was given as the model"),
        (lambda _: bs.doctor(torch.nn.Identity()), "a Identity was given as the model"),
    ],
)
def test_what_cannot_be_compared_or_judged_is_refused(runs, ask, words):
    checker.watch(False)
    with pytest.raises(bs.UsageError, match=words):
        ask(runs)


def test_a_transfer_is_the_commands_table_and_is_stored(copy, no_figures, capsys):
    with pytest.raises(bs.UsageError, match="loading it runs that code"):
        bs.transfer(copy)
    table = bs.transfer(copy, trust_run_code=True)
    assert len(bs.open_run(copy).transfer) > 0
    assert table.to_markdown() == bs.open_run(copy).table("transfer").to_markdown()
    assert call(["table", str(copy), "--table", "transfer", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.strip() == table.to_markdown().strip()


def test_models_in_memory_judge_and_are_not_loaded(copy, no_figures):
    run, other = bs.open_run(copy), tiny_model.build()
    own = [bs.load_model(facts.spec, trust_file=True) for facts in run.models]
    with torch.no_grad():
        next(other.parameters()).mul_(-1)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    table = bs.transfer(run, [*own, other])
    assert set(run.transfer["judge"]) == {*(facts.name for facts in run.models), other.name}
    assert table.to_markdown() == run.table("transfer").to_markdown()
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())
    with pytest.raises(bs.UsageError, match="loading it runs that code"):
        run.verify()
    assert run.verify(models=own).problems == []
    with pytest.raises(bs.UsageError, match="was given as the model; expected"):
        run.verify(models="zoo:shapes-resnet")


def test_a_run_of_a_model_in_memory_is_verified_with_it(tmp_path, tiny_images, no_figures):
    model = tiny_model.build()
    images = bs.load_images(tiny_images, model)
    run = bs.run(model=model, images=images, out=tmp_path / "run", sources=3, report=False)
    with pytest.raises(bs.UsageError, match=r"from Python give it as models=\[model\]"):
        run.verify()
    assert run.verify(models=model).problems == []


def test_a_model_is_diagnosed_by_spec_or_as_it_is(tiny_images):
    by_spec = bs.doctor(MODEL, tiny_images)
    own = bs.doctor(tiny_model.build(), bs.load_images(tiny_images))
    assert [(one.name, one.level) for one in own if one.name != "speed"] == [
        (one.name, one.level) for one in by_spec if one.name != "speed"
    ]
    assert "accuracy" in {one.name for one in own}


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, SIDE, SIDE, generator=generator)


def test_distances_are_those_of_the_tables_for_tensors_arrays_and_single_images(pictures):
    a, b = pictures
    expected = (a - b).square().mean().sqrt().item()
    assert bs.metrics.rmse(a, b).tolist() == pytest.approx([expected])
    assert bs.metrics.rmse(a.double().numpy(), pictures).tolist() == pytest.approx([0, expected])
    assert bs.metrics.linf(a, b).item() == pytest.approx((a - b).abs().max().item())
    assert bs.metrics.ssim(pictures, pictures).tolist() == pytest.approx([1, 1])


def test_distances_of_what_cannot_be_compared_are_refused(pictures, tmp_path, monkeypatch):
    with pytest.raises(bs.UsageError, match="expected the same"):
        bs.metrics.rmse(pictures, torch.rand(2, 3, 8, 8))
    with pytest.raises(bs.UsageError, match="a hold uint8"):
        bs.metrics.linf(np.zeros((3, 4, 4), np.uint8), pictures)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(bs.UsageError, match="LPIPS was asked for and cannot be computed"):
        bs.metrics.lpips(pictures, pictures)


def test_plots_are_the_figures_of_a_run(runs):
    run = bs.open_run(runs[0])
    source = run.pairs["source_id"][0]
    assert isinstance(bs.plots.model_star(run, "zoo:a", source), Axes)
