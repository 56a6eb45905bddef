"""iceoryx2's own Python package: publish-subscribe of byte slices in shared memory, and an event to wake the receiver."""

from __future__ import annotations

import ctypes
import os
import time

import iceoryx2 as iox2
import numpy as np
from pairs import DEPTH, MARK, Pair, mark, run, wait_until

WAIT = iox2.Duration.from_millis(200)


class Peer(Pair):
    """A node with both services."""

    def __init__(self) -> None:
        super().__init__()
        iox2.set_log_level_from_env_or(iox2.LogLevel.Warn)
        config = iox2.config.default()
        config.global_cfg.root_path = iox2.Path.new(os.environ["ICEWAY_ROOT"])
        config.global_cfg.prefix = iox2.FileName.new("iceway_bench_")
        # The bench ends its children by itself, with signals if it must.
        builder = iox2.NodeBuilder.new().config(config).signal_handling_mode(iox2.SignalHandlingMode.Disabled)
        self.node = builder.create(iox2.ServiceType.Ipc)

    def open_services(self, topic: str) -> None:
        """The data and the event have the same name."""
        name = iox2.ServiceName.new(topic)
        data = self.node.service_builder(name).publish_subscribe(iox2.Slice[ctypes.c_uint8])
        self.data = data.subscriber_max_buffer_size(DEPTH).open_or_create()
        self.event = self.node.service_builder(name).event().open_or_create()

    def open_sender(self, topic: str) -> None:
        self.open_services(topic)
        # Grows with the messages, since sizes come in any order.
        self.publisher = self.data.publisher_builder().initial_max_slice_len(4096).allocation_strategy(iox2.AllocationStrategy.PowerOfTwo).create()
        self.notifier = self.event.notifier_builder().create()

    def await_receiver(self, timeout_s: float) -> None:
        wait_until("no listener", timeout_s, lambda: self.event.dynamic_config.number_of_listeners > 0)

    def publish(self, number: int, data: bytes) -> None:
        sample = self.publisher.loan_slice_uninit(MARK.size + len(data))
        view = sample.payload().as_memory_view().cast("B")
        view[MARK.size :] = data
        sample = sample.assume_init()
        view[: MARK.size] = mark(number)
        sample.send()
        self.notifier.notify()

    def open_receiver(self, topic: str) -> None:
        self.open_services(topic)
        subscriber = self.data.subscriber_builder().create()
        listener = self.event.listener_builder().create()

        def take() -> None:
            listener.timed_wait(WAIT)
            # The array does not keep the sample: it is valid while `sample` is.
            while (sample := subscriber.receive()) is not None:
                message = np.frombuffer(sample.payload().as_memory_view(), np.uint8)
                array = message[MARK.size :]
                now = time.monotonic_ns()
                assert array.dtype == np.uint8
                self.arrived(message, now)

        self.receive(take)


if __name__ == "__main__":
    run(Peer)
