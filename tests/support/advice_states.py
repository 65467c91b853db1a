"""States that a refusal is about and its advice mends: a lost file, a package not installed."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from blindspots.errors import computing
from blindspots.images.shapes import shape_image
from blindspots.models.schemes import parse_model_spec
from blindspots.models.schemes.timm import timm_preprocessing
from blindspots.reporting.compare.difference_tables import render
from blindspots.reporting.figures.paper_figures import draw_figure
from blindspots.reporting.tables.builders import build_table
from blindspots.store.paths import find_place, inside
from blindspots.store.reader import Run
from blindspots.study.backends.ray_pool import Ray
from tests.images.material import encoded, write
from tests.support.advice_world import World
from tests.support.run_factory import Factory
from tests.support.tiny import FULL, MODEL, REFERENCE, SMOOTH, draw
from tests.support.tiny_model import NAMES

# Besides the names of `advice_world`.
CALLED = (
    *(shape_image, parse_model_spec, timm_preprocessing, render, draw_figure, build_table),
    *(find_place, inside, Run, Factory, Ray),
)
GEOMETRY = {"size": (8, 8), "crop_mode": "center", "interpolation": "bilinear", "crop_pct": 1.0}


def lacking(package: str, call: Callable[[], Any]) -> Any:
    """What the call does where the package is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, package, None)
        return call()


def importing(package: str) -> None:
    with computing():
        __import__(package)


class Average(nn.Module):
    """Two logits of an image of any size, also where it is exported."""

    def forward(self, images):
        return 3 * images.mean((2, 3))[:, :2]


class States(World):
    def __init__(self, *given: Any, patch: pytest.MonkeyPatch) -> None:
        super().__init__(*given)
        self._patch = patch

    def names(self) -> dict[str, Any]:
        more = {one.__name__: one for one in CALLED}
        return {**super().names(), **globals(), **more}

    def limit(self, name: str, value: Any) -> None:
        """Make a limit of the package small, to the end of the case."""
        self._patch.setattr(f"blindspots.{name}", value)

    def explore(self, *words: object) -> None:
        """Type `blindspots explore`, whose server ends at once."""
        self._patch.setattr("blindspots.explorer.serve.serve", lambda *_, **__: None)
        self.cmd("explore", "--port", "0", "--no-open", *words)

    def changed(self, file: str, content: bytes | None = None) -> Path:
        """The copy of the finished run, where a file has another content, or is gone."""
        path = self.run_copy() / file
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        return self.run_copy()

    def retold(self, run: Path, **members: Any) -> Path:
        """The run, of which run.json says something else."""
        info = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**info, **members}))
        return run

    def again(self, out: Path | None = None) -> None:
        """Give the command of the copied run again."""
        models = ("--model", MODEL, "--model", SMOOTH)
        given = ("--images", self.photos, "--out", out or self.run_copy(), "--quiet")
        self.cmd("run", *models, *given, *REFERENCE, *FULL)

    def lost(self, folder: str) -> Path:
        shutil.rmtree(self.run_copy() / folder)
        return self.run_copy()

    def spoilt(self, folder: str) -> Path:
        for file in (self.run_copy() / folder).glob("*.png"):
            file.write_bytes(b"no")
        return self.run_copy()

    def bare(self, name: str = "bare", **members: Any) -> Path:
        """A run without pairs."""
        return Path(self.put(f"{name}/run.json", json.dumps(members))).parent

    def siblings(self, count: int) -> list[str]:
        """Traversed pairs of one source of the finished run, as options."""
        rows = Run(self.finished).pair_rows(started=True)
        same = [r for r in rows if r["source_id"] == rows[0]["source_id"]]
        own = [r["pair_id"] for r in same if r["model"] == rows[0]["model"]][:count]
        assert len(own) == count
        return [word for pair in own for word in ("--pair", pair)]

    def first(self, folder: str, ending: str) -> str:
        return f"{folder}/{sorted((self.finished / folder).glob('*' + ending))[0].name}"

    def shard_copies(self) -> list[Path]:
        copies = [self.place / one.name for one in self.shards()]
        for one, copy in zip(self.shards(), copies, strict=True):
            if not copy.exists():
                shutil.copytree(one, copy)
        return copies

    def predicted_shards(self) -> list[Path]:
        file = self.runs / "answers.parquet"
        outs = [self.runs / f"predicted-{n}" for n in (1, 2)]
        for number, out in enumerate(outs, 1):
            self._shard(out, f"{number}/2", "--predictions", str(file))
        return outs

    def cut_shard(self, cut: bool = True) -> Path:
        shard = self.shard_copies()[1]
        if cut:
            file = shard / "triangles.parquet"
            file.write_bytes(file.read_bytes()[:-9])
        return shard

    def resume_shard(self) -> None:
        self.cmd(*self.RUN[:-2], "--shard", "2/2", "--out", self.cut_shard(False), "--quiet")

    def doubled_shard(self) -> Path:
        shutil.copy(self.shards()[0] / "pairs.parquet", self.shard_copies()[1])
        return self.shard_copies()[1]

    def link(self, file: str, target: Path) -> Path:
        (self.run_copy() / file).unlink()
        (self.run_copy() / file).symlink_to(target)
        return self.run_copy()

    def fifo(self, file: str) -> Path:
        (self.run_copy() / file).unlink()
        os.mkfifo(self.run_copy() / file)
        return self.run_copy()

    def emptied(self) -> str:
        """Pictures that are listed, then damaged."""
        return f"folder:{write(self.place / 'late' / 'cat' / '0.png').parents[1]}"

    def one_damaged(self) -> str:
        for label, name in enumerate(NAMES):
            write(self.place / "three" / name / "a.png", encoded(draw(label, 0)))
        write(self.place / "three" / "red" / "a.png", encoded(draw(0, 0))[:200])
        return f"folder:{self.place}/three"

    def of_any_size(self) -> str:
        sides = {2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
        shapes = ({0: torch.export.Dim("batch"), **sides},)
        program = torch.export.export(Average(), (torch.rand(2, 3, 8, 9),), dynamic_shapes=shapes)
        program.example_inputs = None
        torch.export.save(program, self.place / "any.pt2")
        return str(self.place / "any.pt2")

    def features(self, *labels: int) -> str:
        """A table whose labels' column names two classes, as the datasets package writes it."""
        kind = {"names": ["a", "b"], "_type": "ClassLabel"}
        said = {"info": {"features": {"label": kind, "image": {"_type": "Image"}}}}
        table = self._rows(label=list(labels))
        told = table.replace_schema_metadata({"huggingface": json.dumps(said)})
        pq.write_table(told, self.place / "f.parquet")
        return f"parquet:{self.place}/f.parquet"

    def rows_with(self, run: Path, table: str, column: str, value: Any) -> Path:
        """The run, where the first row of a table has another value."""
        rows = pq.read_table(run / f"{table}.parquet")
        values = [value, *rows[column].to_pylist()[1:]]
        kind = rows.schema.field(column).type
        place = rows.column_names.index(column)
        changed = rows.set_column(place, rows.schema.field(column), pa.array(values, kind))
        pq.write_table(changed, run / f"{table}.parquet")
        return run
