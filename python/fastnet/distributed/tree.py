"""The order in which the gradients of shards are added up: a binary tree over aligned blocks of shards.

Block ``index`` of ``level`` covers the shards from ``index * 2**level`` on, ``2**level`` of them as far as they exist. It
is the sum of its halves, or the left one where the right one has no shards. So the bits of the total do not depend on how
the shards are divided among ranks.
"""

from collections.abc import Sequence

Block = tuple[int, int]  # level, index


def part_of(rank: int, size: int, shards: int) -> range:
    """Return the shards that a rank computes."""
    return range(rank * shards // size, (rank + 1) * shards // size)


def blocks_in(part: range, shards: int) -> list[Block]:
    """Return the largest blocks that lie wholly in a range of shards, from left to right."""
    blocks: list[Block] = []
    for shard in part:
        blocks.append((0, shard))
        while _rises(blocks, shards) is not None:
            pass
    return blocks


def additions(parts: Sequence[range], shards: int) -> list[tuple[int, int]]:
    """Return the additions that turn the sums of all ranks' blocks into the total, which is the first of them then.

    The blocks are numbered rank by rank, from left to right; (a, b) stands for adding number b to number a.
    """
    order: list[tuple[int, int]] = []
    blocks: list[Block] = []
    places: list[int] = []
    for place, block in enumerate(block for part in parts for block in blocks_in(part, shards)):
        blocks.append(block)
        places.append(place)
        while (adds := _rises(blocks, shards)) is not None:
            if adds:
                right = places.pop()
                order.append((places[-1], right))
    return order


def _rises(blocks: list[Block], shards: int) -> bool | None:
    """Turn the last block into the one above it, if both of its halves are there; return whether that is an addition.

    Return None if the last block cannot rise.
    """
    level, index = blocks[-1]
    adds = index % 2 == 1
    if adds:
        if len(blocks) < 2 or blocks[-2][0] != level:
            return None
        blocks.pop()
    elif index == 0 or (index + 1) << level < shards:
        return None
    blocks[-1] = (level + 1, index // 2)
    return adds
