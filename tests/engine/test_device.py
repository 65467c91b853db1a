"""Machine settings change the speed and not the results; precision changes them only slightly."""

import ctypes
import inspect
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

import blindspots as bs
from blindspots.cli.main import call
from blindspots.engine.batch import Pair
from blindspots.engine.device import (
    LARGEST_INT,
    M_MMAP_MAX,
    M_TRIM_THRESHOLD,
    arithmetic,
    batch_size,
    check_precision,
    find_device,
    keep_freed_memory,
    lay_out,
    may_pay_to_compile,
)
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.settings import MachineSettings, ScienceSettings
from tests.support.toys import Cramped, convolutional, random_images, random_linear, toy

LABELS = torch.tensor([0, 1, 2])
RUN = ["run", "--model", "zoo:shapes-vit", "--images", "sample:shapes"]
LAYOUTS = ("contiguous", "channels_last")
# What glibc counts, in bytes: `uordblks` of the heap are used and `hblkhd` are mapped.
MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class Viewing(nn.Module):
    """Convolves twice and then takes a view, which channels_last does not allow."""

    def __init__(self):
        super().__init__()
        self.body, self.head = convolutional()[:4], convolutional()[5]

    def forward(self, images):
        return self.head(self.body(images).view(len(images), -1))


def patches():
    """A transformer whose one convolution cuts the patches."""
    import timm

    return timm.create_model("deit_tiny_patch16_224", img_size=32, depth=1, num_classes=4)


def evaluated(evaluator):
    with evaluator.model.frozen():
        return evaluator.evaluate(random_images(3), LABELS)


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (lambda: toy(convolutional()), "channels_last"),
        (lambda: toy(random_linear(0)), "contiguous"),
        (lambda: toy(Viewing()), "contiguous"),
        (lambda: bs.load_model("zoo:shapes-resnet"), "channels_last"),
        (lambda: bs.load_model("zoo:shapes-vit"), "channels_last"),
        (lambda: bs.Classifier(patches(), size=32), "contiguous"),
    ],
    ids=["convolutions", "linear", "takes a view", "zoo resnet", "zoo vit's stem", "patches"],
)
def test_the_automatic_layout_follows_the_kind_of_model(model, layout):
    assert lay_out(model()).layout == layout


def test_layouts_give_the_same_logits_scores_and_contiguous_gradients():
    plain, other = (Evaluator(lay_out(toy(convolutional()), layout)) for layout in LAYOUTS)
    before, after = evaluated(plain), evaluated(other)
    assert not other.model.module[0].weight.is_contiguous()
    assert after.gradient.is_contiguous()
    torch.testing.assert_close(after.score, before.score)
    torch.testing.assert_close(after.gradient, before.gradient)
    torch.testing.assert_close(other.logits(random_images(3)), plain.logits(random_images(3)))


def test_a_layout_changes_neither_the_fingerprint_nor_comes_back_changed():
    model = toy(convolutional())
    before, weights = model.fingerprint(), model.module[0].weight.clone()
    assert lay_out(model, "channels_last").fingerprint() == before
    lay_out(model, "contiguous")
    assert model.module[0].weight.is_contiguous()
    assert torch.equal(model.module[0].weight, weights)


def test_a_layout_that_a_module_cannot_take_is_refused_and_undone():
    model = toy(Viewing())
    with pytest.raises(bs.Refused, match=r"view.*type --layout contiguous"):
        lay_out(model, "channels_last")
    assert model.layout == "contiguous"
    assert evaluated(Evaluator(model)).gradient.isfinite().all()


def test_bf16_gives_float32_that_differs_only_slightly_and_exact_is_fp32():
    model = toy(convolutional())
    rough, fine = Evaluator(model, precision="bf16"), Evaluator(model)
    near, true = evaluated(rough), evaluated(fine)
    for value in (near.score, near.objective, near.gradient, rough.logits(random_images(3))):
        assert value.dtype == torch.float32
    assert not torch.equal(near.score, true.score)
    torch.testing.assert_close(near.score, true.score, atol=0.01, rtol=0)
    cosine = nn.functional.cosine_similarity(near.gradient.flatten(1), true.gradient.flatten(1))
    assert cosine.min() > 0.99
    assert torch.equal(evaluated(rough.exact).gradient, true.gradient)
    assert rough.exact.model is model
    assert fine.exact is fine


