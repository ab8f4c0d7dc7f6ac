"""Prefect: its own server on PostgreSQL; flows in this process, tasks in threads of the default task runner."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]
os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{PORT}/api"

from prefect import flow, task  # noqa: E402

import measure  # noqa: E402

CHAIN, ROUNDS, WIDTH, TASKS = 40, 3, 1000, 1000


@task
def noop(name):
    measure.mark(name)


@flow
def chain():
    for i in range(CHAIN):
        noop(str(i))


@flow
def fan():
    noop("first")
    middle = noop.map(["middle"] * WIDTH)
    noop("last", wait_for=middle)


@flow
def flat():
    noop.map(["flat"] * TASKS).wait()


def timed(work, count):
    measure.forget()
    work()
    return measure.wait_for(count, 1)


def server():
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(PORT), "--no-ui"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health").close()
            return started
        except OSError:
            if started.poll() is not None:
                raise RuntimeError("error: prefect server has ended")
            time.sleep(0.1)


def main():
    serving = server()
    try:
        steps = []
        for turn in range(ROUNDS + 1):
            found = timed(chain, CHAIN)
            steps += measure.steps(found) if turn > 0 else []
        measure.report(chain=steps)
        measure.report(fans=[measure.fan_ms(timed(fan, WIDTH + 2))])
        measure.report(rate=measure.per_second(timed(flat, TASKS)), tasks=TASKS)
    finally:
        serving.terminate()
        serving.wait()


if __name__ == "__main__":
    main()
