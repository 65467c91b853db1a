"""States that a refusal is about and its advice mends: a lost file, a package not installed."""

import datetime
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fsspec.registry import _registry
from torch import nn

from blindspots.api.single import read_image
from blindspots.errors import UsageError, computing
from blindspots.explorer.app_state import ExplorerConfig, load
from blindspots.explorer.result_cache import plan_method
from blindspots.explorer.save_case import _new_directory, check_case
from blindspots.explorer.serve import listen
from blindspots.explorer.upload_decoder import UploadDecoder, seen
from blindspots.images.preprocessing import Preprocessing
from blindspots.images.shapes import shape_image
from blindspots.models.schemes import parse_model_spec
from blindspots.models.schemes.timm import timm_preprocessing
from blindspots.reporting.compare.difference_tables import render
from blindspots.reporting.figures.paper_figures import draw_figure
from blindspots.reporting.tables.builders import build_table
from blindspots.settings import Trust
from blindspots.specs import user_path
from blindspots.store.lock import hold
from blindspots.store.paths import find_place, inside
from blindspots.store.reader import Row, Run
from blindspots.study.backends.backend import _check_workers
from blindspots.study.backends.ray_pool import Ray
from blindspots.study.survey import _check_labels, _check_logits
from tests.images.material import encoded, noise, write
from tests.images.test_collect import spoiled_png
from tests.support.advice_board import BoardWorld
from tests.support.explorer_client import Client, explorer
from tests.support.run_factory import Factory
from tests.support.tiny import FULL, MODEL, REFERENCE, SMOOTH, draw
from tests.support.tiny_model import NAMES

# Besides the names of `advice_world`.
CALLED = (
    *(shape_image, parse_model_spec, timm_preprocessing, render, draw_figure, build_table),
    *(find_place, inside, Run, Factory, Ray),
    *(plan_method, check_case, _new_directory, listen, UploadDecoder, seen, noise),
    *(read_image, user_path, _check_workers, _check_labels, _check_logits),
)
GEOMETRY = {"size": (8, 8), "crop_mode": "center", "interpolation": "bilinear", "crop_pct": 1.0}
GEOMETRIES = [Preprocessing(size=(24, 24))]
AIM = SimpleNamespace(source="a", target="b")
TRUSTED = Trust(run_code=True)
SAID = SimpleNamespace(name="the model")


