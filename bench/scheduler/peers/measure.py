"""The same pieces of work as in measure.mjs, for peers in Python. Tasks note their calls in files, since they run in
processes of their own; times are of the wall clock, which they share."""

import json
import os
import statistics
import time

MARKS = os.environ["PEER_MARKS"]


def mark(name):
    """Notes a call: a line is one write, so that processes do not mix theirs."""
    with open(os.path.join(MARKS, str(os.getpid())), "a") as file:
        file.write(f"{time.time()} {name}\n")


def marks():
    found = []
    for entry in os.scandir(MARKS):
        with open(entry.path) as file:
            for line in file.read().splitlines():
                at, _, name = line.partition(" ")
                found.append((float(at), name))
    return sorted(found)


def forget():
    for entry in os.scandir(MARKS):
        os.truncate(entry.path, 0)


def wait_for(count, limit_s, name=None):
    """All marks once there are `count`, of that name if there is one."""
    deadline = time.time() + limit_s
    while time.time() < deadline:
        found = marks()
        if sum(name in (None, each) for _, each in found) >= count:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"error: {len(marks())} tasks after {limit_s} s, {count} of {name or 'all'} wanted")


def steps(found):
    """Milliseconds from the start of one to the start of the next."""
    times = [at for at, _ in found]
    return [(b - a) * 1000 for a, b in zip(times, times[1:])]


def fan_ms(found):
    """From the first task to the last one's start, milliseconds."""
    at = {name: time for time, name in found}
    return (at["last"] - at["first"]) * 1000


def per_second(found):
    """Between the first tenth and the last."""
    times = [at for at, _ in found]
    first, last = int(len(times) * 0.1), int(len(times) * 0.9)
    return (last - first) / (times[last] - times[first])


figures = {}


def report(chain=None, fans=None, rate=None, **more):
    """Prints what is known by now as one line; the last line counts, so a peer that is stopped early still has figures."""
    figures.update(more)
    if chain:
        figures["chain_step_ms_p50"] = round(statistics.median(chain), 2)
    if fans:
        figures["fanout_ms"] = round(statistics.median(fans))
    if rate:
        figures["tasks_per_s"] = round(rate, 1)
    print(json.dumps(figures), flush=True)
