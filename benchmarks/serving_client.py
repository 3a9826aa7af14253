"""Ask a server from several connections at once, in a process of its own, and print how long the answers took.

usage: python -m benchmarks.serving_client ADDRESS PORT CLIENTS SECONDS < REQUEST

REQUEST is the bytes of one HTTP request. Each connection sends it again as soon as its answer is complete. Nothing is done
with an answer but to find its end, so that the client does not limit what is measured.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress

WARM_UP = 0.3  # seconds before the latencies count


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, latencies: list[float], counting: list[bool]) -> None:
        self.request = request
        self.latencies = latencies
        self.counting = counting  # whether a latency counts, which one entry says for all clients
        self.answer = b""
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self.answers += 1
        if self.counting[0]:
            self.latencies.append(time.perf_counter() - self.sent)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(self.answer.decode())
        self.answer = b""
        self.send()


async def ask(host: str, port: int, clients: int, seconds: float, request: bytes) -> dict[str, float]:
    """Return the number of answers in a second, percentiles of their latencies in seconds, and the number of answers in all."""
    latencies: list[float] = []
    counting = [False]
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Client(request, latencies, counting), host, port))[1]
        for _ in range(clients)
    ]
    await asyncio.sleep(WARM_UP)
    counting[0], start = True, time.perf_counter()
    await asyncio.sleep(seconds)
    counting[0], duration = False, time.perf_counter() - start
    latencies.sort()
    return {
        "rate": len(latencies) / duration,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "answers": sum(connection.answers for connection in connections),
    }


if __name__ == "__main__":
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    address, port, clients, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(ask(address, int(port), int(clients), float(seconds), sys.stdin.buffer.read()))))
