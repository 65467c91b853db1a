"""The matrix of a transfer, no wider than the page."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from blindspots.errors import UsageError
from blindspots.reporting.figures.publication.layout import NOTE, WIDTHS, figure_of
from blindspots.reporting.figures.transfer_plot import run_transfer
from blindspots.store.reader import Row, Run


def draw_transfer(run: Run, pairs: Sequence[Row], columns: int) -> Axes:  # noqa: ARG001
    """What other models say of the run's found images: rows the traversed ones, columns the judges.

    All pairs of the run count. Refused where no model was asked.
    """
    axis = run_transfer(run)
    if axis is None:
        raise UsageError(
            f"{run.path} holds no transfer.parquet, so there is no matrix to draw; type "
            f"blindspots transfer {run.path} --model SPEC first"
        )
    figure = figure_of(axis)
    width, height = (float(side) for side in figure.get_size_inches())
    scale = min(1.0, WIDTHS[columns] / width)
    smallest = min(float(text.get_fontsize()) for text in axis.texts)
    if columns == 1 and smallest * scale < NOTE:
        raise UsageError(
            "the matrix is too wide to be read on one column; expected fewer models or a wider "
            "page; type --columns 2"
        )
    figure.set_size_inches(WIDTHS[columns], height * scale)
    share = width * scale / WIDTHS[columns]
    axis.set_position(((1 - share) / 2, 0, share, 1))
    for text in axis.texts:
        text.set_fontsize(float(text.get_fontsize()) * scale)
    return axis
