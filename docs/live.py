"""Makes what the site shows beside its pages: live reports, the leaderboard, notebooks.

It writes `docs/_live`; a demo that is there already is gone on with.
"""

import shutil
import sys
import tomllib
from pathlib import Path

import jupytext
from nbformat.v4 import new_code_cell

from blindspots.cli.main import call

HERE = Path(__file__).parent
ROOT = HERE.parent
# The explorer is asked by the client of its tests.
sys.path.insert(0, str(ROOT))
SITE, DEMO, NOTEBOOKS, CASES = (
    HERE / "_live" / name for name in ("site", "demo", "notebooks", "cases")
)


def main() -> None:
    """The demo's report, a saved case, the leaderboard, and a notebook per tutorial for Colab."""
    from saved_case import saved_case

    SITE.mkdir(parents=True, exist_ok=True)
    NOTEBOOKS.mkdir(exist_ok=True)
    if call(["demo", "--out", str(DEMO), "--quiet"]):
        raise SystemExit("the demo failed; the site shows its report")
    shutil.copy(DEMO / "report.html", SITE / "demo-report.html")
    shutil.copy(saved_case(CASES), SITE / "explorer-case.html")
    shutil.rmtree(CASES)
    entries = ROOT / "leaderboard" / "entries"
    if call(["leaderboard", "build", str(entries), "--out", str(SITE / "board"), "--quiet"]):
        raise SystemExit("the leaderboard was not built; the site shows it")
    for page in sorted((HERE / "tutorials").glob("*.md")):
        jupytext.write(installing(page), NOTEBOOKS / f"{page.stem}.ipynb")


def installing(page: Path) -> dict:
    """A tutorial as a notebook whose first cell installs the package, as Colab needs it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    home = tomllib.loads(text)["project"]["urls"]["Repository"]
    line = f'%pip install -q "blindspots[torch] @ git+{home}"'
    notebook = jupytext.read(page)
    notebook.cells.insert(0, new_code_cell(line))
    return notebook


if __name__ == "__main__":
    main()
