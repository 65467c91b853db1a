"""What a weights file holds besides the weights: which set is taken, what is stripped, refused."""

import pickle
import random

import pytest
import timm
import torch
from safetensors.torch import save, save_file
from torch import nn

from blindspots.errors import UsageError
from blindspots.models.load import load_model
from blindspots.models.weights import load_weights


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 3))


TRUE, OTHER = network(1).state_dict(), network(2).state_dict()


def below(prefix, state=TRUE):
    return {f"{prefix}{key}": value for key, value in state.items()}


def loaded(tmp_path, content, entry=None):
    """What was taken from a file of that content: the network, and what was said."""
    path, module = tmp_path / "w.pth", network()
    torch.save(content, path)
    fitted = load_weights(module, path, "tiny", entry=entry)
    return module.state_dict(), fitted


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in other)


MOMENTS = {"state": {0: {"exp_avg": torch.ones(4), "step": torch.tensor(1.0)}}}
LOSS = {"criterion.weight": torch.ones(3), "loss_fn.pos_weight": torch.ones(3)}
CERTAIN = {
    "a list of one": [TRUE],
    "a list of one below a key": {"state_dict": [TRUE], "epoch": 3},
    "a tuple of one below a key": {"model": (TRUE,)},
    "beside numbers in a list": [TRUE, {"epoch": 3}, "sgd"],
    "beside a counter": {"net": TRUE, "epoch": torch.tensor(3)},
    "around a table of something else": {**TRUE, "args": {"class_weights": torch.ones(3)}},
    "beside an optimiser": {"net": TRUE, "optimizer": MOMENTS, "epoch": 3},
    "Lightning with a loss's weight": {"state_dict": {**below("net."), **LOSS}},
    "a backbone": below("backbone."),
    "wrapped twice": below("_orig_mod.module."),
    "wrapped the other way": below("module._orig_mod."),
    "counters of a profiler": {**TRUE, "total_ops": torch.ones(1), "0.total_params": torch.ones(1)},
}


@pytest.mark.parametrize("form", CERTAIN)
def test_what_is_certain_is_stripped(tmp_path, form):
    state, fitted = loaded(tmp_path, CERTAIN[form])
    assert same(state, TRUE)
    assert fitted == (None, ())


SEVERAL = {
    "timm's": ({"state_dict": TRUE, "state_dict_ema": OTHER}, "state_dict_ema"),
    "ConvNeXt's": ({"model": TRUE, "model_ema": OTHER}, "model_ema"),
    "Lightning's": ({"state_dict": {**below("net."), **below("ema_net.", OTHER)}}, "ema_net"),
    "a tensor beside": (
        {"net": TRUE, "net_ema": OTHER, "best_acc1": torch.tensor(76.0)},
        "net_ema",
    ),
    "an average inside": ({**TRUE, "ema": OTHER}, "ema"),
    "DINO's": ({"student": TRUE, "teacher": OTHER}, "teacher"),
    "a callback's": (
        {"state_dict": below("model."), "callbacks": {"EMA": {"ema_state_dict": OTHER}}},
        "callbacks.EMA.ema_state_dict",
    ),
    "a module's": ({**below("model."), **below("model_ema.module.", OTHER)}, "model_ema.module"),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_of_several_sets_one_is_taken_and_the_note_says_how_to_take_the_other(tmp_path, form):
    content, entry = SEVERAL[form]
    state, fitted = loaded(tmp_path, content)
    assert same(state, TRUE)
    assert f"add entry={entry} to the spec" in fitted.notes[0]
    state, fitted = loaded(tmp_path, content, entry)
    assert same(state, OTHER)
    assert fitted.notes == ()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda v: (100 * v).to(torch.int8), "weight holds whole numbers"),
        (lambda v: v > 0, "weight holds whole numbers"),
        (lambda v: v.to_sparse(), "weight is sparse"),
        (lambda v: v.to("meta"), "weight is without values"),
        (lambda v: v.to(torch.complex64), "complex numbers"),
    ],
)
def test_values_that_a_network_would_cast_in_silence_are_refused(tmp_path, changed, why):
    with pytest.raises(UsageError, match=why):
        loaded(tmp_path, {key: changed(value) for key, value in TRUE.items()})


def advised(message):
    return message.partition("entry=")[2].partition(" ")[0].rstrip(",;")


@pytest.mark.parametrize(
    "content",
    [
        {"generator": TRUE, "encoder": OTHER},
        {**below("left."), **below("right.", OTHER)},
        {**below("backbone."), "head.weight": torch.ones(2, 3)},
    ],
)
def test_what_is_not_certain_is_refused_with_what_to_add(tmp_path, content):
    with pytest.raises(UsageError, match="add entry=") as caught:
        loaded(tmp_path, content)
    state, _ = loaded(tmp_path, content, advised(str(caught.value)))
    assert same(state, TRUE)


@pytest.mark.parametrize("form", ["a list of one below a key", "beside a counter"])
def test_a_set_that_is_taken_can_also_be_named(tmp_path, form):
    entry = next(iter(CERTAIN[form]))
    assert same(loaded(tmp_path, CERTAIN[form], entry)[0], TRUE)


def test_an_entry_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(UsageError, match=r"entry=ema was given .* one of model"):
        loaded(tmp_path, {"model": TRUE}, "ema")


@pytest.mark.parametrize("mean", ["0.mean", "pixel_mean", "norm.means", "image_mean"])
def test_a_normalisation_before_the_network_is_taken_over(tmp_path, mean):
    std = mean.replace("mean", "std")
    layer = {mean: torch.tensor([0.1, 0.2, 0.3]), std: torch.tensor([0.5, 0.6, 0.7])}
    state, fitted = loaded(tmp_path, {**layer, **below("1.")})
    assert same(state, TRUE)
    assert fitted.normalisation.std == pytest.approx((0.5, 0.6, 0.7))


