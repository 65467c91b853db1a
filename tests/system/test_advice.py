"""What a refusal says to type succeeds: each such sentence is followed, until nothing is refused.

The sentences are those of `snapshots/refusals.txt`, so a new refusal is followed too.
"""

import difflib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from blindspots.cli.main import call
from tests.support.refusal_sites import raised
from tests.support.refusals import COMMANDS
from tests.support.snapshots import FOLDER, Snapshot
from tests.system.test_messages import arguments, words

__all__ = ["words"]

SAID = Snapshot(FOLDER / "refusals.txt", COMMANDS, writing=False).blocks
# "type --sources 3", "as in --batch-size 8", "use --device auto".
OPTION = re.compile(r"(?:type|as in|as|use) (--[a-z-]+) ('[^']+'|\S+)")
MEANT = re.compile(r'[Dd]id you mean "?([^\s?"]+)')
CHOICE = re.compile(r'Invalid value "([^"]+)" .* Choose from: "([^"]+)"')
NUMBER = re.compile(r"(\S+) was given where a number is expected, as in (\S+)")
FLAG = re.compile(r"add (--[a-z-]+)\s*$")
# Sentences whose advice a test of this machine cannot follow, and why.
ELSEWHERE = {
    "run --model resnet18": "published weights are fetched",
    "run --model tim:resnet18": "published weights are fetched",
    "run --model timm:resnet5O --weights {place}/misfit.pth": "its weights fit no model",
    "run --model zoo:shapes-resnett": "the images are of other classes",
    "run --model {tiny}:shufled": "the model of that name has its classes in another order",
    "run --images sample:shapes?m=3": "its value is no mapping",
    "run --pairs {place}/pairs.csv": "the name stands in the file",
    "run --shard 5/4": "an example of a large plan",
    "run --score margn": "a loop of 100 steps in logits",
    "widths {place}/spoilt/other-weights --trust-run-code": "only the weights mend it",
    "zoo train shapes-resnett --out {place}/z": "it would train",
    "run --images 'folder:{place}/one class' --out '{place}/one class/apple/run'": "one class",
    "run --images 'hf:{place}/one class:train' --out '{place}/one class/apple/run'": "likewise",
    "run --images 'torchvision:CIFAR10?root={place}/one%20class' --out '{place}/one class/run'": (
        "the data set is not there"
    ),
    "explore --run {run} --no-open --port 0": "it would serve until it is ended",
}
# A made run has no models that could be asked.
NO_MODELS = ("widths {place}/made", "explore --origin", "explore --port", "estimate --gpu")
SEVERAL = "into each spec"


def advised(sentence: str, typed: list[str]) -> list[str] | None:
    """The command as the refusal of it says; None: it names nothing to type."""
    if option := OPTION.search(sentence):
        return _with(typed, option[1], option[2].rstrip(".,;").strip("'"))
    if meant := MEANT.search(sentence):
        return _instead(typed, meant[1].rstrip(".,;"))
    if changed := CHOICE.search(sentence) or NUMBER.search(sentence):
        return [re.sub(rf"(^|=){re.escape(changed[1])}$", rf"\g<1>{changed[2]}", w) for w in typed]
    if flag := FLAG.search(sentence):
        return [*typed, flag[1]]
    return None


def _with(typed: list[str], option: str, value: str) -> list[str]:
    """With the option's value in the place of the one that was refused."""
    changed, places = list(typed), [i for i, word in enumerate(typed) if word == option]
    name = value.partition("=")[0]
    place = places[0] if places else None
    for i in places:
        if typed[i + 1].partition("=")[0] == name:
            place = i
    if place is None:
        return [*changed, option, value]
    changed[place + 1] = value
    return changed


def _instead(typed: list[str], meant: str) -> list[str]:
    """With the word that is nearest to what was meant replaced by it."""
    parts = {part for word in typed for part in re.split(r"[?=&]|(?<=[a-z]):", word)} | {*typed}
    parts |= {word.rpartition(":")[0] + ":" for word in typed}
    (wrong,) = difflib.get_close_matches(meant, parts - {meant}, n=1, cutoff=0.5)
    return [word.replace(wrong, meant, 1) if wrong in word else word for word in typed]


CASES = [
    command
    for command in COMMANDS
    if any(kind.search(SAID[command]) for kind in (OPTION, MEANT, CHOICE, NUMBER, FLAG))
    and command not in ELSEWHERE
    and not command.startswith(NO_MODELS)
    and SEVERAL not in SAID[command]
]


def test_what_is_not_followed_is_still_said():
    assert [command for command in ELSEWHERE if command not in COMMANDS] == []


def filled(sentence, words):
    """What `test_messages.py` holds the command to, with what its placeholders stand for."""
    for name, value in words.items():
        sentence = sentence.replace(f"{{{name}}}", str(value))
    return sentence


@pytest.mark.parametrize("command", CASES)
def test_what_a_refusal_says_to_type_succeeds(
    words, capsys, tmp_path, monkeypatch, followed, command
):
    monkeypatch.chdir(tmp_path)
    # What is followed may write into the run, which other tests read.
    words = {**words, "run": shutil.copytree(words["run"], tmp_path / "run")}
    typed = arguments(command, words)
    if typed[0] == "run":
        given = "--out" in shlex.split(command)
        typed = typed if given else [*_with(typed, "--out", "out"), "--dry-run"]
    with raised() as refusals:
        assert call(typed) == 2
    said = filled(SAID[command], words)
    changed = advised(said, typed)
    assert changed not in (None, typed), said
    out = place_of(changed)
    made = out is not None and not out.exists()
    assert call(changed) in (0, 3), f"{said}{shlex.join(changed)}\n{capsys.readouterr().err}"
    if made:
        shutil.rmtree(out, ignore_errors=True)
    if refusals:  # what the parser of commands refuses has none
        followed(refusals[-1], f"blindspots {command}")


def place_of(command):
    """Where a command writes, which the advice of another one may name too."""
    return Path(command[command.index("--out") + 1]) if "--out" in command else None
