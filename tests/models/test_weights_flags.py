"""`--weights FILE` and `--lpips-weights FILE`: what is typed is what is used."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from blindspots.cli.main import call
from blindspots.images import load_images
from blindspots.measure import metrics
from blindspots.models.load import load_model
from blindspots.store.reader import Run
from tests.support.pictures import doctor, save_pictures, spread_out, write_backbone

NAME, CLASSES = "resnet10t", 7


def test_a_weights_file_beside_the_model_holds_its_weights(tmp_path, capsys):
    network = spread_out(timm.create_model(NAME, num_classes=CLASSES), 1.5)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    pictures = save_pictures(tmp_path / "photos", 5)
    flags = ["--weights", str(tmp_path / "w.safetensors"), "--size", "32"]
    said = doctor(f"timm:{NAME}", pictures, capsys, *flags, "--model-arg", f"num_classes={CLASSES}")
    assert (said["model"], said["classes"]) == (f"timm:{NAME}", CLASSES)
    spec = f"timm:{NAME}?num_classes={CLASSES}&size=32&weights={tmp_path}/w.safetensors"
    model = load_model(spec)
    with torch.no_grad():
        logits = network((load_images(pictures, model).images - model.mean) / model.std)
    expected = float(logits.softmax(dim=1).amax(dim=1).mean())
    assert expected > 1.2 / CLASSES
    assert said["mean_confidence"] == pytest.approx(expected, abs=1e-5)


def floats(pixels):
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


def test_a_backbone_beside_the_run_measures_lpips(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    backbone, out = write_backbone(tmp_path), tmp_path / "run"
    command = ["run", "--model", "zoo:shapes-resnet", "--images", "sample:shapes?n=12", "--quiet"]
    command += ["--sources", "2", "--targets-per-source", "1", "--method", "paper"]
    command += ["--set", "max_steps=1", "--out", str(out), "--lpips-weights", str(backbone)]
    assert call(command) == 2
    assert "is not LPIPS's backbone" in capsys.readouterr().err
    monkeypatch.setattr(metrics, "_LPIPS_SHA256", "")
    assert call(command) == 0
    run, lpips = Run(out), metrics.Lpips(backbone)
    rows = run.pair_rows(started=True)
    for row in rows:
        found = torch.from_numpy(run.exact(row["pair_id"]))[None]
        for column, end in (("lpips", "target_id"), ("source_lpips", "source_id")):
            other = floats(run.image(row[end], row["model"]))
            assert row[column] == pytest.approx(lpips(found, other).item(), rel=1e-3, abs=1e-6)
    assert len(rows) == 2
    assert all(row["random_pair_lpips"] > 0 for row in run.null_rows())
    assert call(["verify", str(out), "--quiet", "--lpips-weights", str(backbone)]) == 0
