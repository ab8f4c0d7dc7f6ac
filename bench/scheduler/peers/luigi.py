"""Luigi: its central scheduler in a process of its own; each task's target is a file, as usual. One worker runs tasks in
its own process and is the faster; two fork for each task, and are measured for the rate beside it."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import time

import luigi

import measure

CHAIN, ROUNDS, WIDTH, TASKS, FORKED_TASKS = 40, 3, 1000, 1000, 200
TARGETS = os.path.join(os.getcwd(), "targets")


class Noop(luigi.Task):
    name = luigi.Parameter()
    after = luigi.ListParameter(default=[])

    def output(self):
        return luigi.LocalTarget(os.path.join(TARGETS, self.name))

    def run(self):
        measure.mark(self.name.split("-")[-1])
        with self.output().open("w") as file:
            file.write("")


class Step(Noop):
    at = luigi.IntParameter()

    def requires(self):
        return [Step(name=f"{self.after[0]}-{self.at - 1}", after=self.after, at=self.at - 1)] if self.at > 0 else []


class Wide(Noop):
    turn = luigi.IntParameter()

    def requires(self):
        return [Noop(name=f"fan{self.turn}-first")]


class Last(Noop):
    turn = luigi.IntParameter()

    def requires(self):
        return [Wide(name=f"fan{self.turn}-{i}", turn=self.turn) for i in range(WIDTH)]


class All(luigi.WrapperTask):
    count = luigi.IntParameter()

    def requires(self):
        return [Noop(name=f"flat{self.count}-{i}") for i in range(self.count)]


def build(task, workers, port):
    shutil.rmtree(TARGETS, ignore_errors=True)
    os.makedirs(TARGETS)
    measure.forget()
    options = dict(workers=workers, local_scheduler=False, scheduler_host="127.0.0.1", scheduler_port=port)
    if not luigi.build([task], log_level="ERROR", **options):
        raise RuntimeError("error: the build failed")
    return measure.marks()


def main():
    logging.disable(logging.WARNING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.path.join(os.path.dirname(sys.executable), "luigid"), "--address", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            time.sleep(0.05)
        chain = []
        for turn in range(ROUNDS + 1):
            found = build(Step(name=f"chain{turn}-{CHAIN - 1}", after=[f"chain{turn}"], at=CHAIN - 1), 1, port)
            chain += measure.steps(found) if turn > 0 else []
        measure.report(chain=chain)
        measure.report(rate=measure.per_second(build(All(count=TASKS), 1, port)), tasks=TASKS)
        fans = []
        for turn in range(ROUNDS):
            fans.append(measure.fan_ms(build(Last(name=f"fan{turn}-last", turn=turn), 1, port)))
            measure.report(fans=fans)
        forked = measure.per_second(build(All(count=FORKED_TASKS), 2, port))
        measure.report(tasks_per_s_two_workers=round(forked, 1))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
