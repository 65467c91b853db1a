import pytest

from tests.faults.test_kill import finish


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """What one process makes of it when nothing happens."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(out)
    return out
