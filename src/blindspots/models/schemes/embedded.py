"""`zoo:NAME`: the classifiers that come with this package."""

from blindspots.errors import UsageError
from blindspots.models.classifier import Classifier
from blindspots.models.spec_options import short_name
from blindspots.settings import Trust
from blindspots.specs import Spec


def load(spec: Spec, trust: Trust) -> Classifier:
    """The embedded model of that name; refused where the zoo has none, and with options."""
    from blindspots.models.zoo import load_zoo

    del trust
    if spec.options:
        raise UsageError(f"a zoo model takes no options; type zoo:{spec.name}")
    model = load_zoo(spec.name)
    model.name = short_name(spec)
    return model
