"""An AI process that a test drives: it has iceway and no ROS. Reads lines of JSON from stdin, runs the code in them, and answers on stdout."""

import json
import sys
import time
import traceback

import numpy as np

import iceway


class Peer:
    """What the test's side waits with."""

    @staticmethod
    def wait(condition, timeout=20.0):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True


def main():
    scope = {"iceway": iceway, "np": np, "time": time, "peer": Peer, "bus": iceway.connect(timeout=20)}
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "do" in command:
                exec(command["do"], scope)
                answer = {"value": None}
            else:
                answer = {"value": eval(command["get"], scope)}
            reply = json.dumps(answer)
        except Exception:
            reply = json.dumps({"error": traceback.format_exc()})
        print(reply, flush=True)


if __name__ == "__main__":
    main()
