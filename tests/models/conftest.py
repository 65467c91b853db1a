"""What tests of several schemes share."""

import pytest

from blindspots.models.robust_networks import WideResNet


@pytest.fixture
def narrow(monkeypatch):
    """Wide networks are built a fifth as wide as they are asked for, which is much quicker."""
    monkeypatch.setattr(
        "blindspots.models.robust_networks.WideResNet",
        lambda depth, width: WideResNet(depth, width // 5),
    )


@pytest.fixture
def shallow(monkeypatch):
    """timm's networks with one block of each size: what is looked at is what stands before them."""
    import timm

    create = timm.create_model

    def few(name):
        return create(name, **({"depths": (1,) * 4} if "convnext" in name else {"depth": 1}))

    monkeypatch.setattr(timm, "create_model", few)
