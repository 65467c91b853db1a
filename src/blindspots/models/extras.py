"""Libraries that are not always installed: imported where they are asked for, missed clearly."""

import importlib
from types import ModuleType

from blindspots.errors import UsageError
from blindspots.models.output import first_line


def import_extra(module: str, extra: str, what: str) -> ModuleType:
    """The module; refused where it cannot be imported, with the command that installs it.

    `extra`: which of this package's extras brings it. `what`: the spec that needs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{what} needs {module}, which cannot be imported ({first_line(error)}); "
            f"type pip install 'blindspots[{extra}]'"
        ) from error
