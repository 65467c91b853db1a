"""The contrast to a run's headline pair: what nobody sees, and the model does.

PGD on the pair's source, towards its target's class, once a run: 50 steps on one image.
"""

import io
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import torch
from PIL import Image

from blindspots.engine.batch import to_8bit
from blindspots.engine.evaluator import Subject
from blindspots.engine.pgd import PGD
from blindspots.measure.measurer import class_name
from blindspots.methods.method import as_stored
from blindspots.store.atomic import write_bytes
from blindspots.store.manifest import renew_entries
from blindspots.store.paths import Place, make_folder
from blindspots.store.reader import CONTRAST_FILE, Row, Run
from blindspots.store.run_info import INFO_FILE, SensitivityFacts, write_run_info
from blindspots.study.reload import saved_image


def add_contrast(
    out: Place, subjects: Sequence[Subject], pair_id: str | None, method: PGD | None = None
) -> None:
    """Store the contrast of a finished run's pair, where it is not there yet.

    Nothing is written where the pair has no target class, the source's own or no stored source, or
    the model has no classes or answers NaN. What the model says is of the image as it is stored, in
    8 bits.
    """
    deque(contrast_steps(out, subjects, pair_id, method), maxlen=0)


def contrast_steps(
    out: Place, subjects: Sequence[Subject], pair_id: str | None, method: PGD | None = None
) -> Iterator[None]:
    """The same, a step of PGD at a time, so that the model may do other work between them."""
    run = Run(out)
    stored = run.info.contrast
    if stored is not None and stored.pair_id == pair_id and (out / CONTRAST_FILE).is_file():
        return
    rows = run.columns.rows("pairs", "pair_id", [pair_id]) if pair_id else []
    row = rows[0] if rows else None
    subject = next((one for one in subjects if row and one.name == row["model"]), None)
    if row is None or subject is None or not _possible(run, row):
        return
    measured = yield from _measured(run, subject, row, method or PGD())
    if measured is None:
        return
    facts, pixels = measured
    make_folder(out / CONTRAST_FILE.split("/")[0])
    write_bytes(out / CONTRAST_FILE, pixels)
    write_run_info(out, replace(run.info, contrast=facts))
    renew_entries(out, [INFO_FILE, CONTRAST_FILE])


def _possible(run: Run, row: Row) -> bool:
    held = run.info.score.get("name") != "embedding"
    known = row["target_class"] is not None and row["source_class"] is not None
    other = known and row["target_class"] != row["source_class"]
    return held and other and run.image(row["source_id"], row["model"]) is not None


def _measured(
    run: Run, subject: Subject, row: Row, method: PGD
) -> Generator[None, None, tuple[SensitivityFacts, bytes] | None]:
    source, device = saved_image(run, row["source_id"], row["model"])[None], subject.model.device
    wanted = torch.tensor([row["target_class"]], device=device)
    changed = source
    for changed in method.walk(subject.model, source.to(device), wanted):  # noqa: B007
        yield
    changed = as_stored(changed.cpu())
    with subject.model.frozen():
        answer = subject.evaluator.exact.logits(torch.cat([source, changed]))
    said = answer.softmax(1).cpu()
    if not said.isfinite().all():
        return None
    (p_before, p_after), (before, after) = (one.tolist() for one in said.max(1))
    facts = SensitivityFacts(
        pair_id=row["pair_id"],
        before=class_name(subject, before, row["source_id"]),
        p_before=p_before,
        after=class_name(subject, after, row["target_id"]),
        p_after=p_after,
        linf=(changed - source).abs().max().item(),
        epsilon=method.epsilon,
        steps=method.steps,
    )
    return facts, _png(changed[0])


def _png(image: torch.Tensor) -> bytes:
    out = io.BytesIO()
    Image.fromarray(to_8bit(image).permute(1, 2, 0).numpy()).save(out, "PNG")
    return out.getvalue()
