"""The pages' own files and the shared ones: found by name, each name once, all that is imported."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from blindspots.reporting.page.inline import TYPES, file_type, page_files

WEB = files("blindspots.reporting") / "web"
OWN = {
    "report": files("blindspots.reporting.page"),
    "explorer": files("blindspots.explorer") / "static",
}
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)";$', re.MULTILINE)


def names(folder, ending=""):
    return {one.name for one in folder.iterdir() if file_type(one.name) and ending in one.name}


def text(folder, name):
    return (folder / name).read_text("utf-8")


@pytest.mark.parametrize("page", OWN)
def test_a_name_is_either_a_pages_own_or_shared(page):
    assert names(WEB) & names(OWN[page]) == set()
    assert set(page_files(OWN[page])) == names(WEB) | names(OWN[page])


@pytest.mark.parametrize("page", OWN)
def test_every_import_is_a_file_of_the_page_that_gives_what_is_asked_for(page):
    found = page_files(OWN[page])
    for name in (name for name in found if name.endswith(".js")):
        for asked, module in IMPORT.findall(found[name].read_text("utf-8")):
            given = found[module].read_text("utf-8")
            for one in (word.split(" as ")[0].strip() for word in asked.split(",")):
                assert re.search(rf"^export .*\b{one}\b", given, re.MULTILINE), (name, one)


def test_shared_modules_import_shared_ones_alone_and_both_pages_use_each():
    shared = names(WEB, ".js")
    for name in shared:
        assert {module for _, module in IMPORT.findall(text(WEB, name))} <= shared
    for page, folder in OWN.items():
        own = {module for name in names(folder, ".js") for module in imported(folder, name)}
        through = {module for name in shared for module in imported(WEB, name)}
        assert shared <= own | through, page


def imported(folder, name):
    return {module for _, module in IMPORT.findall(text(folder, name))}


@pytest.mark.parametrize("folder", [WEB, *OWN.values()], ids=["web", *OWN])
def test_every_module_and_style_is_short(folder):
    for name in names(folder, ".js") | names(folder, ".css"):
        assert len(text(folder, name).splitlines()) < 300, name


def test_every_shared_export_is_explained():
    for name in names(WEB, ".js"):
        for above, line in pairwise(text(WEB, name).splitlines()):
            assert not line.startswith("export ") or above.rstrip().endswith("*/"), (name, line)


@pytest.mark.parametrize("name", ["__init__.py", "app", "", "js", ".", "main.js.map"])
def test_what_is_no_file_of_a_page_has_no_type(name):
    assert file_type(name) is None
    assert file_type(f"{name}.js") == TYPES[".js"]
