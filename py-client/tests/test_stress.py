"""Lifetimes under stress: threads, garbage collection, closing, a broker that is killed and comes back.

ICEWAY_STRESS_S says how long; a few seconds by default.
"""

import gc
import os
import random
import threading
import time

import numpy as np
import pytest

import iceway
from definitions import schema

IMAGE = schema("sensor_msgs/Image")
SECONDS = float(os.environ.get("ICEWAY_STRESS_S", "6"))


def check(msg, array):
    """A message's bytes are all equal, and equal to its height: torn or reused memory shows at once."""
    height = msg.height
    assert (array == height % 256).all(), "memory changed under a live array"
    assert iceway.info(msg).seq >= 0
    assert msg.header.frame_id == f"frame {height}"


@pytest.mark.broker
@pytest.mark.stress
def test_lifetimes(world):
    stop = threading.Event()
    errors: list[BaseException] = []
    received = [0]
    published = [0]

    def guarded(function):
        def run():
            rng = random.Random(threading.get_ident())
            while not stop.is_set():
                try:
                    function(rng)
                except (iceway.Timeout, iceway.BrokerGone, iceway.NoBroker, iceway.Backpressure, iceway.BorrowLimit):
                    pass
                except (iceway.Closed, iceway.Error) as error:
                    # A broker that is killed at any moment may interrupt a call; what must not happen is another error.
                    if not isinstance(error, iceway.Closed) and "broker" not in str(error).lower():
                        errors.append(error)
                        stop.set()
                except BaseException as error:
                    errors.append(error)
                    stop.set()

        return threading.Thread(target=run)

    def publish(rng):
        with iceway.connect(timeout=1) as bus:
            pub = bus.advertise("/s", IMAGE, timeout=1)
            for _ in range(rng.randrange(20, 200)):
                if stop.is_set():
                    return
                published[0] += 1
                number = published[0]
                size = rng.choice([1, 100, 5000, 300_000])
                header = {"frame_id": f"frame {number}"}
                if rng.random() < 0.3:
                    with pub.loan(height=number, header=header, data=size) as msg:
                        msg.data[:] = number % 256
                else:
                    pub.publish(height=number, header=header, data=np.full(size, number % 256, np.uint8), timeout=0.2)
                time.sleep(0.0005)

    def receive(rng):
        bus = iceway.connect(timeout=1)
        subs = [bus.subscribe("/s", IMAGE, depth=depth, timeout=1) for depth in (1, 8)]
        held, sub = [], None
        for _ in range(rng.randrange(20, 200)):
            if stop.is_set():
                break
            sub = rng.choice(subs)
            choice = rng.random()
            if choice < 0.6:
                msg = sub.recv(0.2)
            elif choice < 0.8:
                msg = sub.try_recv()
            else:
                msg = sub.latest()
            if msg is None:
                continue
            received[0] += 1
            array = msg.data
            check(msg, array)
            if choice < 0.1:  # one that nobody else has
                part = array[::2]
                iceway.release(msg)
                assert len(set(part.tolist())) <= 1
                continue
            if rng.random() < 0.1:
                check(copied := iceway.copy(msg), copied.data)
            cycle = [msg, array, sub]
            cycle.append(cycle)
            held.append(cycle)
            for kept in rng.sample(held, min(3, len(held))):
                check(kept[0], kept[1])
            if len(held) > 40:
                del held[: rng.randrange(1, 40)]
        if rng.random() < 0.5:
            bus.close()
        else:
            rng.choice(subs).close()
        sub = subs = None
        for kept in held:
            check(kept[0], kept[1])

    def collect(rng):
        gc.collect()
        time.sleep(0.02)

    threads = [guarded(publish) for _ in range(2)] + [guarded(receive) for _ in range(3)] + [guarded(collect)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    rng = random.Random(5)
    kills = 0
    while time.monotonic() < end and not stop.is_set():
        if stop.wait(min(rng.uniform(1, 3), max(end - time.monotonic(), 0))):
            break
        world.kill_broker()
        kills += 1
        stop.wait(rng.uniform(0, 0.5))
        world.start_broker()
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not errors, errors
    assert received[0] > 10
    assert kills >= 1
    print(f"{published[0]} published, {received[0]} received, {kills} brokers killed in {SECONDS} s")
