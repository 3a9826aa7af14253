"""The warnings of fastnet."""

__all__ = ["DataFileWarning", "DoctorWarning", "NonFiniteLossWarning"]


class NonFiniteLossWarning(RuntimeWarning):
    """The loss became NaN or infinite during training."""


class DoctorWarning(UserWarning):
    """`fit(debug=True)` found a problem that `fastnet.doctor` reports."""


class DataFileWarning(UserWarning):
    """A data file was read in a way that is not obvious: see `fastnet.datasets.load`."""
