"""zenoh's Python package with shared memory: both sessions on one Unix socket, no scouting, the payload in a buffer of a shared-memory provider."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import zenoh
from pairs import MARK, Pair, mark, run, wait_until

ENDPOINT = f"unixsock-stream/{os.environ['ICEWAY_ROOT']}/zenoh.sock"
# Messages that fit into the provider at once: those on the way, and those that are not collected yet.
ROOM = 8
# Of the provider for each buffer, beside the buffer itself.
OVERHEAD = 4096


def session(**endpoints: list[str]) -> zenoh.Session:
    """A session that talks to the other end only."""
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("scouting/gossip/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "true")
    for kind in ("listen", "connect"):
        config.insert_json5(f"{kind}/endpoints", json.dumps(endpoints.get(kind, [])))
    return zenoh.open(config)


class Peer(Pair):
    """A session with a publisher or a subscriber."""

    def __init__(self) -> None:
        super().__init__()
        self.session: zenoh.Session | None = None
        self.provider: zenoh.shm.ShmProvider | None = None
        self.size = 0

    def open_sender(self, topic: str) -> None:
        self.session = session(listen=[ENDPOINT])
        # Express: sent at once rather than gathered into a batch.
        self.publisher = self.session.declare_publisher(topic.strip("/"), congestion_control=zenoh.CongestionControl.BLOCK, express=True)

    def await_receiver(self, timeout_s: float) -> None:
        wait_until("no subscriber", timeout_s, lambda: self.publisher.matching_status.matching)

    def publish(self, number: int, data: bytes) -> None:
        size = MARK.size + len(data)
        if self.provider is None or self.size != size:
            self.provider, self.size = zenoh.shm.ShmProvider.default_backend(ROOM * (size + OVERHEAD)), size
        message = self.provider.alloc(size, policy=zenoh.shm.BlockOn(zenoh.shm.GarbageCollect()))
        message[MARK.size :] = data
        message[: MARK.size] = mark(number)
        self.publisher.put(message)

    def open_receiver(self, topic: str) -> None:
        self.session = session(connect=[ENDPOINT])

        subscriber = self.session.declare_subscriber(topic.strip("/"))

        def take() -> None:
            try:
                sample = subscriber.recv()
            except zenoh.ZError:  # the session is closed
                self.stopping.set()
                return
            # The wheels have no buffer protocol (they are for Python 3.9 on): the bytes are copied into the process.
            message = np.frombuffer(sample.payload.to_bytes(), np.uint8)
            array = message[MARK.size :]
            now = time.monotonic_ns()
            assert array.dtype == np.uint8
            self.arrived(message, now)

        self.receive(take)

    def close(self) -> None:
        self.stopping.set()
        if self.session is not None:
            self.session.close()
        super().close()


if __name__ == "__main__":
    run(Peer)
