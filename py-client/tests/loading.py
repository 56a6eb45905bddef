"""A data set for torch's loaders, importable in their workers."""

import torch

import iceway
from definitions import schema


class Frames(torch.utils.data.IterableDataset):
    """Frames of a topic; every worker connects for itself."""

    def __init__(self, topic, count):
        self._topic, self._count = topic, count

    def __iter__(self):
        with iceway.connect() as bus:
            sub = bus.subscribe(self._topic, schema("sensor_msgs/Image"), depth=8)
            for _ in range(self._count):
                # Batches are made later: they need pixels of their own.
                yield torch.from_dlpack(iceway.image(sub.recv(30))).clone()
