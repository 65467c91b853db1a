"""Fixtures for pytest, there wherever the package is installed; nothing is imported before use."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from blindspots.api.open_run import OpenRun


@pytest.fixture(scope="session")
def blindspots_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., "OpenRun"]:
    """`blindspots.run` into a folder of the session's own, without a bar and without a report.

    As in `blindspots_run(model=…, images=…).check(max={"segment_inside": 0.9}).raise_if_broken()`.
    The same arguments give the same finished run.
    """
    finished: dict[str, OpenRun] = {}

    def run(**asked: Any) -> "OpenRun":
        import blindspots

        key = repr(sorted(asked.items()))
        if key not in finished:
            out = asked.pop("out", tmp_path_factory.mktemp("blindspots") / "run")
            given = {"progress": False, "report": False, **asked}
            finished[key] = blindspots.run(out=out, **given)
        return finished[key]

    return run