@pytest.mark.parametrize("method", [bs.Adaptive(max_steps=8), bs.Star(max_steps=8)], ids=str)
def test_what_a_bf16_traversal_says_of_what_it_found_is_fp32(method):
    model = toy(convolutional())
    source, target = random_images(2)
    engine = Engine(Evaluator(model, precision="bf16"), method, snapshots=5)
    ((outcome,),) = engine.run([Pair("a", source, target)])
    label = torch.tensor([outcome.label])
    exact = float(Evaluator(model).scores(outcome.found[None], label))
    assert outcome.p_found == pytest.approx(exact, abs=1e-6)
    if method.straight:
        assert outcome.path_confidence[-1] == pytest.approx(exact, abs=1e-6)


def test_a_halved_batch_halves_alike_in_every_precision_and_layout():
    model = lay_out(toy(Cramped(convolutional(), most=2)), "channels_last")
    evaluator = Evaluator(model, precision="bf16")
    with pytest.warns(UserWarning, match="out of memory with 3 images at once; going on with 1"):
        evaluation = evaluated(evaluator)
    assert (evaluator.chunk, len(evaluation.score)) == (1, 3)


def test_tf32_is_on_inside_alone_and_off_inside_fp32():
    def switches():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before, cuda = switches(), torch.device("cuda")
    for precision in ("tf32", "fp32", "bf16"):
        with arithmetic(precision, cuda):
            assert switches() == (precision == "tf32",) * 2
        assert switches() == before
    with arithmetic("tf32", torch.device("cpu")):
        assert switches() == before


def test_tf32_is_refused_where_there_is_none():
    check_precision("tf32", torch.device("cuda"))
    with pytest.raises(bs.Refused, match=r"tf32 was given for the device cpu.*fp32 or bf16"):
        check_precision("tf32", torch.device("cpu"))


@pytest.mark.parametrize(
    ("evaluations", "seconds", "may"),
    [(100, 0.1, False), (400 * 1000, 0.1, True), (400 * 100, 0.001, False)],
)
def test_compiling_may_pay_on_long_plans_alone(evaluations, seconds, may):
    assert may_pay_to_compile(evaluations, seconds) == may


@pytest.fixture
def compiled_seconds(monkeypatch):
    """Whether `auto` compiles a long plan on a GPU, given the seconds of both."""

    def decide(plain, compiled, evaluations=10**9):
        evaluator = Evaluator(toy(convolutional()))
        monkeypatch.setattr(type(evaluator.model), "device", torch.device("cuda"))
        timed = lambda self: compiled if self.compiled else plain  # noqa: E731
        monkeypatch.setattr(Evaluator, "_seconds_each", timed)
        evaluator.compile_where_it_pays(evaluations)
        return evaluator.compiled

    return decide


def test_auto_compiles_what_is_faster_then(compiled_seconds):
    assert compiled_seconds(plain=0.1, compiled=0.08)
    assert not compiled_seconds(plain=0.1, compiled=0.095)
    assert not compiled_seconds(plain=0.1, compiled=0.4)
    assert not compiled_seconds(plain=0.1, compiled=0.01, evaluations=999)


@pytest.mark.parametrize(("choice", "compiled"), [("auto", False), ("off", False), ("on", True)])
def test_on_a_cpu_no_clock_decides_about_compiling(choice, compiled, monkeypatch):
    monkeypatch.setattr(Evaluator, "_seconds_each", lambda _: pytest.fail("timed"))
    evaluator = Evaluator(toy(convolutional()))
    evaluator.compile_where_it_pays(10**9, choice)
    assert evaluator.compiled == compiled


def test_what_an_evaluation_takes_is_measured_on_full_batches():
    evaluator, asked = Evaluator(toy(convolutional())), []
    evaluator.model.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))
    assert evaluator._seconds_each() > 0
    assert set(asked) == {batch_size(evaluator.model.size, torch.device("cpu"))}


