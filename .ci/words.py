#!/usr/bin/env python3
"""Says which words of the project have a plainer one, and where; the exit status is 1 then.

Patterns are regular expressions over lines of the package, the documents and the benchmarks. The
list is short: what a reader stumbles over again and again, and a machine finds.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = (
    "*.md",
    "docs/*.md",
    "docs/tutorials/*.md",
    "src/**/*.py",
    "src/**/*.js",
    "src/**/*.html",
    "benchmarks/*.py",
)
_COUNTED = (
    r"rows?|images|pairs|evaluations?|numbers?|generators?|seconds|entry|entries|frames|pixels"
    r"|arrays|limbs?|bits|one|two|three|\d+"
)
_UNITS = (
    r"pair|model|source|target|step|second|side|class|pixel|channel|sample|device|judge|slot"
    r"|scheme|table|line"
)
WORDS = {
    r"\b[Rr]ightly\b": "correctly",
    rf"\b({_COUNTED}) an? ({_UNITS})\b": "per, as in one row per pair",
    r"\brow a \(": "per, as in one row per (model, source)",
    r"^(Of|Likewise),? ": "the subject first",
    r'"""(Of|Likewise)\b': "the subject first",
    r"\b([Oo]racle|[Ff]oreman)\b": "evaluator, leader",
}


def remarks(text: str) -> Iterator[tuple[int, str, str]]:
    """The number of a line, what stands there, and what to write."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in WORDS.items():
            for found in re.finditer(pattern, line):
                yield number, found[0], instead


def main() -> int:
    """Print a line per remark."""
    # The changelog names what was, too.
    files = sorted(
        {file for place in PLACES for file in ROOT.glob(place)} - {ROOT / "CHANGELOG.md"}
    )
    said = [
        f"{file.relative_to(ROOT)}:{number}: {found!r}: write {instead}"
        for file in files
        for number, found, instead in remarks(file.read_text(encoding="utf-8"))
    ]
    print("\n".join(said) or f"{len(files)} files, no word to change")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
