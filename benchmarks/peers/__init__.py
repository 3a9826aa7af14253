"""One module a peer, named NAME_peer.py, with a class `Library`: see base.py. Each runs in processes of its own."""

from pathlib import Path


def names() -> list[str]:
    """All peers, fastnet first."""
    found = sorted(path.stem.removesuffix("_peer") for path in Path(__file__).parent.glob("*_peer.py"))
    return sorted(found, key=lambda name: name != "fastnet")