@pytest.mark.parametrize("nest", ["net", "state_dict"])
def test_tensors_around_the_network_are_used_or_named(tmp_path, nest):
    around = {"mean": torch.full((3,), 0.4), "std": torch.full((3,), 0.2)}
    state, fitted = loaded(tmp_path, {nest: TRUE, **around, "temperature": torch.tensor(1.5)})
    assert same(state, TRUE)
    assert fitted.normalisation.mean == pytest.approx((0.4,) * 3)
    (note,) = fitted.notes
    assert f"beside {nest} (temperature), which were passed over" in note


def test_a_normalisation_of_pixels_up_to_255_is_scaled_and_said(tmp_path):
    layer = {"0.mean": torch.full((3,), 127.5), "0.std": torch.full((3,), 63.75)}
    state, fitted = loaded(tmp_path, {**layer, **below("1.")})
    assert same(state, TRUE)
    assert fitted.normalisation == ((0.5,) * 3, (0.25,) * 3)
    (note,) = fitted.notes
    assert "(mean 127.5, 127.5, 127.5, std 63.75, 63.75, 63.75); both were divided by 255" in note


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1j, -1.0])
def test_a_normalisation_that_is_none_is_refused_and_the_advice_helps(tmp_path, odd):
    layer = {"0.mean": torch.zeros(3), "0.std": torch.tensor([1.0, 1.0, odd])}
    with pytest.raises(UsageError, match="save it without one"):
        loaded(tmp_path, {**layer, **below("1.")})
    assert same(loaded(tmp_path, below("1."))[0], TRUE)


def test_what_is_no_pickle_is_refused_as_such(tmp_path):
    (tmp_path / "w.pth").write_text("one\ntwo\n")
    with pytest.raises(UsageError, match="neither a safetensors file nor one that"):
        load_weights(network(), tmp_path / "w.pth", "tiny")


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_pickle_is_converted_as_its_refusal_says(tmp_path, form, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": TRUE, "args": random.Random(0)}
    with (tmp_path / "w.pth").open("wb") as file:
        if form == "pickle":
            pickle.dump(content, file)
        else:
            torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UsageError, match="convert it once: ") as caught:
        load_weights(network(), tmp_path / "w.pth", "tiny")
    typed = str(caught.value).partition("convert it once: ")[2].partition(", or .state_dict")[0]
    exec(typed, {"torch": torch, "pickle": pickle, "FILE": "w.pth"})
    load_weights(network(), tmp_path / "weights.pth", "tiny")


def test_a_model_normalises_as_its_file_says_unless_the_spec_does(tmp_path):
    (tmp_path / "net.py").write_text(
        "from tests.models.test_weights import network\ndef net(): return network()\n"
    )
    layer = {"0.mean": torch.tensor([0.1, 0.2, 0.3]), "0.std": torch.tensor([0.5, 0.6, 0.7])}
    torch.save({**layer, **below("1.")}, tmp_path / "w.pth")
    spec = f"file:{tmp_path}/net.py:net?size=5&weights={tmp_path}/w.pth"
    assert load_model(spec).mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert load_model(f"{spec}&mean=0.4").mean.flatten().tolist() == pytest.approx([0.4] * 3)


@pytest.mark.parametrize("suffix", [".bin", ".pth", ".ckpt", ""])
def test_safetensors_are_known_by_what_they_hold(tmp_path, suffix):
    path, module = tmp_path / f"w{suffix}", network()
    save_file(TRUE, path)
    load_weights(module, path, "tiny")
    assert same(module.state_dict(), TRUE)


def test_a_pickle_that_is_called_safetensors_is_read_as_what_it_is(tmp_path):
    path, module = tmp_path / "w.safetensors", network()
    torch.save(TRUE, path)
    load_weights(module, path, "tiny")
    assert same(module.state_dict(), TRUE)


def test_a_moving_average_is_noted_where_the_model_is_loaded(tmp_path):
    state = timm.create_model("resnet10t", num_classes=3).state_dict()
    torch.save({"state_dict": state, "state_dict_ema": state}, tmp_path / "w.pth")
    spec = f"timm:resnet10t?num_classes=3&size=32&weights={tmp_path}/w.pth"
    (note,) = load_model(spec).notes
    assert "entry=state_dict_ema" in note
    assert load_model(f"{spec}&entry=state_dict_ema").notes == ()


def mutated(data, random):
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        place = random.randrange(len(data) or 1)
        match random.randrange(3):
            case 0:
                data[place : place + 1] = random.randbytes(1)
            case 1:
                del data[place : place + random.randint(1, 9)]
            case _:
                data[place:place] = random.randbytes(random.randint(1, 9))
    return bytes(data)


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors", "raw pickle"])
def test_a_file_that_lies_is_refused_by_one_sentence(tmp_path, kind):
    path, draw = tmp_path / "w.pth", random.Random(kind)
    if kind == "safetensors":
        path.write_bytes(save(TRUE))
    elif kind == "raw pickle":
        path.write_bytes(pickle.dumps({"model": {"weight": [1.0] * 9}}))
    else:
        torch.save(TRUE, path, _use_new_zipfile_serialization=kind == "zip")
    whole, refused = path.read_bytes(), 0
    for _ in range(150):
        path.write_bytes(mutated(whole, draw))
        try:
            load_weights(network(), path, "tiny")
        except UsageError as error:
            refused += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
    assert refused > 20


def test_what_a_network_cannot_hold_is_refused(tmp_path):
    complex_weights = {key: value.to(torch.complex64) for key, value in TRUE.items()}
    with pytest.raises(UsageError, match="do not fit tiny"):
        loaded(tmp_path, complex_weights)
