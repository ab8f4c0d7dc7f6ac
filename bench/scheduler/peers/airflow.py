"""Airflow with the LocalExecutor: API server, DAG processor and scheduler as its documentation starts them, on PostgreSQL.
It is slow enough that the shapes are smaller here; the names of the figures say so. This file is also its DAG file."""

import datetime
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import measure

CHAIN, WIDTH, TASKS = 15, 20, 40
HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ != "__main__":
    from airflow.sdk import DAG, task

    def noop(name):
        return task(measure.mark, task_id=name)(name.split("_")[0])

    with DAG("chain", schedule=None, start_date=datetime.datetime(2026, 1, 1)):
        before = None
        for i in range(CHAIN):
            step = noop(f"step_{i}")
            if before is not None:
                before >> step
            before = step
    with DAG("fan", schedule=None, start_date=datetime.datetime(2026, 1, 1)):
        noop("first") >> [noop(f"middle_{i}") for i in range(WIDTH)] >> noop("last")
    with DAG("flat", schedule=None, start_date=datetime.datetime(2026, 1, 1), max_active_tasks=TASKS):
        for i in range(TASKS):
            noop(f"flat_{i}")


def airflow(*args):
    return [sys.executable, "-m", "airflow", *args]


def run(*args):
    done = subprocess.run(airflow(*args), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"error: airflow {args[0]}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def timed(dag, *wanted):
    measure.forget()
    run("dags", "trigger", dag)
    return measure.wait_for(*wanted)


def answers(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/version").close()
        return True
    except OSError:
        return False


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] = f"http://127.0.0.1:{port}/execution/"
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = os.path.join(HERE, "dags")
    os.makedirs(os.path.join(HERE, "dags"), exist_ok=True)
    shutil.copy(__file__, os.path.join(HERE, "dags", "peer_dags.py"))
    run("db", "migrate")
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = [["api-server", "--host", "127.0.0.1", "--port", str(port)], ["dag-processor"], ["scheduler"]]
    serving = [subprocess.Popen(airflow(*part), **quiet) for part in parts]
    try:
        while not answers(port) or "flat" not in run("dags", "list", "-o", "plain"):
            if any(part.poll() is not None for part in serving):
                raise RuntimeError("error: a part of Airflow has ended")
            time.sleep(0.5)
        for dag in ("chain", "fan", "flat"):
            run("dags", "unpause", "-y", dag)
        measure.report(chain=measure.steps(timed("chain", CHAIN, 60)), chain_length=CHAIN)
        measure.report(rate=measure.per_second(timed("flat", TASKS, 60)), tasks=TASKS)
        measure.report(**{f"fanout_{WIDTH}_ms": round(measure.fan_ms(timed("fan", 1, 60, "last")))})
    finally:
        for part in serving:
            part.terminate()
        for part in serving:
            part.wait()


if __name__ == "__main__":
    main()
