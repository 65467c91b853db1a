"""Shapes and types are checked at run time in tests; one thread, so that tests share two cores."""

from jaxtyping import install_import_hook

import tests.checker  # noqa: F401  (the hook looks its decorator up as an attribute)

hook = install_import_hook("blindspots", "tests.checker.checked")

import hypothesis  # noqa: E402
import torch  # noqa: E402

hypothesis.settings.register_profile("blindspots", deadline=None, max_examples=15, derandomize=True)
hypothesis.settings.load_profile("blindspots")
torch.set_num_threads(1)
