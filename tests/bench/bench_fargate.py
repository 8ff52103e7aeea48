# SPDX-License-Identifier: Apache-2.0
"""Servers on demand: from run-task to RUNNING on Fargate, what a server costs beyond its task, and how many a host makes per second.

A row for each kind of isolation, beside the same program on its own interface without one (EC2), `crun run` and, where there is a `dockerd`,
`docker run`, which gets an interface on a bridge: all in the same rounds. For machines: bench_microvm.py.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from bench_start import ROUNDS, quantiles, timed_run  # noqa: E402
from dockerd import Dockerd  # noqa: E402
from lab import Lab, busybox_image  # noqa: E402

MANY = 20
KINDS = {'sandbox': 60}  # goals in milliseconds, when warm


def available():
    """MiB of memory that the machine could give."""
    with open('/proc/meminfo') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('MemAvailable')) / 1024


def crun_run(directory):
    """Milliseconds of `crun run -d` for the same program; None where it is not there or does not work here."""
    if shutil.which('crun') is None:
        return None
    # Its books are the bench's own: under /run a container of this name may be left from one that was killed.
    bundle, books = os.path.join(directory, 'bundle'), os.path.join(directory, 'crun')
    root = os.path.join(bundle, 'rootfs')
    if not os.path.exists(root):
        os.makedirs(os.path.join(root, 'bin'))
        subprocess.run(['cp', '/bin/busybox', os.path.join(root, 'bin', 'sleep')], check=True)
        subprocess.run(['crun', 'spec', '-f', os.path.join(bundle, 'config.json')], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(bundle, 'config.json')) as f:
            config = json.load(f)
        config['process'].update(terminal=False, args=['/bin/sleep', '600'])
        with open(os.path.join(bundle, 'config.json'), 'w') as f:
            json.dump(config, f)
    begin = time.monotonic()
    # crun refuses machines with both versions of control groups: the second is taken away in a namespace of its own.
    words = ['unshare', '--mount', 'sh', '-c', 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$1" --cgroup-manager=disabled run -d -b "$0" bench', bundle, books]
    # Not into a pipe: the container would hold it open.
    with open(os.path.join(directory, 'crun.err'), 'w+') as said:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        elapsed = (time.monotonic() - begin) * 1000
        said.seek(0)
        crun_run.said = said.read().strip()
    subprocess.run(['crun', '--root', books, 'delete', '-f', 'bench'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return elapsed if done.returncode == 0 else None


crun_run.said = '(crun is not installed)'


def ratio(peers, ours):
    return f'; ratio of medians {statistics.median(peers) / statistics.median(ours):.2f}'


def times(lab, kind, network, dockerd):
    """One task at a time, in turns with the peers."""
    runs = {'EC2': [], 'FARGATE': []}
    crun, docker = [], []
    for launch in runs:
        timed_run(lab, 'far', launchType=launch, networkConfiguration=network)
    if dockerd:
        dockerd.run()
    for _ in range(ROUNDS):
        for launch, list_ in runs.items():
            list_.append(timed_run(lab, 'far', launchType=launch, networkConfiguration=network)[0])
        crun.append(crun_run(lab.dir))
        if dockerd:
            docker.append(dockerd.run())
    print(f"one task, {kind}   : {quantiles(runs['FARGATE'])} (goal {KINDS[kind]} ms)")
    print(f"one task, EC2 awsvpc: {quantiles(runs['EC2'])}{ratio(runs['EC2'], runs['FARGATE'])}")
    for name, peers in (('crun run', crun), ('docker run', docker)):
        if None in peers:
            print(f'{name:20}: not here {crun_run.said}')
        elif peers:
            print(f'{name:20}: {quantiles(peers)}{ratio(peers, runs["FARGATE"])}')


def many(lab, kind, network):
    """Ten calls at once: servers per second; and what they cost while they run."""
    before, begin = available(), time.time()
    arns = [t['taskArn'] for _ in range(MANY // 10) for t in lab.ecs.run_task(taskDefinition='far', count=10, launchType='FARGATE',
                                                                              networkConfiguration=network)['tasks']]
    while True:
        tasks = lab.ecs.describe_tasks(tasks=arns)['tasks']
        if all(t['lastStatus'] == 'RUNNING' for t in tasks):
            break
        assert not any(t['lastStatus'] == 'STOPPED' for t in tasks), tasks
        time.sleep(0.005)
    seconds = max(t['startedAt'].timestamp() for t in tasks) - min(t['createdAt'].timestamp() for t in tasks)
    time.sleep(1)
    print(f'{MANY} at once, {kind}: {len(arns) / seconds:.1f} servers a second on this host; {(before - available()) / len(arns):.1f} MiB each, '
          f'with a task that sleeps; after {time.time() - begin:.1f} s')
    for arn in arns:
        lab.ecs.stop_task(task=arn)


def measure(kind, dockerd):
    os.environ.update(GANTRY_CPU='32768', GANTRY_MEMORY='32768')  # as if the machine were larger
    lab = Lab('--fargate', kind, '--metadata-port', '-1', '--introspection-port', '-1', '--log-level', 'warn').start()
    try:
        subnet = next(s['SubnetId'] for s in lab.ec2.describe_subnets()['Subnets'] if s['AvailabilityZone'].endswith('a'))
        network = {'awsvpcConfiguration': {'subnets': [subnet]}}
        lab.ecs.register_task_definition(family='far', networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory='512',
                                         containerDefinitions=[{'name': 'c', 'image': busybox_image(lab.dir), 'stopTimeout': 2,
                                                                'command': ['sh', '-c', 'trap "exit 0" TERM; sleep 600 & wait']}])
        times(lab, kind, network, dockerd)
        many(lab, kind, network)
    finally:
        lab.stop()


def main():
    dockerd = Dockerd.start()
    try:
        for kind in KINDS:
            measure(kind, dockerd)
    finally:
        if dockerd:
            dockerd.stop()


if __name__ == '__main__':
    main()
