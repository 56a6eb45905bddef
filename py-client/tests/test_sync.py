"""Time synchronisation, against results of ROS's message_filters.

data/sync_reference.json holds what message_filters.TimeSynchronizer (slop 0) and ApproximateTimeSynchronizer of
ROS 2 Jazzy gave for random inputs: `inputs` are (queue, stamp) in order of arrival, `outputs` the sets, as
(input that completed it, [input of each queue]).
"""

import itertools
import json
import random
from pathlib import Path

import pytest

import iceway
from definitions import make

CASES = json.loads((Path(__file__).parent / "data" / "sync_reference.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_same_results_as_message_filters(case):
    matcher = iceway.Synchronizer(case["count"], case["slop"], case["queue_size"])
    got = []
    for index, (queue, stamp) in enumerate(case["inputs"]):
        got += [[index, list(found)] for found in matcher.add(queue, stamp, index)]
    assert got == case["outputs"]


def approximate(count, slop_ns, queue_size, arrivals):
    """message_filters.ApproximateTimeSynchronizer as its documentation tells, by search over all combinations.

    A message is matched with one of every other queue, each at most the slop away from it; all are less than the slop
    apart. Of several combinations the nearest messages are taken, those of the first queues having precedence.
    """
    queues = [{} for _ in range(count)]
    outputs = []
    for arrival, (index, stamp) in enumerate(arrivals):
        queues[index][stamp] = arrival
        if len(queues[index]) > queue_size:
            del queues[index][min(queues[index])]
        candidates = []
        for number, queue in enumerate(queues):
            near = [(abs(s - stamp), age, s) for age, s in enumerate(queue) if abs(s - stamp) <= slop_ns]
            candidates.append([(0, 0, stamp)] if number == index else near)
        sets = [
            found
            for found in itertools.product(*candidates)
            if max(s for _, _, s in found) - min(s for _, _, s in found) < slop_ns
            and all(s in queue for (_, _, s), queue in zip(found, queues, strict=True))
        ]
        if sets:
            stamps = [s for _, _, s in min(sets, key=lambda found: [(delta, age) for delta, age, _ in found])]
            outputs.append([arrival, [queue.pop(s) for queue, s in zip(queues, stamps, strict=True)]])
    return outputs


@pytest.mark.parametrize("seed", range(30))
def test_random_input_as_documented(seed):
    rng = random.Random(seed)
    count, queue_size = rng.randrange(2, 5), rng.randrange(1, 8)
    slop = rng.choice([0.001, 0.01, 0.05])
    arrivals = []
    for number in range(150):
        at = number * 10_000_000 + rng.randrange(-20_000_000, 20_000_000)
        arrivals.append((rng.randrange(count), 1_000_000_000 + at // 1_000_000 * 1_000_000))
    matcher = iceway.Synchronizer(count, slop, queue_size)
    got = []
    for arrival, (index, stamp) in enumerate(arrivals):
        got += [[arrival, list(found)] for found in matcher.add(index, stamp, arrival)]
    assert got == approximate(count, int(slop * 1_000_000_000), queue_size, arrivals)


def test_the_reference_is_worth_something():
    assert sum(len(case["outputs"]) for case in CASES) > 400
    assert {case["slop"] for case in CASES} > {0, 0.02}


def test_queues_are_bounded_and_drops_counted():
    matcher = iceway.Synchronizer(2, 0.01, queue_size=3)
    for index in range(10):
        matcher.add(0, index * 1_000_000_000, index)
    assert matcher.dropped == 7
    assert matcher.add(1, 9_000_000_000, "b") == [(9, "b")]


@pytest.mark.parametrize("options", [{"count": 0}, {"slop": -1}, {"slop": float("nan")}, {"queue_size": 0}])
def test_options_that_make_no_sense(options):
    with pytest.raises(iceway.InvalidOption):
        iceway.Synchronizer(**{"count": 2, **options})
    if "count" not in options:
        with pytest.raises(iceway.InvalidOption):
            iceway.sync([object(), object()], **options)
    else:
        with pytest.raises(iceway.InvalidOption):
            iceway.sync([])


def test_stamps_come_from_headers():
    from iceway._sync import stamp_ns

    assert stamp_ns(make("sensor_msgs/Image", header={"stamp": {"sec": 3, "nanosec": 5}})) == 3_000_000_005
    with pytest.raises(iceway.FieldTypeError, match="stamp="):
        stamp_ns(make("std_msgs/String"))
