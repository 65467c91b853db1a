"""What the names in `tests/support/advised.py` stand for: small models, files and folders."""

import gzip
import io
import json
import math
import shlex
import shutil
import tarfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import squeezenet1_1
from torchvision.transforms.functional import to_pil_image

import blindspots as bs
from blindspots.cli.main import call
from blindspots.explorer.serve import check_origin
from blindspots.images import read_class_table
from blindspots.leaderboard.entry import check_name, check_paper
from blindspots.leaderboard.protocol import find_protocol, known_protocols
from blindspots.scores import parse_score
from blindspots.settings import parse_shard
from tests.images.material import encoded, noise, write
from tests.support import tiny_model
from tests.support.schemes_page import ROOT
from tests.support.tiny import FILE, draw, without_figures, without_pages
from tests.support.tiny_model import NAMES, Around
from tests.support.toys import random_images, random_linear, toy

FEW = ("--set", "max_steps=2", "--quiet")
TRUST = ("--trust-run-code", "--quiet")
QUICK_WIDTHS = ("--directions", "2", "--points", "2")
TINY = (
    "import torch\nfrom blindspots import Classifier\n"
    "from tests.support.tiny_model import Tiny, Around"
)
BACK = (
    "f = lambda: Around(torch.nn.Sequential(Tiny(0, 14.0, 0.8), torch.nn.Sigmoid()), "
    "behind=torch.logit)"
)
FOUR = "f = lambda: Around(Tiny(3, 14.0, 0.8), behind=lambda z: torch.cat([z, z[:, :1] - 9], 1))"
# Besides the public names and those of this module.
CALLED = (
    *(gzip, math, squeezenet1_1, to_pil_image, read_class_table, check_origin, check_name),
    *(check_paper, find_protocol, known_protocols, parse_score, parse_shard),
)
TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
PATCHES = {"image_size": 32, "patch_size": 8}


class Flat(nn.Module):
    """Two logits or features of an image of any size."""

    def forward(self, images):
        return 3 * images.flatten(1)[:, :2]


class OneLogit(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :1]


class Second(nn.Module):
    def forward(self, images, scale):
        return scale * images.flatten(1)[:, :2]


class Two(nn.Module):
    def forward(self, images, others):
        return 3 * images.flatten(1)[:, :2] + others.flatten(1)[:, :2]


class Viewing(nn.Module):
    def forward(self, images):
        return 3 * images.view(len(images), -1)[:, :2]


class Wrapped(nn.Module):
    """As a user writes one around a network: `forward(self, x)` is what the advice says."""

    def __init__(self, net, forward):
        super().__init__()
        self.net, self.does = net, forward

    def forward(self, images):
        return self.does(self.net, images)


def flatten(z):
    return 3 * z.flatten(1)[:, :2]


def around(module, forward):
    return Wrapped(module, forward)


def padded(network, x):
    return network(torch.cat([x, torch.ones_like(x[:, :1])], 1))


def shaped(module):
    """How many outputs it has, as `blindspots doctor` asks."""
    return bs.Classifier(module, size=4).count_outputs()


def then(module, behind):
    return Around(module, behind=behind)


def asked(module, size=4, **more):
    """The classifier, after a look at the shape of its answer."""
    model = bs.Classifier(module, size=size, **more)
    assert model.num_classes or model.features
    return model


def net(classes=3):
    return timm.create_model("test_resnet", num_classes=classes)


def beside(*prefixes):
    state = net().state_dict()
    return {f"{prefix}{key}": value for prefix in prefixes for key, value in state.items()}


