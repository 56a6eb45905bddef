"""Time synchronisation, against results of ROS's message_filters.

data/sync_reference.json holds what message_filters.TimeSynchronizer (slop 0) and ApproximateTimeSynchronizer of
ROS 2 Jazzy gave for random inputs: `inputs` are (queue, stamp) in order of arrival, `outputs` the sets, as
(input that completed it, [input of each queue]).
"""

import json
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
