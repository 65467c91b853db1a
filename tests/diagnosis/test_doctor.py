"""Planted faults are named, each by its own check and by no other; sound models are left alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import blindspots as bs
from blindspots.cli.main import call
from blindspots.diagnosis import Finding, Level, diagnose
from blindspots.diagnosis.gradient_checks import check_attached, check_true, largest_batch
from blindspots.diagnosis.input_checks import candidates, given_normaliser
from blindspots.diagnosis.label_checks import find_order
from blindspots.diagnosis.output_checks import check_saturation, check_steadiness
from blindspots.diagnosis.sample import sign_test, signed_rank_test
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.images.shapes import CLASS_NAMES
from blindspots.methods import describe_method
from blindspots.models.catalog import ZOO
from blindspots.progress import silent
from blindspots.settings import ScienceSettings
from blindspots.study.prepare import prepare
from blindspots.study.run import Experiment
from blindspots.study.subjects import RunRequest, preflight
from blindspots.study.survey import survey
from tests.support import tiny
from tests.support.toys import (
    Cliff,
    Counting,
    Cramped,
    convolutional,
    random_images,
    random_linear,
    toy,
)

FEW = "sample:shapes?n=40"
OPTIONS = "size=64&mean=0.5&std=0.25"
SHUFFLED = [3, 7, 0, 9, 1, 8, 2, 5, 4, 6]
COLOURS = {"red": (210, 40, 30), "yellow": (220, 210, 40), "green": (30, 190, 50)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the models, class files in wrong orders, and pictures of three colours."""
    folder = tmp_path_factory.mktemp("doctor")
    shutil.copy(Path(__file__).parents[1] / "support" / "faulty_models.py", folder / "model.py")
    names = list(CLASS_NAMES)
    (folder / "shuffled.txt").write_text("\n".join(names[i] for i in SHUFFLED))
    (folder / "one_less.txt").write_text("\n".join([*names[1:], names[0]]))
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / "colours" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.clip(rng.normal(colour, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "colours" / name / f"{number}.png")
    return folder


def examine(place, capsys, factory, images=FEW, options=""):
    """The exit status of the command, what it found, and what it said on standard error."""
    model = f"file:{place}/model.py:{factory}{options}"
    status = call(["doctor", model, "--images", images.format(place), "--json", "--quiet"])
    said = capsys.readouterr()
    return status, json.loads(said.out), said.err


def names_of(found, level="wrong"):
    return {one["name"] for one in found["findings"] if one["level"] == level}


def the_wrong_one(found, name):
    return next(x for x in found["findings"] if (x["name"], x["level"]) == (name, "wrong"))


PLANTED = {
    "double_normalisation": ("normalisation", "mean=0&std=1"),
    "grey_levels": ("normalisation", "mean=0&std=0.00392157"),
    "no_normalisation": ("normalisation", "mean=0.485,0.456,0.406&std=0.229,0.224,0.225"),
    "softmaxed": ("logits", "softmax"),
    "sigmoid": ("logits", "sigmoid"),
    "cosine": ("logits", "logit scale"),
    "train_mode": ("eval mode", "train mode: inner.stem.bn"),
    "dropout": ("determinism", "F.dropout needs training=self.training"),
    "dropout_layer": ("determinism", "train mode: behind.1.inner"),
    "shuffled": ("class order", "--classes FILE"),
    "off_by_one": ("class order", "logits[:, 1:]"),
    "detached": ("gradient", "detach()"),
    "half_detached": ("finite differences", "detach()"),
    "rounded": ("gradient", "rounding"),
    "nan": ("finite", "division by 0"),
    "nan_for_some": ("finite", "division by 0"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named_and_no_other(place, capsys, fault):
    name, remedy = PLANTED[fault]
    # An order of ten classes is read from four images of each; the others show in two.
    images = FEW if name == "class order" else "sample:shapes?n=20"
    status, found, error = examine(place, capsys, fault, images)
    assert status == 1
    assert name in error
    assert names_of(found) - {"accuracy"} == {name}
    assert remedy in the_wrong_one(found, name)["remedy"]
    assert all(one["why"] for one in found["findings"])


@pytest.mark.parametrize("base", ["shapes-vit", "shapes-resnet-at"])
@pytest.mark.parametrize("fault", ["double_normalisation", "grey_levels", "train_mode", "dropout"])
def test_faults_that_depend_on_the_model_are_named_for_others_too(place, capsys, fault, base):
    status, found, _ = examine(place, capsys, fault, "sample:shapes?n=20", f"?base={base}")
    assert status == 1
    assert names_of(found) - {"accuracy"} == {PLANTED[fault][0]}


def test_bgr_is_named_where_colours_matter(place, capsys):
    status, found, _ = examine(place, capsys, "bgr", "folder:{0}/colours")
    assert status == 1
    assert names_of(found) - {"accuracy"} == {"channel order"}
    assert "flip(1)" in the_wrong_one(found, "channel order")["remedy"]
    status, found, _ = examine(place, capsys, "hue", "folder:{0}/colours")
    assert status == 0
    assert names_of(found) == set()


@pytest.mark.parametrize(("file", "order"), [("shuffled", "images"), ("one_less", "one output")])
def test_a_class_file_in_another_order_is_named(place, capsys, file, order):
    options = f"?{OPTIONS}&classes={place / file}.txt"
    status, found, _ = examine(place, capsys, "plain", options=options)
    assert status == 1
    assert names_of(found) - {"accuracy"} == {"class order"}
    wrong = the_wrong_one(found, "class order")
    assert order in wrong["found"]
    listed = (place / f"{file}.txt").read_text().split("\n")
    expected = {str(listed.index(name)): place for place, name in enumerate(CLASS_NAMES)}
    assert wrong["values"]["output_of_label"] == {
        label: output for label, output in expected.items() if int(label) != output
    }


def test_two_exchanged_classes_are_named_where_enough_images_say_so(place, capsys):
    status, found, _ = examine(place, capsys, "two_swapped", "sample:shapes?n=30")
    assert status == 0
    assert names_of(found, "note") == {"class order"}
    status, found, _ = examine(place, capsys, "two_swapped", "sample:shapes?n=60")
    assert status == 1
    assert names_of(found) == {"class order"}
    moved = the_wrong_one(found, "class order")["values"]["output_of_label"]
    assert moved == {"3": 4, "4": 3}


def test_what_is_harmless_is_left_alone(place, capsys):
    for factory in ("sound", "log_softmaxed"):
        status, found, error = examine(place, capsys, factory)
        assert (status, error) == (0, "")
        assert {one["level"] for one in found["findings"]} == {"ok"}


@pytest.mark.parametrize("name", ZOO)
def test_the_embedded_models_are_sound(capsys, name):
    assert call(["doctor", f"zoo:{name}", "--images", FEW, "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"Nothing is wrong with zoo:{name}." in said.out
    assert "clean accuracy" in said.out
    assert "note" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@given(st.sampled_from(ZOO), st.integers(0, 10**6), st.integers(1, 20))
@settings(max_examples=4)
def test_no_false_alarm_on_few_images_of_any_seed(name, seed, count):
    model = bs.load_model(f"zoo:{name}")
    images = bs.load_images(f"sample:shapes?n={count}&seed={seed}", model)
    alarms = [one for one in diagnose(model, images) if one.level is Level.WRONG]
    assert alarms == []


def test_without_labels_it_says_what_was_not_checked(place, capsys):
    status, found, _ = examine(place, capsys, "plain", options=f"?{OPTIONS}")
    assert status == 0
    assert found["accuracy"] is None
    assert found["labelled"] is False
    (note,) = [one for one in found["findings"] if one["level"] == "note"]
    assert note["name"] == "accuracy"
    assert "not checked" in note["why"]


def test_the_page_shows_why_and_what_to_type(place, capsys):
    assert call(["doctor", f"file:{place}/model.py:dropout", "--images", FEW, "--quiet"]) == 1
    said = capsys.readouterr()
    shown = " ".join(said.out.split())
    assert "wrong determinism the same batch twice gets other logits" in shown
    assert "why a step is accepted by one look at the confidence" in shown
    assert "type leave dropout and noise out" in shown
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.err.strip().endswith("determinism would make results wrong")


class TestAgainstClosedForms:
    @given(st.integers(0, 40), st.integers(0, 40))
    def test_the_sign_test_is_scipys(self, gains, losses):
        from scipy.stats import binomtest

        total = gains + losses
        expected = binomtest(gains, total, 0.5, "greater").pvalue if total else 1.0
        assert sign_test(gains, losses) == pytest.approx(expected, rel=1e-9)

    @given(st.integers(0, 1000), st.sampled_from([-0.3, 0.0, 0.3]))
    @settings(max_examples=6)
    def test_the_signed_rank_test_is_scipys(self, seed, shift):
        from scipy.stats import wilcoxon

        draws = torch.randn(60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        expected = wilcoxon((draws + shift).numpy(), alternative="greater").pvalue
        assert signed_rank_test(draws + shift) == pytest.approx(expected, abs=0.012)

    @given(st.permutations(range(8)), st.integers(0, 1000))
    def test_any_order_is_read_from_three_images_a_class(self, order, seed):
        labels = torch.arange(8).repeat(3)
        predicted = torch.tensor(order)[labels]
        missed = torch.randperm(8, generator=torch.Generator().manual_seed(seed))[:2]
        predicted[missed] = (predicted[missed] + 3) % 8
        found = find_order(predicted, labels, 8, None)
        moved = sum(a != b for a, b in enumerate(order))
        if moved >= 4:
            assert torch.equal(found.applied(torch.arange(8)), torch.tensor(order))
        elif not moved:
            assert found is None

    @given(st.integers(0, 10**6), st.sampled_from([10, 100, 1000]), st.integers(1, 120))
    def test_no_order_is_read_into_chance(self, seed, classes, count):
        generator = torch.Generator().manual_seed(seed)
        labels, predicted = torch.randint(classes, (2, count), generator=generator)
        assert find_order(predicted, labels, classes, None) is None

    @given(st.integers(0, 10**6), st.integers(1, 6))
    def test_a_model_that_says_always_the_same_stands_in_no_other_order(self, seed, said):
        labels = torch.randint(10, (60,), generator=torch.Generator().manual_seed(seed))
        predicted = torch.arange(60) % said
        assert find_order(predicted, labels, 10, None) is None

    def test_orders_with_a_name_need_one_image_a_class(self):
        labels = torch.arange(0, 120, 3)
        as_text = sorted(range(120), key=str)
        predicted = torch.tensor([as_text.index(label) for label in labels.tolist()])
        assert "as text" in find_order(predicted, labels, 120, None).said
        assert "one output less" in find_order(labels - 1, labels, 120, None).said

    def test_applied_twice_is_the_normaliser_applied_twice(self):
        model = bs.Classifier(random_linear(0), size=4, mean=(0.2, 0.4, 0.6), std=(0.1, 0.5, 0.3))
        (twice,) = [c for c in candidates(given_normaliser(model)) if "twice" in c.said][:1]
        images = random_images(2)
        once = (images - model.mean) / model.std
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (twice.mean, twice.std))
        expected = (once - model.mean) / model.std
        assert torch.allclose((images - mean) / std, expected, rtol=1e-4, atol=1e-4)

    def test_the_gradient_of_a_linear_model_is_true(self):
        evaluator = Evaluator(toy(random_linear(0, classes=2)))
        labels = torch.zeros(4, dtype=torch.long)
        (true,) = check_true(evaluator, random_images(4), labels)
        assert true.values["ratio"] == pytest.approx(1, abs=1e-3)

    def test_zero_gradients_are_counted(self):
        labels = torch.zeros(4, dtype=torch.long)
        (flat,) = check_attached(Evaluator(toy(Cliff(0.5))), random_images(4), labels)
        assert (flat.level, flat.values["zero"]) == (Level.WRONG, 4)

    def test_saturation_is_the_share_below_a_millionth(self):
        (many,) = check_saturation(torch.tensor([0.0, 1e-7, 9e-7, 2e-6]))
        assert (many.level, many.values["share"]) == (Level.NOTE, 0.75)
        (few,) = check_saturation(torch.tensor([1e-7, 1e-5, 1e-5, 0.1]))
        assert (few.level, few.values["share"]) == (Level.OK, 0.25)

    @pytest.mark.parametrize(("most", "largest"), [(3, 2), (20, 16), (64, 64)])
    def test_the_largest_batch_is_found_by_doubling(self, most, largest):
        model = toy(Cramped(random_linear(0), most))
        assert largest_batch(model, random_images(2), at_most=64) == largest

    def test_batch_norm_without_running_statistics_needs_company(self):
        module = torch.nn.Sequential(
            torch.nn.BatchNorm2d(3, track_running_stats=False), convolutional()
        )
        with toy(module).frozen() as model:
            steady = check_steadiness(Evaluator(model), random_images(4), alone=4)
        assert [(one.name, one.level) for one in steady] == [
            ("determinism", Level.OK),
            ("eval mode", Level.WRONG),
        ]

    def test_a_layer_that_cannot_look_at_one_image_needs_company(self):
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(48), random_linear(0))
        module.eval = module.train
        (_, found) = check_steadiness(Evaluator(toy(module)), random_images(4), alone=4)
        assert found.level is Level.WRONG
        assert "alone" in found.found


def test_a_finding_is_plain_data():
    one = Finding(name="x", level=Level.OK, found="f", why="w", values={"a": 1})
    assert json.loads(json.dumps(one.as_json())) == {
        **{"name": "x", "level": "ok", "found": "f", "why": "w", "remedy": ""},
        "values": {"a": 1},
    }


class TestInEveryRun:
    def command(self, place, factory, out):
        model = f"file:{place}/model.py:{factory}"
        images = ["--images", "sample:shapes?n=40", "--sources", "4"]
        return call(["run", "--model", model, *images, "--out", str(out), "--dry-run", "--quiet"])

    def test_what_is_wrong_is_said(self, place, tmp_path, capsys):
        assert self.command(place, "dropout", tmp_path / "run") == 0
        assert "warning: file:" in (error := capsys.readouterr().err)
        assert "the same batch twice gets other logits" in error

    def test_a_wrong_mean_and_std_is_said_with_what_to_type(self, place, tmp_path, capsys):
        (tmp_path / "names.txt").write_text("\n".join(CLASS_NAMES))
        model = f"plain?size=64&mean=0.5&std=0.5&classes={tmp_path / 'names.txt'}"
        assert self.command(place, model, tmp_path / "run") == 0
        error = " ".join(capsys.readouterr().err.split())
        assert ":plain: half your std is better: 100% of the images are named correctly" in error
        assert "; mean=0.5&std=0.25 in the spec" in error

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("", "says no mean and no std: images in [0, 1] are shown to it with mean 0 and std 1"),
            ("&mean=0.1", "says no std: "),
            ("&mean=0.1&std=1", None),
        ],
    )
    def test_what_is_assumed_is_said(self, tmp_path, capsys, typed, said):
        code = "from tests.support.tiny_model import Tiny\n\n\ndef bare():\n"
        (tmp_path / "model.py").write_text(f"{code}    return Tiny(0, 14.0, 0.8)\n")
        images = f"folder:{tiny.write_images(tmp_path / 'images')}"
        given = ["--images", images, "--sources", "6", "--out", str(tmp_path / "run")]
        (tmp_path / "names.txt").write_text("\n".join(tiny.NAMES))
        model = f"file:{tmp_path}/model.py:bare?size=12&classes={tmp_path}/names.txt{typed}"
        assert call(["run", "--model", model, *given, "--dry-run"]) == 0
        error = " ".join(capsys.readouterr().err.split())
        assert (f":bare {said}" in error) if said else "says no" not in error

    def test_it_is_stored_and_resuming_does_not_look_again(self, place, tmp_path):
        """The answers are random, so a second look would find another difference."""
        method = bs.Reference(max_steps=1)
        science = ScienceSettings(method=describe_method(method), sources=3, targets_per_source=1)
        request = RunRequest(
            models=[f"file:{place}/model.py:dropout"], images="sample:shapes?n=20", science=science
        )
        first = prepare(request, tmp_path / "run", silent())
        Experiment(first, method, tmp_path / "run", reporter=silent()).execute()
        (model,) = json.loads((tmp_path / "run" / "run.json").read_text())["models"]
        assert {"images", "labelled", "accuracy", "mean_confidence"} < model["preflight"].keys()
        assert names_of(model["preflight"]) == {"determinism"}
        again = prepare(request, tmp_path / "run", silent()).preflight[model["name"]]
        assert again.findings == first.preflight[model["name"]].findings
        elsewhere = prepare(request, tmp_path / "other", silent()).preflight[model["name"]]
        assert elsewhere.findings != again.findings

    def test_a_model_without_a_gradient_is_refused(self, place, tmp_path, capsys):
        assert self.command(place, "detached", tmp_path / "run") == 2
        assert "no gradient with respect to the image" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("spec", "forwards"), [("zoo:one", 0), ("file:one.py:f", 13), ("one", 13)]
    )
    def test_what_it_costs_beside_four_evaluations_and_a_half(self, spec, forwards):
        module = Counting(bs.load_model("zoo:shapes-resnet").module)
        sound = bs.load_model("zoo:shapes-resnet")
        model = bs.Classifier(
            module, size=64, mean=(0.5,) * 3, std=(0.25,) * 3, class_names=sound.class_names
        )
        images = bs.load_images("sample:shapes?n=12", model)
        subject = Subject(spec, model, images, Evaluator(model, chunk=8), "fingerprint")
        surveyed = survey([subject], range(12), 12, {})
        _ = model.num_classes
        before = module.with_gradient, module.without
        findings = preflight(subject, surveyed)
        asked = module.with_gradient - before[0], module.without - before[1]
        assert asked[0] + asked[1] / 2 == 4.5 + 12 * forwards / 2
        assert {one.level for one in findings} == {Level.OK}


@pytest.fixture
def mixed_photos(tmp_path):
    """Two class folders with an image that is none, a grey one, and files beside them."""
    for name in ("cup", "house"):
        (tmp_path / name).mkdir()
        pixels = np.random.default_rng(len(name)).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / "own.png")
    Image.fromarray(pixels).convert("L").save(tmp_path / "cup" / "grey.png")
    (tmp_path / "house" / "broken.jpg").write_text("no image")
    (tmp_path / "readme.md").write_text("words")
    return f"folder:{tmp_path}"


def test_what_a_run_says_of_the_images_the_doctor_says_too(mixed_photos, capsys):
    call(["doctor", "zoo:shapes-resnet", "--images", mixed_photos])
    said = " ".join(capsys.readouterr().err.split())
    assert "note: 1 files were passed over" in said
    assert "cup → 3 cup, house → 6 house" in said
    assert "warning: skipped house/broken.jpg" in said
    assert "warning: converted cup/grey.png: greyscale" in said


def test_as_data_the_doctor_holds_what_was_said_of_the_images(mixed_photos, capsys):
    call(["doctor", "zoo:shapes-resnet", "--images", mixed_photos, "--json", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    assert ["readme.md" in note or "cup → 3 cup" in note for note in found["notes"]] == [True] * 2
    assert [one["name"] for one in found["skipped"]] == ["house/broken.jpg"]
    assert [one["name"] for one in found["converted"]] == ["cup/grey.png"]
