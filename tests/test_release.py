"""What is shipped: versions and addresses in one place, an archive that holds all, extras, legs."""

import json
import re
import runpy
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import jinja2
import pytest
import yaml

import blindspots as bs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def problems(root, *given):
    return list(runpy.run_path(str(ROOT / ".ci" / "release.py"))["problems"](root, *given))


@pytest.fixture
def root(tmp_path):
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def change(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_version_and_addresses_are_the_same_everywhere():
    assert problems(ROOT, None, None) == []
    assert bs.__version__ == PROJECT["version"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CITATION.cff", "version: 0.1.0", "version: 0.2.0", "CITATION.cff has the version 0.2.0"),
        ("CITATION.cff", "OWNER", "SOMEBODY", "CITATION.cff has the repository"),
        ("CITATION.cff", "date-released: 2", "date: 2", "no date-released"),
        ("CHANGELOG.md", "[0.1.0]", "[0.0.9]", "does not begin with the version 0.1.0"),
    ],
)
def test_what_disagrees_is_said_before_a_release(root, file, old, new, said):
    change(root / file, old, new)
    [problem] = problems(root, None, None)
    assert said in problem


def test_a_tag_must_be_the_version_of_this_repository_and_dated(root):
    said = "\n".join(problems(root, "v9.9.9", "somebody/else"))
    assert "the tag is v9.9.9, expected v0.1.0" in said
    assert "CHANGELOG.md says unreleased" in said
    assert "this is somebody/else" in said


def test_the_archive_holds_every_folder_of_the_repository():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    made = [line.strip("/") for line in ignored] + [".git"]
    here = {place.name for place in ROOT.iterdir() if place.is_dir()}
    kept = {name for name in here if not any(fnmatch(name, one) for one in made)}
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").split()
    assert kept - {"src"} == {lines[i + 1] for i, word in enumerate(lines) if word == "graft"}


def test_links_and_pictures_of_the_long_description_are_whole_addresses(monkeypatch):
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **settings: given.update(settings))
    runpy.run_path(str(ROOT / "setup.py"))
    targets = re.findall(r"\]\(([^)\s]+)\)", given["long_description"])
    assert len(targets) > 10
    assert [one for one in targets if not one.startswith(("https://", "#"))] == []
    assert f"{PROJECT['urls']['Repository']}/raw/v{PROJECT['version']}/docs/images/" in " ".join(
        targets
    )


def test_what_computes_is_an_extra_and_every_extra_that_computes_has_it():
    extras = PROJECT["optional-dependencies"]
    base = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    brought = {re.match(r"[\w-]+", one)[0] for one in extras["torch"]}
    assert brought == {"torch", "torchvision", "timm"}
    assert not brought & base
    for name in ("hf", "datasets", "webdataset", "explore", "ray", "docs"):
        assert "blindspots[torch]" in extras[name]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_calls_what_is_there(file):
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    lines = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    made = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {re.match(r"make (\S+)", line)[1] for line in lines if line.startswith("make ")}
    assert {one for one in targets if not one.startswith(".venv")} <= made
    for line in (line for line in lines if line.startswith(".ci/")):
        assert (ROOT / line.split()[0]).is_file()
    legs = {line.split()[1] for line in lines if line.startswith(".ci/leg")}
    assert legs <= {"light", "full", "lowest", "sdist"}


def test_what_ci_dry_runs_is_what_a_release_does():
    def lines(file, job):
        jobs = yaml.safe_load((ROOT / ".github/workflows" / file).read_text())["jobs"]
        return [step["run"] for step in jobs[job]["steps"] if "run" in step]

    dry = lines("ci.yml", "legs")
    assert {line.replace(' "$GITHUB_REF_NAME"', "") for line in lines("release.yml", "build")} <= {
        *dry
    }


def test_the_recipe_of_conda_asks_for_what_the_wheel_asks_for():
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    recipe = dict(re.findall(r"^    - ([\w-]+) (>=\S+)$", text, re.MULTILINE))
    renamed = {"matplotlib": "matplotlib-base", "torch": "pytorch"}
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["torch"]]
    for name, bound in (re.match(r"([\w-]+)(>=\S+)", one).groups() for one in asked):
        assert recipe[renamed.get(name, name)] == bound


def test_the_recipe_of_conda_is_rendered_and_read():
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text)
    load = {("../pyproject.toml", True): {"project": PROJECT}}
    filled = template.render(
        PYTHON="python", load_file_data=lambda file, from_recipe_dir: load[file, from_recipe_dir]
    )
    recipe = yaml.safe_load(filled)
    assert (ROOT / "conda" / recipe["source"]["path"]).resolve() == ROOT
    assert recipe["package"]["version"] == PROJECT["version"]
    named = dict(one.split(" = ") for one in recipe["build"]["entry_points"])
    assert named == PROJECT["scripts"]
    assert recipe["about"]["license_file"] == PROJECT["license-files"]
    assert f"python {PROJECT['requires-python']}" in recipe["requirements"]["run"]


