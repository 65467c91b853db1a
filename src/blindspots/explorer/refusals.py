"""What the server says no with; each becomes a status and one sentence for the page.

Refused          400    what was asked cannot be done
└── Missing      404    there is no such image, result, model or pair here
Busy             503    as much is being done as the server takes
"""

from blindspots.errors import BlindspotsError, UsageError


class Missing(UsageError):
    """Something that the page named is not, or no longer, here."""


class Busy(BlindspotsError):
    """As much is being done as the server takes; asking again later helps."""
