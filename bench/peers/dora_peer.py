"""dora's Python package: a dataflow of two nodes that are started by hand, and its daemon, which the sender starts; all on the loopback."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from dora import Node
from pairs import DEPTH, MARK, Pair, run, wait_until

# Where `dora run` listens for such nodes; it has no option for that.
DAEMON = ("127.0.0.1", 53291)
START_S = 20.0
# Shared memory of the sender, in bytes: some of the largest messages. dora's own 8 MB are less than one of them.
POOL = 128 << 20
DATAFLOW = f"""nodes:
  - id: sender
    path: dynamic
    outputs:
      - message
  - id: receiver
    path: dynamic
    inputs:
      message:
        source: sender/message
        queue_size: {DEPTH}
"""


def daemon_listens() -> bool:
    """Whether some dora's daemon is there."""
    with socket.socket() as probe:
        return probe.connect_ex(DAEMON) == 0


def end_with_parent() -> None:
    """In a child: a SIGTERM when the parent ends, however it does."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def join(name: str) -> Node:
    """A node of the dataflow. The daemon listens before it knows the dataflow."""
    end = time.monotonic() + START_S
    while True:
        try:
            return Node(name)
        except RuntimeError as error:
            if f"no node with ID `{name}`" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


class Peer(Pair):
    """A node of the dataflow."""

    def __init__(self) -> None:
        super().__init__()
        # For the daemon and for the nodes: nobody is looked for on the network.
        os.environ["DORA_ZENOH_MULTICAST"] = "off"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.node: Any = None
        self.message = np.empty(0, np.uint8)
        self.array = pa.array(self.message)

    def open_sender(self, topic: str) -> None:
        if daemon_listens():
            raise RuntimeError(f"port {DAEMON[1]}, which dora's daemon needs, is taken: another dora runs on this machine")
        folder = Path(os.environ["ICEWAY_ROOT"]) / "dora"
        folder.mkdir()
        (folder / "dataflow.yml").write_text(DATAFLOW)
        command = [str(Path(sys.executable).with_name("dora")), "run", "dataflow.yml"]
        self.daemon = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)
        wait_until("dora's daemon does not listen", START_S, daemon_listens)

    def await_receiver(self, timeout_s: float) -> None:
        # Returns when all nodes of the dataflow are there.
        os.environ.setdefault("DORA_NODE_SHM_POOL_SIZE", str(POOL))
        self.node = join("sender")

    def publish(self, number: int, data: bytes) -> None:
        if len(self.message) != MARK.size + len(data):
            self.message = np.frombuffer(bytearray(MARK.size) + data, np.uint8)
            # A view of the message; what is sent is copied from there.
            self.array = pa.array(self.message)
        MARK.pack_into(self.message, 0, number, time.monotonic_ns())
        self.node.send_output("message", self.array)

    def open_receiver(self, topic: str) -> None:
        node = self.node = join("receiver")

        def take() -> None:
            event = node.next(timeout=0.2)
            if event is None or event["type"] != "INPUT":
                return
            message = event["value"].to_numpy()
            array = message[MARK.size :]
            now = time.monotonic_ns()
            assert array.dtype == np.uint8
            self.arrived(message, now)

        self.receive(take)

    def close(self) -> None:
        super().close()
        self.node = None
        if self.daemon is not None:
            self.daemon.terminate()
            try:
                self.daemon.wait(1.5)
            except subprocess.TimeoutExpired:
                self.daemon.kill()


if __name__ == "__main__":
    run(Peer)