def lacking(package: str, call: Callable[[], Any]) -> Any:
    """What the call does where the package is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, package, None)
        # What has been opened already keeps its class there.
        for scheme, opened in list(fsspec.registry.items()):
            if opened.__module__.startswith(package):
                patch.delitem(_registry, scheme)
        return call()


def importing(package: str) -> None:
    with computing():
        __import__(package)


def _answer(status: int, said: Any) -> Any:
    if status != 200:
        raise UsageError(said["error"])
    return said


class Average(nn.Module):
    """Two logits of an image of any size, also where it is exported."""

    def forward(self, images):
        return 3 * images.mean((2, 3))[:, :2]


class States(BoardWorld):
    """`patch` is undone after the case, `opened` closed after all; `kept`: what the page made."""

    def __init__(
        self, *given: Any, patch: pytest.MonkeyPatch, opened: ExitStack, kept: dict[str, Any]
    ) -> None:
        super().__init__(*given)
        self._patch, self._opened, self._kept = patch, opened, kept

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

    def read_only(self, folder: Path) -> None:
        """Nothing can be written in the folder; whoever may do all could."""
        allowed = os.access
        self._patch.setattr("os.access", lambda p, mode: p != folder and allowed(p, mode))

    def unlistable(self, name: str) -> None:
        """Folders of that name are not to be read; whoever may do all could."""
        scan = os.scandir

        def scandir(path: Any = ".") -> Any:
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", path)
            return scan(path)

        self._patch.setattr("os.scandir", scandir)

    def held(self, run: Path) -> None:
        """Another works on the run, until it is let go."""
        self._kept["held"] = ExitStack()
        self._kept["held"].enter_context(hold(run))

    def let_go(self) -> None:
        self._kept.pop("held").close()

    def endless_tar(self) -> bytes:
        """A tar file without the two empty blocks that end it."""
        data = self.shard_bytes()
        blocks = [place for place in range(0, len(data), 512) if any(data[place : place + 512])]
        return data[: blocks[-1] + 512]

    def emptied(self) -> str:
        """Pictures that are listed, then damaged."""
        return f"folder:{write(self.place / 'late' / 'cat' / '0.png').parents[1]}"

    def one_damaged(self) -> str:
        for label, name in enumerate(NAMES):
            write(self.place / "three" / name / "a.png", encoded(draw(label, 0)))
        write(self.place / "three" / "red" / "a.png", spoiled_png())
        return f"folder:{self.place}/three"

    def page(self) -> Client:
        """The explorer of the tiny model, started for the first who asks."""
        if "page" not in self._kept:
            given = {"models": [MODEL], "images": self.photos}
            running = explorer(self.runs / "cases", **given)
            self._kept["page"] = self._opened.enter_context(running)
        return self._kept["page"]

    def posted(self, path: str, **data: Any) -> Any:
        """What the page is answered; a refusal as it says it."""
        return _answer(*self.page().post(f"/api/{path}", data))

    def streamed(self, path: str, **data: Any) -> list[dict[str, Any]]:
        """The events of long work, of which none is an error."""
        events = list(self.page().events(f"/api/{path}", data))
        assert all(event["kind"] != "error" for event in events), events
        return events

    def _asked(self, source: int, targets: list[int], method: str, max_steps: int) -> Row:
        images = self.page().images
        return {
            "models": list(self.page().hub.subjects),
            "source": images[source],
            "targets": [images[one] for one in targets],
            "method": method,
            "settings": {"max_steps": max_steps},
        }

    def traversed(self, targets: Sequence[int] = (1,), method: str = "reference") -> None:
        asked = self._asked(0, list(targets), method, 3)
        response, connection = self.page().open(
            "POST", "/api/traversals", json.dumps(asked).encode(), Content_Type="application/json"
        )
        content = response.read()
        connection.close()
        if response.status != 200:
            _answer(response.status, json.loads(content))
        assert b'"result"' in content

    def one_found(
        self, target: int, source: int = 0, max_steps: int = 3, again: bool = False
    ) -> str:
        """The id of a traversed pair's result, which is traversed once unless `again`."""
        key = f"{source}-{target}-{max_steps}-{again}"
        if key not in self._kept:
            asked = self._asked(source, [target], "reference", max_steps)
            events = self.streamed("traversals", **asked)
            (self._kept[key],) = (one["id"] for one in events if one["kind"] == "result")
        return self._kept[key]

    def uploaded(self, content: bytes | None) -> None:
        if content is not None:
            _answer(*self.page().upload(content))
            return
        kind = "application/x-www-form-urlencoded"
        status, said, _ = self.page().ask("POST", "/api/uploads", b"", Content_Type=kind)
        _answer(status, json.loads(said))

    def stored(self, run: Path) -> Any:
        state = load(ExplorerConfig(models=[], images=None, out=self.place, run=run, trust=TRUSTED))
        return state.stored

    def first_pair(self) -> str:
        return Run(self.finished).pair_rows(started=True)[0]["pair_id"]

    def at_one_moment(self) -> None:
        now = datetime.datetime.now()
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda: now))
        self.limit("explorer.save_case.datetime", clock)

    def later(self) -> None:
        now = datetime.datetime.now() + datetime.timedelta(seconds=1)
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda: now))
        self.limit("explorer.save_case.datetime", clock)

    def most_pixels(self, number: int) -> None:
        self._patch.setattr("PIL.Image.MAX_IMAGE_PIXELS", number)

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
