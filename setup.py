"""The README as an index page shows it: what it links to lies in the repository.

Everything else of the package is in pyproject.toml.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def long_description() -> str:
    """The README with whole addresses in place of the relative ones."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = f"{project['urls']['Repository']}/{{}}/v{project['version']}/"
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?=\w[\w./-]*\))", rf"\1{home.format('raw')}", text)
    return re.sub(r"(\]\()(?=\w[\w./#-]*\))", rf"\1{home.format('blob')}", text)


setup(long_description=long_description(), long_description_content_type="text/markdown")