def cut(data):
    return data[: len(data) // 2]


def damaged(data):
    """With a hole where the rows are; its beginning and end are whole."""
    return data[:60] + bytes(len(data) // 4) + data[60 + len(data) // 4 :]


@cache
def made_pictures():
    """Three pictures of each class, as the tiny model sees them."""
    drawn = [draw(label, number) for label in range(3) for number in range(3)]
    return bs.load_images(drawn, tiny_model.build()).take(range(9))


@cache
def shapes():
    return bs.load_model("zoo:shapes-resnet")


def traverse(*given, **options):
    """As the public one, in two steps where neither method nor score is said."""
    if not options.keys() & {"method", "score"}:
        options["method"] = bs.Reference(delta=0.2, max_steps=2)
    return bs.traverse(*given, **options)


def updated(metric, model):
    metric.update(model)
    return metric


class World:
    """Everything that is laid in a folder, and the names of the cases."""

    def __init__(self, place: Path, photos: str, finished: Path, runs: Path) -> None:
        self.place, self.photos, self.finished, self.said = place, photos, finished, ""
        self.runs = runs
        model = f"file:{FILE}:build?size=12"
        few = ("--set", "max_steps=2", "--sources", "6", "--targets-per-source", "3")
        self.RUN = ("run", "--model", model, "--images", photos, *few, "--out", place / "out")
        self.DRY = (*self.RUN, "--dry-run", "--quiet")

    def cmd(self, *words: object) -> None:
        """Type a command; what it says where that is refused."""
        quick = without_figures if words[0] == "report" else without_pages
        with redirect_stderr(io.StringIO()) as said, redirect_stdout(io.StringIO()), quick():
            status = call([str(word) for word in words])
        if status == 2:
            raise bs.UsageError(said.getvalue())
        assert status in (0, 3), said.getvalue()

    def advised_words(self) -> list[str]:
        """The command that the refusal names."""
        return shlex.split(
            self.said.partition("type blindspots ")[2].splitlines()[0].split("\\n")[0]
        )

    def run_copy(self, spoil: str = "") -> Path:
        copy = self.place / "copy"
        if not copy.exists():
            shutil.copytree(self.finished, copy)
        if spoil:
            write(self.place / "bad" / spoil, b"{")
            return self.place / "bad"
        return copy

    def keeping(self, what: str) -> Path:
        out = self.runs / f"keeping-{what}"
        if not out.exists():
            self.cmd(*self.RUN[:-2], "--keep", what, "--out", out, "--quiet")
        return out

    def shards(self) -> list[Path]:
        """Two halves of a run, which no case changes."""
        return [self._shard(self.runs / f"shard-{n}", f"{n}/2") for n in (1, 2)]

    def _shard(self, out: Path, shard: str, *more: str) -> Path:
        if not out.exists():
            self.cmd(*self.RUN[:-2], "--shard", shard, *more, "--out", out, "--quiet")
        return out

    def other_shard(self, shard: str, *more: str) -> Path:
        return self._shard(self.runs / f"other-{shard[0]}-{shard[2]}", shard, *more)

    def without_found(self) -> Path:
        shutil.copytree(self.finished, self.place / "spoilt")
        sorted((self.place / "spoilt" / "found").glob("*.safetensors"))[0].unlink()
        return self.place / "spoilt"

    def other_weights(self) -> Path:
        shutil.copytree(self.finished, self.place / "spoilt")
        info = json.loads((self.place / "spoilt" / "run.json").read_text())
        info["models"][0]["fingerprint"] = "0"
        (self.place / "spoilt" / "run.json").write_text(json.dumps(info))
        return self.place / "spoilt"

    def in_memory(self) -> bs.OpenRun:
        return self.quick(model=tiny_model.build(), images=self.photos, out=self.place / "out")

    def laid(self, folder: str, name: str) -> Path:
        return write(self.place / folder / name, b"a file of the user's").parent

    def red(self) -> Path:
        draw(0, 0).save(self.place / "red.png")
        return self.place / "red.png"

    def green(self) -> Path:
        draw(1, 0).save(self.place / "green.png")
        return self.place / "green.png"

    def names(self) -> dict[str, Any]:
        x, y = random_images(2)
        pictures = made_pictures()
        own = {name: getattr(self, name) for name in dir(self) if name[0] != "_"}
        return {
            **{name: getattr(bs, name) for name in bs.__all__},
            **globals(),
            **{one.__name__: one for one in CALLED},
            "ROOT": ROOT,
            "NAMES": NAMES,
            **own,
            "x": x,
            "y": y,
            "two": torch.stack([x, y]),
            "bytes8": (255 * x).to(torch.uint8),
            "toy": toy(random_linear(0)),
            "tiny": tiny_model.build(),
            "shapes": shapes(),
            "traverse": traverse,
            "pictures": pictures,
            "classes": [0, 0, 0, 1, 1, 1, 2, 2, 2],
            "labelled": (pictures, [0, 0, 0, 1, 1, 1, 2, 2, 2]),
            "own": f"file:{FILE}",
            "small": "timm:test_resnet?num_classes=3&",
            "picture": lambda n: draw(n, 0),
        }

    def put(self, name: str, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        return str(write(self.place / name, data))

    def folders(self, *names: str) -> str:
        for seed, name in enumerate(names):
            write(self.place / "-".join(names) / name / "0.png", seed=seed)
        return f"folder:{self.place}/{'-'.join(names)}"

    def broken_pictures(self) -> str:
        write(self.place / "broken" / "cat" / "0.png", b"no")
        return str(self.place / "broken")

    def path_of(self, spec: str) -> str:
        return spec.partition(":")[2]

    def sizes(self) -> str:
        write(self.place / "sizes" / "a.png", encoded(noise(20, 20)))
        write(self.place / "sizes" / "b.png", encoded(noise(20, 30)))
        return f"folder:{self.place}/sizes"

    def twice_named(self) -> str:
        for seed, name in enumerate(("red", "blue")):
            write(self.place / "twice" / name / "a.png", seed=seed)
        return f"folder:{self.place}/twice"

    def metadata(self, text: str) -> str:
        write(self.place / "m" / "a.png")
        self.put("m/metadata.csv", text)
        return f"folder:{self.place}/m"

    def _rows(self, name: str = "image", **columns: Any) -> pa.Table:
        data = [encoded(draw(label, 0)) for label in range(2)]
        return pa.table({name: data} | {k: data if v is None else v for k, v in columns.items()})

    def table(self, **columns: Any) -> str:
        pq.write_table(self._rows(**columns), self.place / "t.parquet")
        return f"parquet:{self.place}/t.parquet"

    def table_bytes(self) -> bytes:
        out = io.BytesIO()
        pq.write_table(self._rows(label=[0, 1]), out, compression="none")
        return out.getvalue()

    def other_columns(self) -> str:
        (self.place / "shards").mkdir(exist_ok=True)
        pq.write_table(self._rows(label=[0, 1]), self.place / "shards" / "a.parquet")
        pq.write_table(self._rows(kind=["a", "b"]), self.place / "shards" / "b.parquet")
        return str(self.place / "shards")

    def numbers_alone(self) -> str:
        pq.write_table(pa.table({"label": [1, 2]}), self.place / "n.parquet")
        return f"parquet:{self.place}/n.parquet"

    def shard_bytes(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for label in range(2):
                for suffix, data in (("png", encoded(draw(label, 0))), ("cls", b"%d" % label)):
                    member = tarfile.TarInfo(f"{label}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return out.getvalue()

    def shard(self) -> str:
        return f"webdataset:{self.put('s.tar', self.shard_bytes())}"

    def saved_bytes(self, value: object) -> bytes:
        out = io.BytesIO()
        torch.save(value, out)
        return out.getvalue()

    def saved(self, name: str, value: object) -> str:
        return self.put(name, self.saved_bytes(value))

    def tensors(self, name: str, state: dict[str, torch.Tensor]) -> str:
        save_file(state, self.place / name)
        return str(self.place / name)

    def as_complex(self, state):
        return {key: value.to(torch.complex64) for key, value in state.items()}

    def converted(self, file: Path) -> str:
        """What the refusal's own Python makes of the file, run as it stands."""
        code = self.said.partition("convert it once: ")[2].partition(", or .state_dict()")[0]
        whole = isinstance(torch.load(file, weights_only=False), nn.Module)
        code = (
            code
            if not whole
            else "torch.save(torch.load(FILE, weights_only=False).state_dict(), 'weights.pth')"
        )
        exec(code.replace("'weights.pth'", "OUT"), {"torch": torch, "FILE": file, "OUT": file})
        return str(file)

    def factory(self, imports: str, rest: str) -> str:
        name = f"f{len(list(self.place.glob('f*.py')))}.py"
        text = f"{imports}\n{rest}\n"
        return f"file:{self.put(name, text)}"

    def exported(self, module, batch=None, inputs=1, training=False) -> str:
        module = module if training else module.eval()
        images = tuple(torch.rand(batch or 2, 3, 8, 8) for _ in range(inputs))
        shapes = None if batch else ({0: torch.export.Dim("batch")},) * inputs
        program = torch.export.export(module, images, dynamic_shapes=shapes)
        torch.export.save(program, self.place / "m.pt2")
        return str(self.place / "m.pt2")

    def timms(self, config: dict[str, Any], network) -> str:
        folder = self.place / "timm"
        self.put("timm/config.json", json.dumps(config))
        if network is not None:
            save_file(network.state_dict(), folder / "model.safetensors")
        return str(folder)

    def vit(self, processor: Any = True, lacking: str = "", **config: Any) -> str:
        import transformers as tf

        folder = self.place / f"vit-{len(list(self.place.glob('vit-*')))}"
        made = tf.ViTForImageClassification(tf.ViTConfig(**TRANSFORMER, **PATCHES, **config))
        made.save_pretrained(folder)
        if lacking:
            state = {k: v for k, v in made.state_dict().items() if k != lacking}
            save_file(state, folder / "model.safetensors")
        if processor:
            tf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
        if isinstance(processor, dict):
            file = folder / "preprocessor_config.json"
            odd = {"image_processor_type": "PoolFormerImageProcessor", "do_center_crop": True}
            crop = {"crop_size": {"height": 32, "width": 32}}
            file.write_text(
                json.dumps({**json.loads(file.read_text()), **odd, **crop, **processor})
            )
        return str(folder)

    def wrapped(self, folder: str, behind: str = "z") -> str:
        logits = "self.net(pixel_values=x).logits" + ("" if behind == "z" else "[:, 0]")
        return (
            "import torch\nclass F(torch.nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        auto = tf.AutoModelForImageClassification\n"
            f"        self.net = auto.from_pretrained({folder!r})\n"
            f"    def forward(self, x):\n        z = {logits}\n        return {behind}\nf = F"
        )

    def two_towers(self) -> str:
        import transformers as tf

        words = {"vocab_size": 30, "max_position_embeddings": 16, "pad_token_id": 1}
        config = tf.SiglipConfig(
            text_config={**TRANSFORMER, **words}, vision_config={**TRANSFORMER, **PATCHES}
        )
        tf.SiglipModel(config).save_pretrained(self.place / "siglip")
        return str(self.place / "siglip")

    def towers(self, folder: str) -> str:
        return (
            "class F(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            f"        self.net = tf.SiglipModel.from_pretrained({folder!r})\n"
            "    def forward(self, x):\n        made = self.net.get_image_features(x)\n"
            "        return getattr(made, 'pooler_output', made)\nf = F"
        )

    def clip(self) -> str:
        from tests.models.test_clip_models import save_clip

        return str(save_clip(self.place / "clip"))

    def clip_lacking(self) -> str:
        folder = Path(self.clip())
        state = load_file(folder / "model.safetensors")
        del state["visual_projection.weight"]
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        return str(folder)

    def imageless(self) -> bs.Traversals:
        made = traverse(toy(random_linear(0)), *random_images(2))
        return replace(made, source=None)

    def quick(self, **given: Any) -> bs.OpenRun:
        few = bs.Reference(delta=0.2, max_steps=2)
        return bs.run(**given, method=few, sources=4, targets_per_source=1, report=False)
