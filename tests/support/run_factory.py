"""Writes a synthetic run directory: what a real run leaves, of drawn images and made-up numbers.

Nothing here is computed by a model, so it takes well under a second and imports no torch.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFilter

from blindspots.schema import (
    NULLS,
    PAIRS,
    SIMPLICES,
    STRAIGHT_METHODS,
    TRANSFER,
    TRIANGLE_DROPS,
    TRIANGLES,
)
from blindspots.store.run_info import (
    ImagesFacts,
    ModelFacts,
    Preflight,
    RunInfo,
    write_run_info,
)

Row = dict[str, Any]
CLASSES = ("disc", "square", "star", "ring", "triangle", "cross")
ZOO = ("zoo:shapes-resnet", "zoo:shapes-resnet-at", "zoo:shapes-vit", "zoo:shapes-vit-at")
_SCORES = (
    *("p_source", "p_found", "p_found_8bit", "p_path_min", "mean"),
    *("segment_mean", "segment_min"),
)
_CURVES = ("segment_confidence", "path_confidence", "confidence")
_COLOURS = ("#d1495b", "#edae49", "#00798c", "#5f4bb6", "#66a182", "#e8e3d5")
_GROUNDS = ("#20324a", "#7c8c5a", "#b9a38a", "#4f3b3b", "#9fb4c7", "#2d4739")


@dataclass(kw_only=True)
class Factory:
    """The wishes for a run; `write` makes it. `pictures`: (class name, image) to use instead."""

    models: Sequence[str] = ZOO[:2]
    sources: int = 4
    targets: int = 2
    size: int = 64
    frames: int = 11
    lpips: bool = False
    labelled: bool = True
    finished: bool = True
    keep: str = "path"
    classes: Sequence[str] = CLASSES
    pictures: Sequence[tuple[str, Image.Image]] = ()
    method: str = "reference"
    unstarted: bool = True
    nulls: bool = True
    judges: Sequence[str] = ()
    info: Row = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """The run directory, complete, or with its rows still in parts where not finished."""
        for name in ("images", "found", "path"):
            (path / name).mkdir(parents=True, exist_ok=True)
        images = self._images()
        self._save_images(path, images)
        pairs, triangles, simplices = [], [], []
        for model in self.models:
            rows, hulls = self._model(path, model, images)
            pairs += rows
            triangles += hulls
            groups = [rows[i * self.targets :][: self.targets] for i in range(self.sources)]
            simplices += [simplex_row(group) for group in groups if self.targets > 2]
        started = [row for row in pairs if row["rmse"] is not None]
        nulls = [null_row(row) for row in started if self.nulls]
        write_rows(path, pairs, triangles, simplices, nulls, parts=not self.finished)
        if self.judges:
            write_transfer(path, [transfer_row(r, judge) for judge in self.judges for r in started])
        self._write_info(path, len(images))
        return path

    def _images(self) -> list[tuple[str, str, np.ndarray]]:
        if self.pictures:
            drawn = [(name, np.asarray(image.convert("RGB"))) for name, image in self.pictures]
        else:
            names = [self.classes[i % len(self.classes)] for i in range(self.sources + 1)]
            drawn = [(name, draw(i, self.size)) for i, name in enumerate(names)]
        return [(f"{i:04x}-image{i}", name, pixels) for i, (name, pixels) in enumerate(drawn)]

    def _save_images(self, path: Path, images: list[tuple[str, str, np.ndarray]]) -> None:
        for image_id, _, pixels in images:
            Image.fromarray(pixels).save(path / "images" / f"{image_id}.png")

    def _model(self, path: Path, model: str, images: list) -> tuple[list[Row], list[Row]]:
        rng = np.random.default_rng(len(model))
        trained = model.endswith("-at")
        rows: list[Row] = []
        hulls: list[Row] = []
        for index in range(self.sources):
            group = [
                self._pair(path, model, images, index, (index + 1 + k) % len(images), rng, trained)
                for k in range(self.targets)
            ]
            rows += group
            hulls += [
                triangle_row(group[a], group[b], trained)
                for a in range(len(group))
                for b in range(a + 1, len(group))
            ]
        if self.unstarted:
            rows.append(_unstarted(model, images[0], self._index(images[0][1])))
        return rows, hulls

    def _index(self, name: str) -> int:
        return list(dict.fromkeys([*self.classes, name])).index(name)

    def _pair(
        self, path: Path, model: str, images: list, s: int, t: int, rng: Any, trained: bool
    ) -> Row:
        (source_id, source_name, source), (target_id, target_name, target) = images[s], images[t]
        pair_id = f"{self.models.index(model)}{s:03d}{t:03d}abcdef"
        residual = (0.10 if trained else 0.02) + 0.02 * rng.random()
        found = _found(source, target, residual, rng, trained)
        row = pair_row(
            model=model,
            pair_id=pair_id,
            source_id=source_id,
            target_id=target_id,
            source_class=self._index(source_name),
            target_class=self._index(target_name),
            source_name=source_name,
            target_name=target_name,
            dip=(0.08 if trained else 0.35) + 0.4 * rng.random() * (not trained),
            p_source=0.91 + 0.08 * rng.random() if trained else 0.985 + 0.014 * rng.random(),
            lpips=residual if self.lpips else None,
            frames=self.frames,
            path_end=100 if self.method in STRAIGHT_METHODS else 400,
            **_distances("", found, target),
            **_distances("source_", found, source),
        )
        self._save_pair(path, pair_id, source, found)
        return row

    def _save_pair(self, path: Path, pair_id: str, source: np.ndarray, found: np.ndarray) -> None:
        if self.keep == "none":
            return
        Image.fromarray(found).save(path / "found" / f"{pair_id}.png")
        if self.keep == "path":
            ways = np.linspace(0, 1, self.frames) ** 0.5
            strip = np.concatenate([source * (1 - w) + found * w for w in ways], axis=1)
            image = Image.fromarray(strip.astype(np.uint8))
            image.save(path / "path" / f"{pair_id}.png", compress_level=1)

    def _write_info(self, path: Path, count: int) -> None:
        write_run_info(path, self._info(count))
        if self.info:
            file = path / "run.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), **self.info}))

    def _info(self, count: int) -> RunInfo:
        method = {"name": self.method, "step_size": 0.01, "epsilon": 0.002, "delta": 0.2}
        return RunInfo(
            plan_hash="5d41402abc4b2a76b9719d911017c592",
            plan={
                "models": [f"{name}@1f2e" for name in self.models],
                "images": "sample:shapes?split=test&n=200",
                "method": {**method, "max_steps": 400, "jitter": 0.00784},
                "score": {"name": "confidence"},
                "seed": 0,
                "precision": "fp32",
                "sources": self.sources,
                "targets_per_source": self.targets,
            },
            models=[self._facts(index, name) for index, name in enumerate(self.models)],
            images=ImagesFacts(
                spec="sample:shapes?split=test&n=200",
                count=count,
                skipped=[{"name": "broken.jpg", "reason": "truncated after 812 bytes"}],
                converted=[{"name": "grey.png", "reason": "greyscale, made RGB"}],
            ),
            keep=self.keep,
            device="cpu",
            versions={"blindspots": "0.1.0", "python": "3.11.7", "torch": "2.10.0"},
            notes=[] if self.lpips else ["lpips is null: no AlexNet weights on this machine"],
            started="2025-11-23T10:00:00+00:00",
            finished="2025-11-23T10:00:41+00:00" if self.finished else None,
            seconds=41.2,
            command="blindspots run --model zoo:shapes-resnet --images sample:shapes --out demo",
        )

    def _facts(self, index: int, name: str) -> ModelFacts:
        return ModelFacts(
            spec=name,
            name=name,
            fingerprint=f"{index:x}1f2e3d4c5b6a",
            num_classes=10,
            size=(self.size, self.size),
            training_epsilon=8 / 255 if name.endswith("-at") else None,
            preflight=Preflight(
                images=200,
                labelled=self.labelled,
                accuracy=0.984 if self.labelled else None,
                mean_confidence=0.968,
            ),
        )


def pair_row(
    *,
    dip: float = 0.1,
    p_source: float = 0.99,
    frames: int = 11,
    path_end: int = 400,
    **given: Any,
) -> Row:
    """A plausible finished pair; `dip`: how far confidence sinks on the way; `given` overrides."""
    points = np.linspace(0, 1, 101)
    confidence = p_source - dip * np.sin(math.pi * points) ** 2
    path = np.linspace(p_source, 0.999, frames)
    return {
        **dict.fromkeys(PAIRS.names),
        "p_source": p_source,
        "p_found": 0.999,
        "p_found_8bit": 0.998,
        "segment_mean": float(confidence[::10].mean()),
        "segment_min": float(confidence.min()),
        "segment_inside": bool(confidence.min() >= p_source - 0.2),
        "segment_confidence": confidence.tolist(),
        "path_step": np.linspace(0, path_end, frames).astype(int).tolist(),
        "path_confidence": path.tolist(),
        "p_path_min": p_source,
        "steps": 400,
        "evaluations": 400.5,
        "check_evaluations": 0.0,
        "seconds": 1.25,
        "ending": "finished",
        **given,
    }


def triangle_row(first: Row, second: Row, trained: bool = False, **given: Any) -> Row:
    """A plausible triangle over two pairs of one source, in the order of the 66-point grid."""
    p_source = first["p_source"]
    weights = np.array([(10 - i - j, i, j) for i in range(11) for j in range(11 - i)]) / 10
    sink = (0.1 if trained else 0.95) * 27 * weights.prod(axis=1)
    edge = 4 * (weights[:, 0] * weights[:, 1] + weights[:, 0] * weights[:, 2])
    confidence = np.clip(p_source - sink - (0.02 if trained else 0.12) * edge, 0.02, 1)
    fractions = {
        f"fraction_{drop}": float((confidence >= p_source - drop).mean()) for drop in TRIANGLE_DROPS
    }
    return {
        "model": first["model"],
        "source_id": first["source_id"],
        "target_1": first["target_id"],
        "target_2": second["target_id"],
        "p_source": p_source,
        "mean": float(confidence.mean()),
        **fractions,
        "confidence": confidence.tolist(),
        **given,
    }


def simplex_row(group: Sequence[Row], **given: Any) -> Row:
    """A plausible simplex over all pairs of one source."""
    return {
        "model": group[0]["model"],
        "source_id": group[0]["source_id"],
        "k": len(group),
        "p_source": group[0]["p_source"],
        "samples": 2000,
        "fraction": 0.5,
        "low": 0.4781,
        "high": 0.5219,
        "drop": 0.2,
        "mean": 0.6,
        **given,
    }


def null_row(pair: Row, **given: Any) -> Row:
    """A plausible row of what a pair's found image is held against."""
    coarse = np.linspace(pair["p_source"], 0.01, 11)
    distances = {"rmse": 0.3, "linf": 0.9, "ssim": 0.1, "lpips": pair["lpips"] and 0.6}
    held = {"rmse": 0.24, "linf": 0.72, "ssim": 0.2, "lpips": pair["lpips"] and 0.5}
    return {
        **{name: pair[name] for name in ("model", "source_id", "target_id")},
        **{f"random_pair_{name}": value for name, value in distances.items()},
        "interpolation_t": 0.2,
        "interpolation_mean": float(coarse.mean()),
        **{f"interpolation_{name}": value for name, value in held.items()},
        "interpolation_confidence": coarse.tolist(),
        "p_interpolation": float(coarse[2]),
        "p_target": float(coarse[-1]),
        **given,
    }


