"""A mean with its interval."""

from harness.records.fields import Count, Finite, record_part


@record_part
class Span:
    """A mean with its 95 % interval."""

    value: Finite
    low: Finite
    high: Finite
    n: Count
    """Samples."""
