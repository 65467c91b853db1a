"""What a figure needs of a run's files; refused with the option that keeps it where it is gone."""

from blindspots.errors import UsageError
from blindspots.store.reader import Pixels, Row, Run


def kept_frames(run: Run, row: Row) -> list[Pixels]:
    """The snapshots of a pair; refused where the run kept none."""
    frames = run.frames(row["pair_id"], len(row["path_step"] or ()))
    if not frames:
        raise UsageError(
            f"{run.path} kept no snapshots of pair {row['pair_id']}; "
            "run it with --keep path to have them"
        )
    return frames


def kept_image(run: Run, image_id: str, model: str) -> Pixels:
    """A source or target as the model saw it; refused where its file is gone."""
    pixels = run.image(image_id, model)
    if pixels is None:
        missing = run.image_path(image_id, model)
        raise UsageError(f"{missing} is missing; give the run's command again")
    return pixels


def kept_found(run: Run, row: Row) -> Pixels:
    """The found image of a pair; refused where the run kept none."""
    pixels = run.found(row["pair_id"])
    if pixels is None:
        raise UsageError(
            f"{run.path} kept no found image of pair {row['pair_id']}; "
            "run it with --keep found or --keep path to have it"
        )
    return pixels