def transfer_row(pair: Row, judge: str, **given: Any) -> Row:
    """What a judge, who believes its own images alone, says of a pair's found image."""
    own = pair["model"] == judge
    names = ("model", "pair_id", "source_id", "target_id", "source_class")
    return {
        **{name: pair[name] for name in names},
        "judge": judge,
        "judge_class": pair["source_class"],
        "p_found": pair["p_found"] if own else 0.25,
        "p_source": pair["p_source"],
        "p_target": 0.01,
        "kept_found": own,
        "kept_source": True,
        "kept_target": False,
        "resized": False,
        **given,
    }


def write_transfer(path: Path, rows: Sequence[Row]) -> None:
    """The rows as `transfer.parquet`."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=TRANSFER), path / "transfer.parquet")


def write_rows(
    path: Path,
    pairs: list[Row],
    triangles: list[Row],
    simplices: Sequence[Row] = (),
    nulls: Sequence[Row] = (),
    parts: bool = False,
) -> None:
    """The rows as the tables of a run, or as parts of them."""
    tables = {
        "pairs": (PAIRS, pairs),
        "triangles": (TRIANGLES, triangles),
        "simplices": (SIMPLICES, list(simplices)),
        "nulls": (NULLS, list(nulls)),
    }
    if parts:
        (path / "parts").mkdir(exist_ok=True)
    for name, (schema, rows) in tables.items():
        file = path / (f"parts/{name}-0000.parquet" if parts else f"{name}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)


def hold(path: Path, score: str, delta: float, turn: Callable[[float], float]) -> Path:
    """The written run as one that held another score: `turn` of every confidence."""
    for kind, schema in (("pairs", PAIRS), ("triangles", TRIANGLES)):
        file = path / f"{kind}.parquet"
        rows = [_turned(row, turn) for row in pq.read_table(file).to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    info = json.loads((path / "run.json").read_text())
    info["plan"]["score"] = {"name": score}
    info["plan"]["method"]["delta"] = delta
    (path / "run.json").write_text(json.dumps(info))
    return path


def _turned(row: Row, turn: Callable[[float], float]) -> Row:
    lists = {key: [turn(p) for p in row[key]] for key in _CURVES if row.get(key)}
    return {**row, **{key: turn(row[key]) for key in _SCORES if row.get(key)}, **lists}


def draw(number: int, size: int) -> np.ndarray:
    """A drawn object, uint8 (size, size, 3): which one, and how, follows from `number`."""
    rng = np.random.default_rng(number)
    edge = 4 * size
    image = Image.new("RGB", (edge, edge), _GROUNDS[number % 6])
    light = Image.linear_gradient("L").resize((edge, edge)).rotate(int(rng.integers(360)))
    image = Image.composite(image, Image.new("RGB", image.size, "black"), light.point(_lighten))
    shape = Image.new("L", image.size, 0)
    _SHAPES[number % 6](ImageDraw.Draw(shape), edge)
    shape = shape.rotate(int(rng.integers(-20, 20)), Image.Resampling.BICUBIC)
    image.paste(_COLOURS[(number * 5 + 1) % 6], mask=shape)
    texture = rng.normal(0, 5, (size, size, 3))
    small = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS), dtype=float)
    return np.clip(small + texture, 0, 255).astype(np.uint8)


def _lighten(value: int) -> int:
    return 150 + value * 105 // 255


def _star(pen: ImageDraw.ImageDraw, edge: int) -> None:
    radii = [0.36 * edge, 0.15 * edge] * 5
    angles = [math.pi * k / 5 - math.pi / 2 for k in range(10)]
    points = zip(radii, angles, strict=True)
    pen.polygon([(edge / 2 + r * math.cos(a), edge / 2 + r * math.sin(a)) for r, a in points], 255)


def _cross(pen: ImageDraw.ImageDraw, edge: int) -> None:
    pen.rectangle((0.42 * edge, 0.2 * edge, 0.58 * edge, 0.8 * edge), 255)
    pen.rectangle((0.2 * edge, 0.42 * edge, 0.8 * edge, 0.58 * edge), 255)


_SHAPES = (
    lambda pen, e: pen.ellipse((0.22 * e, 0.22 * e, 0.78 * e, 0.78 * e), 255),
    lambda pen, e: pen.rectangle((0.26 * e, 0.26 * e, 0.74 * e, 0.74 * e), 255),
    _star,
    lambda pen, e: pen.ellipse(
        (0.22 * e, 0.22 * e, 0.78 * e, 0.78 * e), outline=255, width=int(0.1 * e)
    ),
    lambda pen, e: pen.polygon([(0.5 * e, 0.2 * e), (0.8 * e, 0.76 * e), (0.2 * e, 0.76 * e)], 255),
    _cross,
)


def _found(source: np.ndarray, target: np.ndarray, residual: float, rng: Any, trained: bool) -> Any:
    # Adversarially trained models leave a visible ghost of the source, normal ones fine noise.
    noise = Image.fromarray(rng.integers(0, 255, source.shape, dtype=np.uint8))
    blobs = np.asarray(noise.filter(ImageFilter.GaussianBlur(3 if trained else 0.4)), dtype=float)
    mixed = target + residual * (source.astype(float) - target) * trained + (blobs - 128) * residual
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _distances(prefix: str, found: np.ndarray, other: np.ndarray) -> Row:
    gap = (found.astype(float) - other) / 255
    rmse = float(np.sqrt((gap**2).mean()))
    return {
        f"{prefix}rmse": rmse,
        f"{prefix}linf": float(np.abs(gap).max()),
        f"{prefix}ssim": 1 - 3 * rmse,
    }


def _unstarted(model: str, image: tuple[str, str, np.ndarray], index: int) -> Row:
    return {
        **dict.fromkeys(PAIRS.names),
        "model": model,
        "pair_id": f"{hashlib.sha256(model.encode()).hexdigest()[:8]}-misread",
        "source_id": image[0],
        "source_class": index,
        "source_name": image[1],
        "p_source": 0.31,
        "evaluations": 0.5,
        "check_evaluations": 0.0,
        "ending": "source_misclassified",
    }
