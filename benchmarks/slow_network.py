"""Two hosts on one machine: network namespaces, and between them a wire with a rate and a delay.

A process relays packets between a virtual network card (TUN) in each namespace. It does what netem does in kernels that have
it. Packets are large, so that the relay takes little of the processors' time. Linux, as root.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("fastnet-0", "fastnet-1")
ADDRESSES = ("10.231.0.1", "10.231.0.2")
CARD = "wire"
LARGEST = 65000  # bytes of a packet

_TUNSETIFF, _TUN, _NO_HEADERS = 0x400454CA, 0x0001, 0x1000


def command(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


@contextmanager
def hosts(bits_per_second: float, delay: float) -> Iterator[None]:
    """Make two hosts named `NAMES`, and remove them at the end."""
    for name in NAMES:
        command("ip", "netns", "add", name)
    words = ["chrt", "--fifo", 1, sys.executable, __file__, bits_per_second, delay]  # before programs that wait busily
    relay = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
    try:
        assert relay.stdout is not None
        relay.stdout.readline()
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            inside = ("ip", "netns", "exec", name, "ip")
            command(*inside, "address", "add", f"{address}/24", "dev", CARD)
            command(*inside, "link", "set", CARD, "mtu", LARGEST, "up")
            command(*inside, "link", "set", "lo", "up")
        yield
    finally:
        relay.kill()
        relay.wait()
        for name in NAMES:
            command("ip", "netns", "delete", name)


def card_in(name: str) -> int:
    """Make the network card of a host, and return the file whose reads and writes are its packets."""
    with open(f"/run/netns/{name}", "rb") as namespace:  # noqa: PTH123
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", CARD.encode(), _TUN | _NO_HEADERS))
    return file


def relay(bits_per_second: float, delay: float) -> None:
    """Relay packets between the hosts until the process is killed."""
    files = [card_in(name) for name in NAMES]
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: timers that are exact to a nanosecond, not to 50 us
    print("ready", flush=True)
    free = dict.fromkeys(files, 0.0)  # when the wire from a card is free
    flying: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        wait = max(0.0, flying[0][0] - time.perf_counter()) if flying else None
        for file in select.select(files, [], [], wait)[0]:
            packet = os.read(file, LARGEST)
            free[file] = max(free[file], time.perf_counter()) + 8 * len(packet) / bits_per_second
            number += 1
            heapq.heappush(flying, (free[file] + delay, number, files[file == files[0]], packet))
        while flying and flying[0][0] <= time.perf_counter():
            _, _, file, packet = heapq.heappop(flying)
            with contextlib.suppress(OSError):  # a card that is not up loses its packets
                os.write(file, packet)


if __name__ == "__main__":
    relay(float(sys.argv[1]), float(sys.argv[2]))
