"""The warnings that fastnet gives."""

__all__ = ["DataFileWarning", "DoctorWarning", "NonFiniteLossWarning"]


class NonFiniteLossWarning(RuntimeWarning):
    """The loss became NaN or infinite while a model trained."""


class DoctorWarning(UserWarning):
    """`fit(debug=True)` found something that `fastnet.doctor` knows."""


class DataFileWarning(UserWarning):
    """A data file was read in a way that is not the obvious one: `fastnet.datasets.load` says how."""
