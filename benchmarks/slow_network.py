"""Two hosts on one machine: network namespaces, and between them a wire with a rate and a delay.

`slow_network.cpp` relays packets between a virtual network card (TUN) in each namespace, as netem would in kernels that have
it. Linux, as root, with iproute2 and a C++ compiler.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("fastnet-0", "fastnet-1")
ADDRESSES = ("10.231.0.1", "10.231.0.2")
CARD = "wire"
LARGEST = 9000  # bytes of a packet

SOURCE = Path(__file__).with_name("slow_network.cpp")


def command(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


@contextmanager
def hosts(bits_per_second: float, delay: float) -> Iterator[None]:
    """Make two hosts named `NAMES`, and remove them at the end; the delay is in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        relay = Path(folder, "relay")
        command(os.environ.get("CXX", "c++"), "-O2", "-std=c++20", "-o", relay, SOURCE)
        for name in NAMES:
            command("ip", "netns", "add", name)
        words = ["chrt", "--fifo", 1, relay, bits_per_second, delay, *NAMES]  # before programs that wait busily
        process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for name, address in zip(NAMES, ADDRESSES, strict=True):
                inside = ("ip", "netns", "exec", name, "ip")
                command(*inside, "address", "add", f"{address}/24", "dev", CARD)
                command(*inside, "link", "set", CARD, "mtu", LARGEST, "up")
                command(*inside, "link", "set", "lo", "up")
            yield
        finally:
            process.kill()
            process.wait()
            for name in NAMES:
                command("ip", "netns", "delete", name)
