"""One image file, or two: a traversal and its contrast, without a run directory."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors.torch import save as serialise
from torch import Tensor

from blindspots.engine.batch import UNLABELLED, Pair, TraversalResult, from_8bit, pair_hash, to_8bit
from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pgd import PGD
from blindspots.engine.scheduler import Engine
from blindspots.errors import UsageError
from blindspots.images.decode import Unreadable, decode
from blindspots.measure.measurer import Measurer
from blindspots.measure.metrics import find_lpips
from blindspots.methods.method import Method
from blindspots.models.classifier import Classifier, class_name
from blindspots.progress import Reporter
from blindspots.reporting.figures import path_strip, save, sensitivity
from blindspots.reporting.score_labels import ScoreWords, words_for
from blindspots.scores import Confidence, Score
from blindspots.settings import SNAPSHOTS
from blindspots.specs import nearest_names
from blindspots.store.atomic import write_text, write_whole

Row = dict[str, Any]
Img = Float[Tensor, "3 height width"]


@dataclass(frozen=True)
class ImagePrediction:
    """What a model says of an image: the class, its name, its confidence.

    Of a model without classes: −1, the file's name, and 1.
    """

    label: int
    name: str
    confidence: float


def read_image(path: Path, model: Classifier) -> Img:
    """An image file as the model sees it; refused where it is none."""
    try:
        decoded = decode(path.read_bytes()).image
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{path} cannot be read ({reason}); expected an image file") from error
    except Unreadable as error:
        raise UsageError(
            f"{path} cannot be used: {error}; expected an image file, such as a PNG or JPEG"
        ) from error
    return from_8bit(torch.from_numpy(np.array(model.preprocessing(decoded)))).permute(2, 0, 1)


def ask(model: Classifier, image: Img, name: str = "") -> ImagePrediction:
    """What the model says of an image; `name`: what it is called where there are no classes."""
    if model.embeds:
        return ImagePrediction(UNLABELLED, name, 1.0)
    with model.frozen():
        probabilities = Evaluator(model).logits(image[None]).softmax(dim=1)[0]
    label = int(probabilities.argmax())
    return ImagePrediction(label, class_name(model, label), float(probabilities[label]))


def find_class(model: Classifier, text: str) -> int:
    """The class of that number or name; refused, with the nearest names, where there is none."""
    names = model.class_names or ()
    plain = [name.casefold() for name in names]
    if text.isdecimal() and int(text) < model.num_classes:
        return int(text)
    if plain.count(text.casefold()) == 1:
        return plain.index(text.casefold())
    hint = nearest_names(text, names) or f"give a number from 0 to {model.num_classes - 1}"
    raise UsageError(f"--target {text} is no class of {model.name}; expected a class; {hint}")


def traverse_files(
    model: Classifier,
    files: tuple[Path, Path],
    method: Method,
    seed: int,
    out: Path,
    reporter: Reporter,
    *,
    score: Score | None = None,
    precision: str = "fp32",
) -> Row:
    """Traverse from one image file towards another; the result's row.

    Writes `found.png`, `found.safetensors` (exact), `path.png` and `path.svg` (the strip) and
    `result.json`. The class the model gives the source is kept; `score`: what is held, the
    confidence in it unless given.
    """
    score = score or Confidence()
    score.check_model(model.name, model.embeds, model.num_classes)
    source, target = (read_image(file, model) for file in files)
    said, aim = (
        ask(model, image, file.stem) for image, file in zip((source, target), files, strict=True)
    )
    pair = Pair(pair_hash(source, target, said.label), source, target, said.label)
    evaluator = Evaluator(model, score, precision=precision)
    with reporter.work("traversing", method.most_evaluations(), "evaluations") as tick:
        slots = batch_size(model.size, model.device)
        engine = Engine(evaluator, method, slots=slots, snapshots=SNAPSHOTS, seed=seed, tick=tick)
        ((outcome,),) = engine.run([pair])
    row = _row(evaluator, outcome, method, (said, aim))
    out.mkdir(parents=True, exist_ok=True)
    _save_found(outcome, out)
    if outcome.path is not None:
        heading, words = f"{model.name}, {method.name}", words_for(score.name)
        step_label = "{} %" if method.straight else "step {}"
        _save_strip(outcome, (said, aim), heading, step_label, words, out)
    write_text(out / "result.json", json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    return row


def sensitivity_of(model: Classifier, file: Path, target: str, method: PGD, out: Path) -> Row:
    """The contrast: how little changes the prediction; the result's row.

    Writes `perturbed.png`, `perturbed.safetensors` (exact), `sensitivity.png`, `sensitivity.svg`
    and `result.json`.
    """
    source, label = read_image(file, model), find_class(model, target)
    device = model.device
    perturbed = method(model, source[None].to(device), torch.tensor([label], device=device))
    perturbed = perturbed[0].cpu()
    before, after = ask(model, source), ask(model, perturbed)
    row = {
        "model": model.name,
        "before": before.name,
        "p_before": before.confidence,
        "after": after.name,
        "p_after": after.confidence,
        "target": class_name(model, label),
        "reached": after.label == label,
        "linf": float((perturbed - source).abs().max()),
        "rmse": float((perturbed - source).square().mean().sqrt()),
        "epsilon": method.epsilon,
        "steps": method.steps,
    }
    out.mkdir(parents=True, exist_ok=True)
    _save_image(perturbed, out / "perturbed")
    axis = sensitivity(
        _pixels(source) / 255,
        perturbed.permute(1, 2, 0).numpy(),
        before=before.name,
        p_before=before.confidence,
        after=after.name,
        p_after=after.confidence,
        epsilon=method.epsilon,
        heading=f"{model.name}: a change nobody sees, another prediction",
    )
    save(axis, out / "sensitivity")
    write_text(out / "result.json", json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    return row


def _row(
    evaluator: Evaluator,
    outcome: TraversalResult,
    method: Method,
    said: tuple[ImagePrediction, ImagePrediction],
) -> Row:
    (lpips, _), model = find_lpips(None), evaluator.model
    measuring = Evaluator(model, evaluator.score, chunk=32)
    measured = Measurer(model, measuring, method.delta, lpips).found([outcome])
    columns = measured[0] if outcome.ending.started else {}
    return {
        "model": model.name,
        "method": method.name,
        "score": evaluator.score.name,
        "source_name": said[0].name,
        "target_name": said[1].name,
        "p_source": outcome.p_source,
        "p_found": outcome.p_found if outcome.ending.started else None,
        **{name: value for name, value in columns.items() if not isinstance(value, list)},
        "p_path_min": outcome.p_path_min,
        "steps": outcome.steps,
        "evaluations": outcome.evaluations,
        "seconds": outcome.seconds,
        "ending": str(outcome.ending),
    }


def _save_found(outcome: TraversalResult, out: Path) -> None:
    if outcome.ending.started:
        _save_image(outcome.found, out / "found")


def _save_image(image: Img, stem: Path) -> None:
    exact = serialise({stem.name: image.contiguous()})
    write_whole(stem.with_suffix(".safetensors"), lambda aside: aside.write_bytes(exact))
    picture = Image.fromarray(_pixels(image))
    write_whole(stem.with_suffix(".png"), lambda aside: picture.save(aside, "PNG"))


def _save_strip(
    outcome: TraversalResult,
    said: tuple[ImagePrediction, ImagePrediction],
    heading: str,
    step_label: str,
    words: ScoreWords,
    out: Path,
) -> None:
    frames = [] if outcome.path is None else list(outcome.path.transpose(0, 2, 3, 1))
    axis = path_strip(
        frames,
        outcome.path_confidence,
        steps=outcome.path_step,
        step_label=step_label,
        target=_pixels(outcome.pair.target),
        source_name=said[0].name,
        target_name=said[1].name,
        heading=heading,
        words=words,
    )
    save(axis, out / "path")


def _pixels(image: Img) -> np.ndarray:
    return to_8bit(image).permute(1, 2, 0).numpy()
