#!/usr/bin/env python3
"""Says what is not ready for a release; the exit status is 1 then.

    .ci/release.py [TAG]

A version stands in pyproject.toml; CITATION.cff, CHANGELOG.md and the tag say the same one. The
addresses of the project are those of the repository in which GitHub runs this.
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(root: Path, tag: str | None, repository: str | None) -> Iterator[str]:
    """What disagrees, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, home = project["version"], project["urls"]["Repository"]
    cited = (root / "CITATION.cff").read_text(encoding="utf-8")
    facts = dict(re.findall(r"^([\w-]+): (\S+)$", cited, re.MULTILINE))
    if facts.get("version") != version:
        yield f"CITATION.cff has the version {facts.get('version')}, pyproject.toml {version}"
    if facts.get("repository-code") != home:
        yield f"CITATION.cff has the repository {facts.get('repository-code')}, not {home}"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", facts.get("date-released", "")):
        yield "CITATION.cff has no date-released as 2026-11-29"
    heading = re.search(r"^## \[(.+?)\] – (.+)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    if heading is None or heading[1] != version:
        yield f"CHANGELOG.md does not begin with the version {version}"
    if tag is not None and tag != f"v{version}":
        yield f"the tag is {tag}, expected v{version}"
    if tag is not None and heading is not None and heading[2] != facts.get("date-released"):
        yield f"CHANGELOG.md says {heading[2]}, CITATION.cff {facts.get('date-released')}"
    if tag is not None and home != f"https://github.com/{repository}":
        yield f"pyproject.toml has the repository {home}, and this is {repository}"


def main(arguments: list[str]) -> int:
    """Print a line per problem."""
    tag = arguments[0] if arguments else None
    said = list(problems(ROOT, tag, os.environ.get("GITHUB_REPOSITORY")))
    print("\n".join(said) or "ready")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
