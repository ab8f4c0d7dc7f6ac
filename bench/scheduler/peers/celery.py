"""Celery on RabbitMQ: quorum queues, publisher confirms, late acknowledgement; two workers of one process each. Only the
fan-in needs results: they are in Redis, which writes each before it answers."""

import os
import subprocess
import sys
import threading
import time

from celery import Celery, chain, group
from kombu import Queue

import measure

CHAIN, ROUNDS, WIDTH, TASKS, SENDERS = 40, 5, 1000, 10_000, 4

app = Celery("peer", broker=os.environ["PEER_URL"], backend=os.environ["PEER_REDIS_URL"])
quorum = {"x-queue-type": "quorum"}
app.conf.update(
    task_queues=[Queue(name, routing_key=name, queue_arguments=quorum) for name in ("work", "bulk")],
    task_default_queue="work",
    task_default_routing_key="work",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=250,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(ignore_result=True)
def noop(name):
    measure.mark(name)


@app.task
def kept(name):
    measure.mark(name)


def worker(name):
    command = [sys.executable, "-m", "celery", "-A", "peer", "worker", "-P", "solo", "-Q", "work", "-n", f"{name}@peer"]
    return subprocess.Popen(command + ["-l", "ERROR", "--without-gossip", "--without-mingle"], stdout=sys.stderr)


def chains():
    steps = []
    for turn in range(ROUNDS + 1):
        measure.forget()
        chain(*(noop.si(str(i)) for i in range(CHAIN))).apply_async()
        steps += measure.steps(measure.wait_for(CHAIN, 60)) if turn > 0 else []
    return steps


def fan():
    measure.forget()
    (kept.si("first") | group(kept.si("middle") for _ in range(WIDTH)) | kept.si("last")).apply_async()
    return measure.fan_ms(measure.wait_for(1, 60, "last"))


def send(count):
    with app.producer_or_acquire() as producer:
        for _ in range(count):
            noop.apply_async(("flat",), queue="bulk", producer=producer)


def flat():
    """Sent first, then drained: the rate of the workers, whatever the sender can do."""
    measure.forget()
    senders = [threading.Thread(target=send, args=(TASKS // SENDERS,)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    app.control.add_consumer("bulk", exchange="bulk", routing_key="bulk", reply=True, timeout=5)
    return measure.per_second(measure.wait_for(TASKS, 90))


def main():
    workers = [worker("a"), worker("b")]
    try:
        deadline = time.time() + 30
        while len(app.control.ping(timeout=0.5)) < len(workers) and time.time() < deadline:
            pass
        measure.report(chain=chains())
        measure.report(fans=[fan() for _ in range(3)])
        measure.report(rate=flat())
    finally:
        for each in workers:
            each.terminate()
        for each in workers:
            each.wait()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        print(f"error: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    # Without the last words of results that nobody asked for.
    os._exit(0)
