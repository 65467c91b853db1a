"""`torchvision:`: its own weights files, transforms and categories; and what it refuses."""

import hashlib

import pytest
import torch
from torchvision import models
from torchvision.models import GoogLeNet_Weights, MobileNet_V2_Weights, ShuffleNet_V2_X0_5_Weights

from blindspots.errors import UsageError
from blindspots.images import Preprocessing
from blindspots.models.load import load_model
from tests.support.pictures import answer, doctor, make_picture, save_pictures, spread_out

NAME, WEIGHTS = "shufflenet_v2_x0_5", ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1


@pytest.fixture(scope="module")
def network():
    return spread_out(models.get_model(NAME, weights=None), 1.5)


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Put a network into torch's hub cache as if it were the published one of an entry."""

    def put(network, weights):
        folder = tmp_path / "home" / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save(network.state_dict(), folder / "new.pth")
        digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
        file = (folder / "new.pth").rename(folder / f"{weights.name}-{digest}.pth")
        monkeypatch.setattr(weights.value, "url", f"http://127.0.0.1:9/{file.name}")
        return file

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return put


def refusal(spec):
    with pytest.raises(UsageError) as caught:
        load_model(spec)
    return str(caught.value)


@pytest.mark.scheme("torchvision", "logits")
@pytest.mark.scheme("torchvision", "preprocessing")
def test_a_picture_gets_the_logits_of_torchvisions_own_pipeline(network, file):
    model, picture = load_model(f"torchvision:{NAME}?weights={file}"), make_picture()
    with torch.no_grad():
        expected = network(WEIGHTS.transforms()(picture)[None])
    assert expected.std() > 0.1
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.preprocessing == Preprocessing(
        size=(224, 224), resize=256, interpolation="bilinear"
    )


def test_the_categories_are_the_names_and_wnids_the_folders(file):
    model = load_model(f"torchvision:{NAME}?weights={file}")
    assert model.class_names[99] == WEIGHTS.meta["categories"][99] == "goose"
    assert model.class_folders[99] == "n01855672"
    assert len(set(model.class_names)) == 1000


@pytest.mark.scheme("torchvision", "loads")
def test_published_weights_come_from_torchs_cache_and_through_the_command_line(
    network, publish, tmp_path, capsys
):
    publish(network, WEIGHTS)
    model = load_model(f"torchvision:{NAME}:IMAGENET1K_V1")
    assert torch.equal(model.module.fc.weight, network.fc.weight)
    said = doctor(f"torchvision:{NAME}", save_pictures(tmp_path / "photos"), capsys)
    assert (said["model"], said["classes"]) == (f"torchvision:{NAME}", 1000)


@pytest.mark.scheme("torchvision", "logits")
def test_a_network_that_normalises_inside_does_so_as_torchvision_does(publish):
    weights = GoogLeNet_Weights.IMAGENET1K_V1
    publish(spread_out(models.googlenet(weights=None, init_weights=False), 1.5), weights)
    theirs, picture = models.googlenet(weights=weights).eval(), make_picture()
    with torch.no_grad():
        expected = theirs(weights.transforms()(picture)[None])
    model = load_model("torchvision:googlenet:IMAGENET1K_V1")
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tag", ["", ":IMAGENET1K_V1"])
def test_a_file_of_such_a_network_is_answered_as_its_own_pipeline_does(tmp_path, tag):
    weights = GoogLeNet_Weights.IMAGENET1K_V1
    theirs = models.googlenet(weights=None, init_weights=False, transform_input=True)
    spread_out(theirs, 1.5)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    picture = make_picture()
    with torch.no_grad():
        expected = theirs(weights.transforms()(picture)[None])
    model = load_model(f"torchvision:googlenet{tag}?weights={tmp_path}/w.pth")
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("heads", [True, False])
def test_auxiliary_heads_count_in_training_alone(tmp_path, heads):
    theirs = models.googlenet(weights=None, init_weights=False, num_classes=3, aux_logits=heads)
    torch.save(spread_out(theirs, 1.5).state_dict(), tmp_path / "w.pth")
    for own in ("", "&aux_logits=false"):
        spec = f"torchvision:googlenet?num_classes=3&weights={tmp_path}/w.pth{own}"
        assert torch.equal(load_model(spec).module.fc.weight, theirs.fc.weight)


def test_a_file_is_seen_as_the_weights_that_it_is(publish):
    network = spread_out(models.mobilenet_v2(weights=None), 1.5)
    file = publish(network, MobileNet_V2_Weights.IMAGENET1K_V1)
    assert MobileNet_V2_Weights.DEFAULT.transforms().resize_size == [232]
    model = load_model(f"torchvision:mobilenet_v2?weights={file}")
    assert (model.preprocessing.resize, model.notes) == (256, ())
    torch.save(network.state_dict(), file)
    file.write_bytes(file.read_bytes() + b"changed")
    model = load_model(f"torchvision:mobilenet_v2?weights={file}")
    assert model.preprocessing.resize == 232
    (note,) = model.notes
    assert "type torchvision:mobilenet_v2:IMAGENET1K_V1?weights=FILE" in note
    assert load_model(f"torchvision:mobilenet_v2:IMAGENET1K_V1?weights={file}").notes == ()


def test_own_classes_and_another_size(tmp_path):
    own = models.get_model(NAME, weights=None, num_classes=3)
    torch.save(own.state_dict(), tmp_path / "w.pth")
    model = load_model(f"torchvision:{NAME}?num_classes=3&size=112&weights={tmp_path}/w.pth")
    assert (model.num_classes, model.class_names, model.size) == (3, None, (112, 112))
    assert model.preprocessing.resize == 128


@pytest.mark.scheme("torchvision", "broken")
def test_a_file_in_the_cache_that_is_not_the_published_one_is_refused(network, publish):
    file = publish(network, WEIGHTS)
    file.write_bytes(file.read_bytes()[:-100])
    assert "is not the file that torchvision published" in refusal(f"torchvision:{NAME}")


@pytest.mark.scheme("torchvision", "broken")
def test_a_cut_weights_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:1000])
    assert "cannot be read as weights" in refusal(f"torchvision:{NAME}?weights={file}")


@pytest.mark.parametrize("offline", [True, False])
def test_weights_that_cannot_be_had_are_refused_with_what_to_type(publish, monkeypatch, offline):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(WEIGHTS.value, "url", "http://127.0.0.1:9/x-00000000.pth")
    assert f"type torchvision:{NAME}?weights=FILE" in refusal(f"torchvision:{NAME}")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("torchvision:resnet51", "did you mean resnet50"),
        ("torchvision:resnet50:IMAGENET1K_V3", "did you mean IMAGENET1K_V"),
        ("torchvision:resnet50:x", "it has IMAGENET1K_V1, IMAGENET1K_V2"),
        ("torchvision:fasterrcnn_resnet50_fpn", "no image classifier"),
        (f"torchvision:{NAME}?depth=3&weights=w.pth", "torchvision cannot build"),
        (f"torchvision:{NAME}?pretrained=true", f"torchvision:{NAME}?weights=FILE"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_nearest_spelling(spec, says):
    assert says in refusal(spec)
