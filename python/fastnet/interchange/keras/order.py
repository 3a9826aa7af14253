"""The order in which Keras lists the layers of a functional model, which numbers their weights in files."""

from collections.abc import Sequence

__all__ = ["listed"]


def listed(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return the numbers of layers in Keras's order.

    Layers come by their depth, the longest way to the output, and those of the same depth in the order of a walk from the
    output that follows what a layer takes, one after the other. So the branches of a block are mixed.

    Parameters
    ----------
    sources : list of list of int
        The numbers of those layers that each takes, which are less than its own. The last layer is the output.

    Examples
    --------
    >>> from fastnet.interchange.keras.order import listed
    >>> listed([[], [0], [1], [0], [3, 2]])  # two layers and, in the shortcut, one
    [0, 1, 3, 2, 4]
    """
    depths = [0] * len(sources)
    for number in reversed(range(len(sources))):
        for source in sources[number]:
            depths[source] = max(depths[source], depths[number] + 1)
    walked: dict[int, int] = {}
    ahead = [len(sources) - 1]
    while ahead:
        number = ahead.pop()
        if number not in walked:
            walked[number] = len(walked)
            ahead += reversed(sources[number])
    return sorted(walked, key=lambda number: (-depths[number], walked[number]))
