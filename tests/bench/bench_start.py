# SPDX-License-Identifier: Apache-2.0
"""From run-task to RUNNING through the API with real containers: one at a time, ten at once, and memory with 100 containers.

Runs `docker run` of the same program on the same kind of network in the same rounds where there is a `dockerd`, and prints the ratio.
"""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from bench_server import rss  # noqa: E402
from dockerd import Dockerd  # noqa: E402
from lab import Lab, busybox_image  # noqa: E402

ROUNDS = int(os.environ.get('BENCH_ROUNDS', '20'))
PATIENCE = 90  # seconds until a start counts as never coming


def timed_run(lab, definition, count=1, every=0.001, running=lambda: None, **more):
    """Milliseconds from the call to RUNNING as the server stamps it and as the client sees it, who asks `every` so many seconds; calls
    `running`, and ends the tasks."""
    begin = time.time()
    answer = lab.ecs.run_task(taskDefinition=definition, count=count, **more)
    assert not answer['failures'], answer['failures']
    arns = [t['taskArn'] for t in answer['tasks']]
    while True:
        tasks = lab.ecs.describe_tasks(tasks=arns)['tasks']
        if all(t['lastStatus'] == 'RUNNING' for t in tasks):
            break
        assert not any(t['lastStatus'] == 'STOPPED' for t in tasks), tasks
        assert time.time() < begin + PATIENCE, f"after {PATIENCE} s: {[t['lastStatus'] for t in tasks]}"
        time.sleep(every)
    seen = time.time()
    running()
    stamped = max(t['startedAt'].timestamp() for t in tasks)
    created = min(t['createdAt'].timestamp() for t in tasks)
    for arn in arns:
        lab.ecs.stop_task(task=arn)
    while any(t['lastStatus'] != 'STOPPED' for t in lab.ecs.describe_tasks(tasks=arns)['tasks']):
        time.sleep(0.01)
    return (stamped - created) * 1000, (seen - begin) * 1000


def quantiles(values):
    values = sorted(values)
    return f'p50 {statistics.median(values):6.1f} ms   p99 {values[min(len(values) - 1, int(len(values) * 0.99))]:6.1f} ms'


def main():
    lab = Lab('--metadata-port', '-1', '--introspection-port', '-1', '--log-level', 'warn')
    lab.start()
    docker = Dockerd.start()
    try:
        image = busybox_image(lab.dir)
        server, agent = lab.child_pid('server'), lab.child_pid('agent')
        print(f'memory at rest: server {rss(server):.1f} MB, agent {rss(agent):.1f} MB')
        for mode in ('host', 'bridge'):
            lab.ecs.register_task_definition(family=mode, networkMode=mode, containerDefinitions=[
                {'name': 'c', 'image': image, 'memory': 16, 'stopTimeout': 2, 'command': ['sleep', '600']}])
            timed_run(lab, mode)
            if docker:
                docker.run(mode)
            rounds, peers = [], []
            for _ in range(ROUNDS):
                rounds.append(timed_run(lab, mode))
                if docker:
                    peers.append(docker.run(mode))
            print(f'one task, {mode:6}: {quantiles([r[0] for r in rounds])} (created to RUNNING, server\'s clock); {quantiles([r[1] for r in rounds])} seen by boto3')
            if peers:
                print(f'docker run        : {quantiles(peers)}; ratio of medians {statistics.median(peers) / statistics.median([r[1] for r in rounds]):.1f}')
            ten = [timed_run(lab, mode, 10) for _ in range(5)]
            print(f'ten at once, {mode:6}: {quantiles([r[0] for r in ten])}')
        arns = [t['taskArn'] for _ in range(10) for t in lab.ecs.run_task(taskDefinition='host', count=10)['tasks']]
        begin = time.time()
        while not all(t['lastStatus'] == 'RUNNING' for t in lab.ecs.describe_tasks(tasks=arns)['tasks']):
            time.sleep(0.02)
        print(f'100 containers RUNNING after {time.time() - begin:.2f} s; memory: server {rss(server):.1f} MB, agent {rss(agent):.1f} MB')
        for arn in arns:
            lab.ecs.stop_task(task=arn)
    finally:
        lab.stop()
        if docker:
            docker.stop()


if __name__ == '__main__':
    main()
