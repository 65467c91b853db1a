"""`exported:`: programs of torch.export, bit-equal, and only from files that are trusted."""

import json

import pytest
import torch
from torch import nn

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.methods import Reference, describe_method
from blindspots.models.load import load_model
from blindspots.progress import Reporter
from blindspots.settings import MachineSettings, ScienceSettings, Trust
from blindspots.study.prepare import prepare
from blindspots.study.run import Experiment
from blindspots.study.subjects import RunRequest
from tests.support import tiny
from tests.support.pictures import doctor, save_pictures

BATCH = ({0: torch.export.Dim("batch")},)


class Net(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.layers(images).mean((2, 3)))


def export(module, path, example=(2, 3, 12, 16), dynamic=BATCH):
    program = torch.export.export(module, (torch.rand(example),), dynamic_shapes=dynamic)
    torch.export.save(program, path)


@pytest.fixture(scope="module")
def network():
    return Net().eval()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    export(network, path)
    return path


def refusal(spec, **trust):
    with pytest.raises(UsageError) as caught:
        load_model(spec, **trust)
    return str(caught.value)


@pytest.mark.scheme("exported", "logits")
def test_logits_and_gradients_are_bit_equal(network, file):
    model = load_model(f"exported:{file}?mean=0.5&std=0.25", trust_file=True)
    assert (model.size, model.num_classes) == ((12, 16), 3)
    images = torch.rand(5, 3, 12, 16)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    logits, expected = model(ours), network((theirs - 0.5) / 0.25)
    assert torch.equal(logits, expected)
    logits[:, 1].sum().backward()
    expected[:, 1].sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_programs_of_equal_weights_have_different_fingerprints(network, file, tmp_path):
    class Twice(Net):
        def forward(self, images):
            return 2 * super().forward(images)

    export(Twice().eval(), tmp_path / "twice.pt2")
    one = load_model(f"exported:{file}", trust_file=True)
    two = load_model(f"exported:{tmp_path}/twice.pt2", trust_file=True)
    assert one.fingerprint() != two.fingerprint()
    assert one.fingerprint() == load_model(f"exported:{file}", trust_file=True).fingerprint()


@pytest.mark.scheme("exported", "loads")
def test_the_command_line_takes_it_only_with_trust(file, tmp_path, capsys):
    images = save_pictures(tmp_path / "photos")
    assert call(["doctor", f"exported:{file}", "--images", images]) == 2
    assert "add --trust-file" in capsys.readouterr().err
    assert doctor(f"exported:{file}", images, capsys, "--trust-file")["classes"] == 3


def test_trust_is_asked_for_anew_and_never_stored(tmp_path, tiny_images, capsys):
    (tmp_path / "names.txt").write_text("\n".join(tiny.NAMES))
    side = tiny.SIDE
    export(load_model(tiny.MODEL).module, tmp_path / "tiny.pt2", (2, 3, side, side))
    spec = f"exported:{tmp_path}/tiny.pt2?classes={tmp_path}/names.txt"
    out, wishes = tmp_path / "run", ("--sources", "2", "--targets-per-source", "1", "--dry-run")
    assert tiny.run(tiny_images, out, *wishes, models=[spec, tiny.MODEL]) == 2
    assert tiny.run(tiny_images, out, *wishes, "--trust-file", models=[spec, tiny.MODEL]) == 0
    _run(spec, tiny_images, out)
    assert json.loads((out / "run.json").read_text())["models"][0]["spec"] == spec
    capsys.readouterr()
    assert call(["verify", str(out), "--quiet"]) == 2
    assert "add --trust-file" in capsys.readouterr().err
    assert call(["verify", str(out), "--quiet", "--trust-file"]) == 0


def _run(spec, images, out):
    method, reporter = Reference(max_steps=2), Reporter(quiet=True)
    request = RunRequest(
        models=[spec],
        images=images,
        science=ScienceSettings(method=describe_method(method), sources=2, targets_per_source=1),
        machine=MachineSettings(keep="found"),
        trust=Trust(file=True),
    )
    Experiment(prepare(request, out, reporter), method, out, "blindspots run", reporter).execute()


@pytest.mark.scheme("exported", "broken")
@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04" + b"\0" * 40, None])
def test_a_broken_file_is_refused(file, tmp_path, content):
    content = file.read_bytes()[:-200] if content is None else content
    (tmp_path / "bad.pt2").write_bytes(content)
    said = refusal(f"exported:{tmp_path}/bad.pt2", trust_file=True)
    assert "cannot be read as an exported program" in said


def test_what_could_not_be_used_is_refused_with_how_to_export(tmp_path):
    export(Net().eval(), tmp_path / "one.pt2", (1, 3, 12, 16), None)
    assert "Dim('batch')" in refusal(f"exported:{tmp_path}/one.pt2", trust_file=True)
    export(Net(dropout=0.5).train(), tmp_path / "train.pt2")
    assert "exported in training mode" in refusal(f"exported:{tmp_path}/train.pt2", trust_file=True)
    export(nn.Flatten(0).eval(), tmp_path / "flat.pt2", (2, 3), BATCH)
    assert "of the shape (batch, 3, height, width)" in refusal(
        f"exported:{tmp_path}/flat.pt2", trust_file=True
    )


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("exported:none.pt2", "names no file"),
        ("exported:none.pt2?depth=3", "takes no arguments"),
        ("exported:none.pt2?trust_file=true", "type --trust-file"),
        ("onnx:model.onnx", "torch.export.save"),
        ("torchscript:model.pt", "deprecated"),
    ],
)
def test_a_wrong_spec_is_refused(spec, says):
    assert says in refusal(spec)


def test_the_two_lines_that_the_refusal_shows_make_a_file_that_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refusal("onnx:model.onnx")
    lines = said[said.index("batch =") :].partition(" and type")[0]
    exec(lines, {"torch": torch, "model": Net()})
    assert load_model("exported:model.pt2", trust_file=True).size == (224, 224)
