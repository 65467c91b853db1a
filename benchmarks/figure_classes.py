"""The paper's distance on a real ImageNet model: the figure classes, by the authors' algorithm.

    python benchmarks/figure_classes.py [--steps 400] [--out runs/figure-classes]

MobileNetV2 and the five figure classes (goose, Scottish terrier, meerkat, academic gown, cleaver)
of `../shared/assets`, every ordered pair, `--method reference`. The authors' script, run on the 16
pairs whose source is correctly classified, gave RMSE .0083 ± .0018, l-infinity .063 and segment
mean .78; the mean RMSE here must come out at .008 ± .002. The cleaver is misclassified by this
model, so its four pairs are rows without a traversal.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from blindspots.reporting.tables import build_table, render
from blindspots.store.reader import Run

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent.parent / "shared" / "assets"
EXPECTED, TOLERANCE = 0.008, 0.002


def main() -> None:
    """Run or resume the benchmark, print its tables, and fail where the distance is off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("runs/figure-classes"))
    arguments = parser.parse_args()
    if not ASSETS.is_dir():
        sys.exit(f"{ASSETS} is not here; the benchmark needs its model and images")
    subprocess.run(command(arguments.steps, arguments.out), check=True)
    run = Run(arguments.out)
    print(render(build_table(run, "summary"), "text"))
    rmse = [row["rmse"] for row in run.pair_rows(started=True)]
    mean = sum(rmse) / len(rmse)
    print(f"mean RMSE over {len(rmse)} pairs: {mean:.4f}; expected {EXPECTED} ± {TOLERANCE}")
    sys.exit(arguments.steps == 400 and abs(mean - EXPECTED) > TOLERANCE)


def command(steps: int, out: Path) -> list[str]:
    """The command line of the benchmark."""
    weights = ASSETS / "mobilenetv2_imagenet.safetensors"
    options = {
        "--model": "timm:mobilenetv2_100?pad_type=same",
        "--weights": weights,
        "--mean": "0.5,0.5,0.5",
        "--std": "0.5,0.5,0.5",
        "--classes": ASSETS / "imagenet_classes.json",
        "--images": f"folder:{ASSETS / 'imagenet-sample'}",
        "--pairs": HERE / "figure_classes.csv",
        "--method": "reference",
        "--set": f"max_steps={steps}",
        "--out": out,
    }
    given = [str(text) for pair in options.items() for text in pair]
    return [sys.executable, "-m", "blindspots", "run", *given]


if __name__ == "__main__":
    main()
