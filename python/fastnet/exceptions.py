"""The warnings that fastnet gives."""

__all__ = ["DoctorWarning", "NonFiniteLossWarning"]


class NonFiniteLossWarning(RuntimeWarning):
    """The loss became NaN or infinite while a model trained."""


class DoctorWarning(UserWarning):
    """`fit(debug=True)` found something that `fastnet.doctor` knows."""
