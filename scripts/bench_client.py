"""A plain HTTP/1.1 load client for scripts/bench.py, where wrk is missing or bodies are huge.

Reads an order (endpoint, connections, seconds, requests) as JSON from standard input; writes
`{"per_second": …, "p99_ms": …, "errors": …}`. With `--once` each request is sent once.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any

PIECE = 1024 * 1024
ZEROS = bytes(PIECE)


class Client:
    """Sends the order's requests in turn over its own connection."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.host, _, port = order["endpoint"].removeprefix("http://").partition(":")
        self.port = int(port)
        self.requests = [self._encoded(*request) for request in order["requests"]]
        self.latencies: list[float] = []
        self.errors = 0

    def _encoded(
        self, method: str, path: str, headers: dict[str, str], body: str, body_bytes: int
    ) -> tuple[bytes, int]:
        length = body_bytes or len(body)
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET" and "content-length" not in {name.lower() for name in headers}:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode() + body.encode(), body_bytes

    async def run(self, deadline: float, *, once: bool) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=PIECE)
        for head, zeros in self.requests if once else itertools.cycle(self.requests):
            if not once and time.perf_counter() > deadline:
                break
            began = time.perf_counter()
            writer.write(head)
            while zeros:
                piece = min(zeros, PIECE)
                writer.write(ZEROS[:piece])
                await writer.drain()
                zeros -= piece
            if not await self._answer(reader):
                self.errors += 1
            self.latencies.append(time.perf_counter() - began)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while length:
            length -= len(await reader.read(min(length, PIECE)))
        return head.split(b" ", 2)[1].startswith(b"2")


async def drive(order: dict[str, Any], *, once: bool) -> dict[str, float]:
    clients = [Client(order) for _ in range(order["connections"])]
    began = time.perf_counter()
    deadline = began + order["seconds"]
    await asyncio.gather(*(client.run(deadline, once=once) for client in clients))
    seconds = time.perf_counter() - began
    latencies = sorted(itertools.chain.from_iterable(client.latencies for client in clients))
    return {
        "per_second": len(latencies) / seconds,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "errors": sum(client.errors for client in clients),
    }


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(asyncio.run(drive(json.load(sys.stdin), once="--once" in sys.argv)))
    )
