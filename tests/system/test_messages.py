"""What is refused, and in which words: exit status 2, one sentence, nothing written, no traceback.

The sentences are in `snapshots/refusals.txt`, by what was typed or called.
"""

import json
import pickle
import re
import shlex
import shutil

import pytest
import torch

import blindspots as bs
from blindspots.cli.main import call
from blindspots.models.spec_options import model_options
from blindspots.scores import parse_score
from blindspots.settings import parse_shard
from blindspots.specs import parse_spec
from blindspots.study.estimate import parse_gpu_price
from tests.reporting.test_compare import NORMAL, make_run
from tests.support.refusals import CALLS, COMMANDS, USUAL
from tests.support.run_factory import Factory
from tests.support.snapshots import FOLDER, Snapshot
from tests.support.tiny import FILE, draw


@pytest.fixture(scope="module")
def snapshot(writing):
    return Snapshot(FOLDER / "refusals.txt", [*COMMANDS, *CALLS], writing)


@pytest.fixture(scope="module")
def words(tmp_path_factory, tiny_images, finished):
    """What the placeholders of a case stand for; nothing that is refused changes any of it."""
    place = tmp_path_factory.mktemp("place")
    lay_inputs(place)
    lay_runs(place)
    lay_spoilt(place / "spoilt", finished)
    return {"place": place, "tiny": f"file:{FILE}", "images": tiny_images, "run": finished}


def lay_inputs(place):
    (place / "two.txt").write_text("house\ncar\n")
    (place / "empty").mkdir()
    (place / "words").mkdir()
    (place / "words" / "a.png").write_text("no image")
    (place / "one class" / "apple").mkdir(parents=True)
    for number in range(3):
        draw(0, number).save(place / "one class" / "apple" / f"{number}.png")
    draw(0, 0).save(place / "red.png")
    torch.save(torch.nn.Linear(2, 2).state_dict(), place / "misfit.pth")
    (place / "evil.pth").write_bytes(pickle.dumps(print))
    held: list = []
    held.append(held)
    torch.save(held, place / "itself.pth")
    (place / "pairs.csv").write_text("source,target\nnobody.png,nothing.png\n")
    (place / "vit").mkdir()
    (place / "vit" / "config.json").write_text(json.dumps({"model_type": "vit"}))


SCORES = {
    "margin": {"name": "margin"},
    "group-12": {"name": "group", "classes": [1, 2]},
    "group-1": {"name": "group", "classes": [1]},
}


def lay_runs(place):
    small = {"size": 8, "sources": 3, "frames": 3, "models": ("zoo:own", "zoo:own-at")}
    Factory(**small).write(place / "made")
    for keep in ("found", "none"):
        Factory(**small, keep=keep).write(place / f"kept-{keep}")
    for name in ("one", "two", *SCORES):
        make_run(place / name, {NORMAL: {}})
    for name, score in SCORES.items():
        edit_info(place / name, lambda info, score=score: info["plan"].update(score=score))
    make_run(place / "other", {NORMAL: {}}, sources="xyz", images="two")
    make_run(place / "unfinished", {NORMAL: {}}, finished=False)


def edit_info(path, change):
    info = json.loads((path / "run.json").read_text())
    change(info)
    (path / "run.json").write_text(json.dumps(info))


SPOILT = {
    "no-run": lambda run: (run / "run.json").unlink(),
    "nothing-kept": lambda run: edit_info(run, lambda info: info.update(keep="none")),
    "no-pairs": lambda run: (run / "pairs.parquet").unlink(),
    "other-weights": lambda run: edit_info(
        run, lambda info: info["models"][0].update(fingerprint="0")
    ),
    "image-missing": lambda run: sorted((run / "found").glob("*.safetensors"))[0].unlink(),
}


def lay_spoilt(folder, finished):
    for name, spoil in SPOILT.items():
        spoil(shutil.copytree(finished, folder / name))


# Ids are of weights and pixels; why a device cannot be used is the driver's own sentence.
VARYING = {r"\b[0-9a-f]{16}\b": "{id}", r"(?<=cannot be used here )\(.*?\)(?=;)": "({reason})"}


def plain(text, words):
    """The text on one line, with placeholders for what is this machine's."""
    for name in ("images", "tiny", "run", "place"):
        text = text.replace(str(words[name]), f"{{{name}}}")
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return " ".join(text.split())


def arguments(command, words):
    """What a case types, with what its command is usually given besides."""
    name, *given = (text.format(**words) for text in shlex.split(command))
    usual = {key: text.format(**words) for key, text in USUAL.get(name, {}).items()}
    lacking = [[key, text] for key, text in usual.items() if key not in given]
    return [name, *given, *(text for pair in lacking for text in pair if text)]


def everything(place):
    return sorted(p for p in place.rglob("*") if "__pycache__" not in p.parts)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_input_is_refused_in_one_sentence(words, snapshot, capsys, command):
    before = everything(words["place"]), everything(words["run"])
    assert call(arguments(command, words)) == 2
    error = capsys.readouterr().err
    sentences = [
        line for line in error.splitlines() if line and "warning" not in line and line[-1] != "…"
    ]
    assert "Traceback" not in error
    assert len(sentences) == 1, error
    assert sentences[0].startswith("blindspots: ")
    assert (everything(words["place"]), everything(words["run"])) == before
    snapshot.check(command, plain(sentences[0], words))


CALLABLE = {
    **{name: getattr(bs, name) for name in bs.__all__},
    **{f.__name__: f for f in (parse_spec, parse_score, parse_shard, parse_gpu_price)},
    "options": lambda text: model_options(parse_spec(text, ("timm",), "timm:resnet50")),
}


@pytest.mark.parametrize("code", CALLS)
def test_a_wrong_call_is_refused(words, snapshot, code):
    with pytest.raises(bs.Refused) as refusal:
        eval(code.format(**words), dict(CALLABLE))
    snapshot.check(code, plain(str(refusal.value), words))


def test_every_sentence_that_is_kept_is_asked_for(snapshot):
    snapshot.check_complete()
