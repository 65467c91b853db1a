"""What a command writes into a folder is what it wrote there before, or the folder is refused."""

import json
import shutil

import pytest

from blindspots.cli.main import call
from tests.support.run_factory import Factory
from tests.support.tiny import MODEL, draw


@pytest.fixture
def images(tmp_path):
    names = [str(tmp_path / name) for name in ("red.png", "green.png")]
    for label, name in enumerate(names):
        draw(label, 0).save(name)
    return names


def commands(images, out):
    traverse = ["traverse", *images, "--set", "max_steps=2"]
    sensitivity = ["sensitivity", images[0], "--target", "1"]
    return [
        [*one, "--model", MODEL, "--out", str(out), "--quiet"] for one in (traverse, sensitivity)
    ]


def held(folder):
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("which", [0, 1], ids=["traverse", "sensitivity"])
def test_a_pair_s_files_are_written_again_over_their_own_alone(tmp_path, images, which, capsys):
    out = tmp_path / "out"
    command, other = commands(images, out)[which], commands(images, out)[1 - which]
    assert [call(command), call(command)] == [0, 0]
    before = held(out)
    assert call(other) == 2
    assert "is not what this command writes there" in capsys.readouterr().err
    for name, content in (("notes.txt", "mine"), ("result.json", json.dumps({"linf": 1}))):
        own = shutil.copytree(out, tmp_path / name)
        (own / name).write_text(content)
        assert call([*command[:-2], str(own), "--quiet"]) == 2
        assert held(own) == {**before, name: content.encode()}
    said = capsys.readouterr().err
    assert call([*command[:-2], said.split("type --out ")[1].split()[0], "--quiet"]) == 0


@pytest.mark.usefixtures("no_figures")
def test_a_report_is_written_again_over_its_own_alone(tmp_path):
    run = Factory(sources=2, models=("one",)).write(tmp_path / "run")
    report = ["report", str(run), "--quiet", "--out"]
    assert [call([*report, str(tmp_path / "new")]) for _ in range(2)] == [0, 0]
    assert call([*report, str(run)]) == 0
    (tmp_path / "site" / "tables").mkdir(parents=True)
    (tmp_path / "site" / "report.html").write_text("mine")
    other = Factory(sources=2, models=("one",)).write(tmp_path / "other")
    for folder in (tmp_path / "site", other):
        before = held(folder)
        assert call([*report, str(folder)]) == 2
        assert held(folder) == before