def test_the_images_are_of_lines_that_a_shell_reads_and_of_extras_that_are_there():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    known = {"FROM", "ARG", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"}
    assert {word for word, _ in lines} == known
    for word, rest in lines:
        if word == "RUN":
            subprocess.run(["bash", "-n"], input=rest, text=True, check=True)
        if word == "ENTRYPOINT":
            assert json.loads(rest) == list(PROJECT["scripts"])
    extras = re.search(r'"/source\[(.+)\]"', text)[1].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    stages = re.findall(r"^FROM python:3\.\d+-slim AS (\w+)$", text, re.MULTILINE)
    built = [step.get("run", "") for step in steps_of(ROOT / ".github/workflows/ci.yml")]
    for stage in stages:
        assert any(f"docker build --target {stage} " in line for line in built)
        assert any(f"docker run --rm blindspots:{stage} " in line for line in built)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {"!pyproject.toml", "!setup.py", "!README.md", "!LICENSE", "!src"} <= set(kept)


def test_no_text_installs_from_an_index_that_has_no_release():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "action.yml"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"pip install (-\S+ )*['\"]?blindspots['\"]?\s", text), page


def steps_of(file):
    """What a workflow or an action uses and runs, step by step."""
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    jobs = [read["runs"]] if "runs" in read else read["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_one_workflow_publishes_the_pages():
    """The last of two would take away what the other one put there."""
    deploys = [f.name for f in WORKFLOWS if "actions/deploy-pages" in f.read_text("utf-8")]
    assert deploys == ["docs.yml"]
    built = [step.get("run", "") for step in steps_of(ROOT / ".github/workflows/docs.yml")]
    assert "make docs" in built
    assert '"leaderboard", "build"' in (ROOT / "docs/live.py").read_text("utf-8")


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda file: file.name)
def test_what_a_workflow_runs_is_shell(file):
    """GitHub fills in its own expressions before a shell sees the lines."""
    for step in steps_of(file):
        text = re.sub(r"\$\{\{.*?\}\}", "filled", step.get("run", ""))
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        assert ("run" in step) != ("uses" in step)


@pytest.mark.parametrize(("extras", "installed"), [("", "[torch]"), ("s3,ray", "[torch,s3,ray]")])
def test_the_action_installs_its_extras_beside_torch(extras, installed):
    line = steps_of(ROOT / "action.yml")[0]["run"].replace("python -m pip install --quiet", "echo")
    environment = {"EXTRAS": extras, "GITHUB_ACTION_PATH": "here"}
    said = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
    assert said.stdout.strip() == f"here{installed}"


def test_the_action_types_what_its_inputs_say(tmp_path):
    """Its steps in a shell whose `blindspots` prints what it is given, a word per line."""
    given = {
        "MODEL": "file:model.py:build?size=224&mean=0.5",
        "IMAGES": "folder:my images",
        "OUT": "audit",
        "OPTIONS": "--sources 20 --seed 0",
        "LIMITS": "--max reach=0.95 --min pairs=40",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    shell = 'blindspots() { printf "%s\\n" "$@"; }\n'
    said = {}
    for step in steps_of(ROOT / "action.yml"):
        if step.get("name") in ("Run", "Table", "Check"):
            line = ["bash", "-euc", shell + step["run"]]
            done = subprocess.run(
                line, env=given, capture_output=True, text=True, check=True, cwd=tmp_path
            )
            said[step["name"]] = done.stdout.splitlines()
    model, images = given["MODEL"], given["IMAGES"]
    asked = ["run", "--model", model, "--images", images, "--out", "audit", "--quiet"]
    assert said["Run"] == [*asked, "--sources", "20", "--seed", "0"]
    assert said["Check"] == ["check", "audit", "--max", "reach=0.95", "--min", "pairs=40"]
    for file in ("summary", "table.md"):
        assert (tmp_path / file).read_text().split()[:2] == ["table", "audit"]


def test_the_version_that_the_documents_name_is_one_that_a_release_makes():
    """`uses: …/blindspots@v0`: a release moves the tag of its major version."""
    named = set(re.findall(r"blindspots@(v[\d.]+)", (ROOT / "docs/ci.md").read_text("utf-8")))
    assert named == {f"v{bs.__version__.split('.')[0]}"}
    release = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert 'tags: ["v*.*.*"]' in release
    assert "refs/tags/$major" in release
