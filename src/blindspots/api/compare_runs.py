"""`compare`: runs, or the models of runs, on the same pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blindspots.api.open_run import open_run
from blindspots.api.run_table import Rendered, RunTable
from blindspots.errors import LimitExceeded, UsageError, computing
from blindspots.progress import Reporter
from blindspots.reporting.compare import Comparison, render, write_page
from blindspots.reporting.compare import compare as compare_subjects
from blindspots.reporting.compare.differences import KINDS, SLIDES_KINDS, Kind
from blindspots.reporting.publish import publish_transfer
from blindspots.settings import Trust
from blindspots.store.paths import Place, check_writable, find_place


@dataclass(frozen=True, repr=False)
class RunComparison(Rendered):
    """Paired differences with 95 % intervals and a verdict; `str` gives them as text.

    `comparison`: the same as data.
    """

    comparison: Comparison

    def raise_if_worse(self) -> None:
        """Raise `LimitExceeded` where a model is shown to be blinder than its baseline, by reach.

        Raises `UsageError` where a run has no reach, so that nothing could be shown.
        """
        for one in self.comparison.contrasts:
            if one.reach is None:
                raise UsageError(
                    f"{one.after} and {one.before} have no reach to compare; expected runs of the "
                    "same delta with nulls; run both again"
                )
        worse = [one for one in self.comparison.contrasts if one.worse]
        if worse:
            raise LimitExceeded("; ".join(one.verdicts[0].rstrip(".") for one in worse))

    def render(self, style: str = "text", width: int | None = None) -> str:  # noqa: ARG002
        """The tables as text, csv, latex, markdown or json."""
        return render(self.comparison, style)

    def write_page(self, path: str | Place) -> Place:
        """Write the comparison as one HTML page; its path."""
        return write_page(self.comparison, find_place(path))


def compare(
    *runs: Any,
    model: str | Sequence[str] = (),
    baseline: str | None = None,
    table: str | None = None,
    seed: int = 0,
) -> RunComparison:
    """How runs, or the models of one run, differ on the same pairs: intervals and a verdict.

    `runs`: directories or open runs, one or several. `model`: names; none: all. `baseline`: what
    all others are compared with; None: each model with itself in the first run where runs share
    models, else all with the first model. `table`: distance, confidence or summary, whose columns;
    None: the first two. `seed`: of the resamples of the intervals (BCa bootstrap over sources).

    Raises `UsageError` for what is no run, for an unknown model or table, and where no pair is
    shared.
    """
    if not runs:
        raise UsageError(
            "no run was given; expected one or several; type blindspots.compare('before', 'after')"
        )
    if table not in (None, *KINDS):
        raise UsageError(
            f"table={table!r} was given; expected one of {', '.join(KINDS)}; type "
            f"table={KINDS[0]!r}"
        )
    models = (model,) if isinstance(model, str) else tuple(model)
    kinds: list[Kind] = [kind for kind in KINDS if kind == table] or [*SLIDES_KINDS]
    opened = [open_run(run) for run in runs]
    return RunComparison(compare_subjects(opened, models, baseline, seed, kinds))


def transfer(
    run: Any,
    models: Any = (),
    *,
    device: str = "auto",
    batch: int | None = None,
    trust_file: bool = False,
    trust_remote_code: bool = False,
    trust_run_code: bool = False,
    progress: bool = False,
) -> RunTable:
    """Whether other models believe a run's found images too: the table, a column per judge.

    `run`: a directory or an open run; its own models judge each other. `models`: further judges, a
    spec, a `Classifier`, a `torch.nn.Module` of the images' size that takes [0, 1], or a list.
    `device`: auto, cpu, cuda …; `batch`: images at once, None: by the device. `trust_run_code`: run
    the code that file: and python: models of the run name. Writes `transfer.parquet`, its table and
    its figure into the directory.

    Raises `UsageError` where found images were not kept, a model of the run is no longer the same,
    a judge lacks the sources' classes, or what is given is no model.
    """
    with computing():
        from blindspots.api.arguments import as_models
        from blindspots.study.transfer import judge_run

    opened = open_run(run)
    judges = as_models(models, opened.input_size)
    check_writable(opened.path)
    trust = Trust(file=trust_file, remote_code=trust_remote_code, run_code=trust_run_code)
    judge_run(opened.path, judges, device, batch, Reporter(quiet=not progress), trust)
    return RunTable(publish_transfer(opened.path))