def test_a_model_that_cannot_be_compiled_goes_on_without_and_says_so_once(monkeypatch):
    from torch._dynamo.exc import TorchDynamoException

    def broken(images):
        raise TorchDynamoException("no compiler")

    monkeypatch.setattr(torch, "compile", lambda _: broken)
    evaluator = Evaluator(toy(convolutional()))
    evaluator.compile_where_it_pays(1, "on")
    with pytest.warns(UserWarning, match=r"cannot be compiled here \(no compiler\); going on"):
        evaluation = evaluated(evaluator)
    assert not evaluator.compiled
    assert torch.equal(evaluation.gradient, evaluated(Evaluator(evaluator.model)).gradient)


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_gradients_for_any_batch_and_layout():
    for layout in LAYOUTS:
        plain = Evaluator(lay_out(toy(convolutional()), layout))
        fast = Evaluator(plain.model, compiled=True)
        for count in (3, 2, 1):
            images, labels = random_images(count), LABELS[:count]
            with plain.model.frozen():
                before = plain.evaluate(images, labels)
                after = fast.evaluate(images, labels)
            torch.testing.assert_close(after.gradient, before.gradient, atol=1e-5, rtol=1e-4)
        assert fast.compiled


@pytest.mark.parametrize("option", ["--layout", "--compile", "--precision"])
def test_an_unknown_value_is_refused_with_one_sentence(option, tmp_path, capsys):
    status = call(
        [*RUN, "--out", str(tmp_path / "run"), option, "sideways"],
    )
    said = capsys.readouterr().err
    assert status == 2
    assert option in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_tf32_on_a_cpu_is_refused_before_anything_is_written(tmp_path, capsys):
    status = call(
        [*RUN, "--out", str(tmp_path / "run"), "--precision", "tf32", "--device", "cpu"],
    )
    assert status == 2
    assert "type --precision fp32" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "given", [{"layout": "sideways"}, {"compile": "maybe"}], ids=["layout", "compile"]
)
def test_machine_settings_that_do_not_exist_are_refused(given):
    with pytest.raises(bs.Refused, match="was given; expected auto"):
        MachineSettings(**given)


def test_precision_is_part_of_the_plan_and_machine_settings_are_not():
    plans = [ScienceSettings(method={}, precision=p).identity() for p in ("fp32", "tf32", "bf16")]
    assert [plan["precision"] for plan in plans] == ["fp32", "tf32", "bf16"]
    assert not {"layout", "compile"} & plans[0].keys()


GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these options")
FAULTS = """
import ctypes, platform, resource
M_MMAP_MAX, M_TRIM_THRESHOLD, LARGEST_INT = {numbers}

{function}

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        b"1" * (40 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

mapped = faults()
assert keep_freed_memory()
faults()
print(mapped, faults())
"""


@GLIBC
def test_kept_memory_is_not_faulted_in_again():
    """In a process of its own, without torch, which takes seconds to be imported."""
    numbers = (M_MMAP_MAX, M_TRIM_THRESHOLD, LARGEST_INT)
    code = FAULTS.format(numbers=numbers, function=inspect.getsource(keep_freed_memory))
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    mapped, kept = map(int, result.stdout.split())
    assert mapped > 20_000
    assert kept <= mapped / 4


@GLIBC
def test_a_tensor_lies_in_the_memory_that_is_kept():
    class Counts(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in MALLINFO]

    count = ctypes.CDLL(None).mallinfo2
    count.restype = Counts
    before = count()
    tensor = torch.ones(16 * 2**20 // 4)
    after = count()
    taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd
    assert tensor.nbytes <= taken < 2 * tensor.nbytes


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_is_the_fastest_kind_of_device_there_is(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.mps.is_available", lambda: mps)
    assert find_device("auto").type == chosen


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has such a device")
def test_a_device_of_another_machine_is_refused_in_one_line():
    with pytest.raises(bs.Refused) as caught:
        find_device("mps")
    assert "--device mps cannot be used here" in str(caught.value)
    assert len(str(caught.value)) < 250
