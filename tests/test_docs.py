"""The documents say what the code has: every name, command, option, column and link exists."""

import ast
import importlib
import importlib.util
import re
import runpy
import shlex
from dataclasses import fields
from fractions import Fraction
from functools import cache, reduce
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import blindspots as bs
from blindspots.cli.main import app
from blindspots.methods import METHODS
from blindspots.schema import ALL_TABLES, Ending

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md")])

CODE = re.compile(r"`(blindspots[\w.]*):([\w.]+)`")
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|js|css|html|yml|toml|txt))`")
DOTTED = re.compile(r"`blindspots((?:\.[a-z_]+)+)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
SHELL = ("console", "bash", "sh")
ALWAYS = {"--help", "--version", "--install-completion"}


def read(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    return FENCE.sub("", read(page))


@cache
def commands():
    """Every command, as typed behind `blindspots`, and its long options."""
    return dict(_commands(app, ()))


def _commands(group, words):
    for name in group:
        if name.startswith("-"):
            continue
        command, path = group[name], (*words, name)
        inner = dict(_commands(command, path))
        yield from (inner or {" ".join(path): _options(command)}).items()


def _options(command):
    names = (name for argument in command.assemble_argument_collection() for name in argument.names)
    return {name for name in names if name.startswith("--")}


def command_lines(page):
    """The `blindspots …` lines of the shell blocks, continued lines joined, as words."""
    blocks = [text for language, text in FENCE.findall(read(page)) if language in SHELL]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = (shlex.split(line.strip().removeprefix("$ "), comments=True) for line in lines)
    return [line[1:] for line in map(_without_path, words) if line[:1] == ["blindspots"]]


def _without_path(words):
    return [Path(words[0]).name, *words[1:]] if words else []


def test_the_commands_are_found():
    assert {"run", "demo", "table", "zoo train", "zoo evaluate"} <= commands().keys()
    assert {"--model", "--weights", "--set", "--json"} <= commands()["run"]


def test_the_paper_map_names_code_that_exists():
    named = sorted(set(CODE.findall(read(DOCS / "paper-map.md"))))
    assert len(named) > 60
    for module, name in named:
        try:
            reduce(getattr, name.split("."), importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            raise AssertionError(f"{module}:{name} does not exist") from error


def test_every_file_and_module_that_is_named_exists():
    package = ROOT / "src" / "blindspots"
    homes = (ROOT, package, package / "reporting" / "figures")
    for page in (page for page in PAGES if page.name != "CHANGELOG.md"):
        named = FILE.findall(read(page))
        named = [name for name in named if not re.search(r"NAME|^demo/|^mine/", name)]
        lost = [name for name in named if not any((home / name).exists() for home in homes)]
        assert lost == [], page
        for dotted in DOTTED.findall(read(page)):
            first = dotted.split(".")[1]
            inside = (package / first).is_dir() or (package / f"{first}.py").is_file()
            assert inside or first in bs.__all__, f"{dotted} in {page}"


def test_the_changelog_says_where_each_module_is_now():
    rows = re.findall(r"^\| `([\w.]+)` \| (`.+`) \|$", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert len(rows) > 100
    for _, homes in rows:
        for home in re.findall(r"`([\w.]+)`", homes):
            assert importlib.util.find_spec(f"blindspots.{home}"), home


@cache
def functions(file):
    tree = ast.parse(read(ROOT / file))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists():
    for page in PAGES:
        for file, name in TEST.findall(read(page)):
            assert name in functions(file), f"{file}::{name} in {page}"


def test_every_line_of_the_paper_map_has_its_code_and_its_test():
    lines = [line for line in read(DOCS / "paper-map.md").splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.endswith("the code, the test |")]
    assert len(rows) > 40
    for line in rows:
        assert CODE.search(line), line
        assert TEST.search(line), line


@pytest.mark.parametrize("table", ALL_TABLES)
def test_every_column_is_documented_in_its_order(table):
    text = _sections(read(DOCS / "run-directory.md"))[f"`{table}.parquet`"]
    assert re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE) == ALL_TABLES[table][0].names


def test_every_ending_is_documented_with_its_sentence():
    text = _sections(read(DOCS / "run-directory.md"))["Endings"]
    rows = [f"| `{end}` | {end.sentence} | {'yes' if end.started else 'no'} |" for end in Ending]
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows


def _sections(text):
    titles = list(HEADING.finditer(text))
    ends = [*(title.start() for title in titles[1:]), len(text)]
    return {t[1]: text[t.end() : end] for t, end in zip(titles, ends, strict=True)}


def anchor(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


@cache
def generated():
    """The sections of the page of commands, as the site has it."""
    page = runpy.run_path(str(DOCS / "generated.py"))["commands"]()
    return _sections(page.replace("```console", "").replace("```", ""))


@pytest.mark.parametrize("command", commands())
def test_the_site_says_every_option_of_a_command_in_words(command):
    listed = re.findall(r"^\* `(--[\w-]+)[^`]*`(.*)$", generated()[f"blindspots {command}"], re.M)
    assert {name for name, _ in listed} == commands()[command]
    assert [name for name, words in listed if not re.match(r": [\w%]", words)] == []


def test_the_command_line_page_knows_no_other_command_and_no_other_option():
    text = read(DOCS / "command-line.md")
    apart = {name for name in commands() if name.startswith("leaderboard ")}
    shown = set(re.findall(r"^### `blindspots (.+)`$", text, re.MULTILINE))
    assert shown == commands().keys() - apart
    known = set().union(ALWAYS, *commands().values())
    assert set(OPTION.findall(text)) <= known


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_of_a_method_is_documented_with_its_default(name):
    lines = _sections(read(DOCS / "command-line.md"))["Method"].splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    head = next(row for row in rows if row[0] == "setting")
    shown = {row[0]: row[head.index(name)] for row in rows[rows.index(head) + 2 :]}
    stated = {setting: float(Fraction(text)) for setting, text in shown.items() if text != "–"}
    assert stated == {field.name: field.default for field in fields(METHODS[name])}


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_costs_at_most_is_documented(name):
    """Of two targets where it takes a source's together; a look: 26 to 201 points a way."""
    method = METHODS[name]()
    targets = 2 if method.grouped else 1
    costs = [(method.most_evaluations(targets) + 0.5) / targets]
    if method.sweep() is not None:
        hull = len(method.surface(targets))
        costs += [(points * targets + hull) / 2 / targets for points in (26, 201)]
    shown = re.search(
        rf"^\| `{name}` \|.*\|([^|]*)\|$", read(DOCS / "command-line.md"), re.MULTILINE
    )
    assert [float(number) for number in re.findall(r"[\d.]*\d", shown[1])] == costs


def test_command_lines_that_are_shown_can_be_typed():
    for words in (words for page in PAGES for words in command_lines(page)):
        name = next((c for c in commands() if words[: c.count(" ") + 1] == c.split()), None)
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= (commands()[name] if name else set()) | ALWAYS, words
        assert name or given & ALWAYS, f"no such command: blindspots {' '.join(words)}"


def test_relative_links_lead_somewhere():
    links = [(page, link) for page in PAGES for link in LINK.findall(prose(page))]
    for page, link in links:
        if re.match(r"[a-z]+:", link) or f'"{link}"' in read(DOCS / "live.py"):
            continue  # elsewhere, or made with the site
        file, _, fragment = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{link} in {page}"
        if fragment:
            assert fragment in map(anchor, HEADING.findall(prose(target))), f"{link} in {page}"


ADDRESS = re.compile(r"\bhttps?:[^\s)>\"'`\]]*")


def test_an_address_outside_is_whole_and_safe():
    """Whether somebody answers there is asked by `make links`, every week in CI."""
    addresses = {(page, found) for page in PAGES for found in ADDRESS.findall(prose(page))}
    assert len(addresses) > 5
    for page, found in addresses:
        parts = urlsplit(found)
        assert parts.scheme == "https", f"{found} in {page}"
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}|HUB", parts.netloc), f"{found} in {page}"
        assert not re.search(r"[.,;:]$|//", parts.path), f"{found} in {page}"


MADE = re.compile(r"^<!-- ([\w ]+) -->\n.*?^<!-- end(?: of \1)? -->", re.MULTILINE | re.DOTALL)


def test_each_fact_has_one_place():
    """A third less than the 33,500 words of November 2026; what programs write is not counted."""
    pages = [page for page in PAGES if page.parent != ROOT or page.name == "README.md"]
    own = [MADE.sub("", read(page)) for page in pages if page.name != "schemes.md"]
    assert sum(len(text.split()) for text in own) <= 22_300


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z][\w-]*):", read(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:`|\$ )make ([a-z][\w-]*)", read(page)))
        assert named <= targets, f"{named - targets} in {page}"


def test_the_library_example_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "library.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert said.count("segment: mean") == 2
    assert "triangle: mean" in said
