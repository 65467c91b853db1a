"""The documentation site: `make docs`. Pages are Markdown; those with code cells are executed."""

import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
_PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = _PROJECT["urls"]["Repository"]
_OWN = REPOSITORY.removeprefix("https://github.com/")

project, author = "Blindspots", _PROJECT["authors"][0]["name"]
copyright = f"{author}, under the Apache License 2.0"
version = release = _PROJECT["version"]
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "_live"]
html_theme, html_title = "furo", f"Blindspots {version}"
html_static_path, html_css_files = ["_static"], ["site.css"]
# The live report and the notebooks, made by live.py.
html_extra_path = ["_live/site"]
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_copy_source = False
# `make links`: what leads into the repository, Colab's notebooks too, is a file there, which tests
# check.
linkcheck_ignore = [re.escape(REPOSITORY), "https://colab[.]", "http://localhost"]
linkcheck_timeout, linkcheck_retries = 20, 3

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4
# Names of fields, endings and shapes are no words of a language that can be coloured.
suppress_warnings = ["misc.highlighting_failure"]
nb_execution_mode, nb_execution_raise_on_error = "force", True
nb_execution_in_temp = True
nb_execution_timeout, nb_output_stderr = 300, "remove"

autodoc_typehints, autodoc_member_order = "none", "bysource"
# Two hyphens begin an option.
smartquotes = False
# Docstrings mark code as Markdown does.
default_role = "code"


def _link_out(text: str, page: str) -> str:
    """Links to files beside docs/ lead into the repository."""
    up = re.escape("../" * (page.count("/") + 1))
    return re.sub(rf"\]\({up}(?!_)([\w./#-]+)\)", rf"]({REPOSITORY}/blob/main/\1)", text)


def _read(_app: object, page: str, source: list[str]) -> None:
    from generated import FILLED, colab

    text = FILLED[page]() if page in FILLED else ""
    filled = source[0].replace("% generated", text).replace("OWNER/blindspots", _OWN)
    text = _link_out(filled, page)
    if page == "index" and not (HERE / "leaderboard.md").exists():
        text = text.partition("```{toctree}\n:hidden:\n:caption: Leaderboard")[0]
    tutorial = page.startswith("tutorials/")
    source[0] = colab(page, text, REPOSITORY) if tutorial else text


def setup(app) -> None:
    app.connect("source-read", _read)
