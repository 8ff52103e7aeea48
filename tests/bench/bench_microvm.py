# SPDX-License-Identifier: Apache-2.0
"""Fargate, from run-task to RUNNING by the server's clock: a micro-VM cold (the first of its size boots), restored (from its size's saved state),
warm (one waits), and a sandbox; what a machine costs in memory beyond the task's own; machines a second. With `docker run` beside it
where a daemon is there. Says what the machines ran under: KVM or emulation."""
import os
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from bench_start import docker_run, quantiles, timed_run  # noqa: E402
from lab import Lab, busybox_image  # noqa: E402

ROUNDS = int(os.environ.get('BENCH_ROUNDS', '10'))
COMMON = ('--metadata-port', '-1', '--introspection-port', '-1')


def machines():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if open(f'/proc/{pid}/cmdline').read().startswith('/usr/bin/qemu-system'):
                found.append(int(pid))
        except OSError:
            continue
    return found


def pss(pid):
    """Megabytes of a process, what it shares counted in parts."""
    return sum(int(line.split()[1]) for line in open(f'/proc/{pid}/smaps_rollup') if line.startswith('Pss:')) / 1024


def start(mode, warm):
    os.environ['GANTRY_WARM'] = str(warm)
    lab = Lab('--fargate', mode, *COMMON)
    lab.start()
    lab.ecs.register_task_definition(family='far', networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory='512',
                                     containerDefinitions=[{'name': 'c', 'image': busybox_image(lab.dir), 'stopTimeout': 2,
                                                            'command': ['sh', '-c', 'trap exit TERM; while :; do sleep 1; done']}])
    subnet = next(s['SubnetId'] for s in lab.ec2.describe_subnets()['Subnets'] if s['AvailabilityZone'].endswith('a'))
    # The server's clock is read, so nothing is gained by asking often; a client that does takes a processor from the machines.
    lab.far = lambda count=1: timed_run(lab, 'far', count, 0.05, launchType='FARGATE',
                                        networkConfiguration={'awsvpcConfiguration': {'subnets': [subnet]}})[0]
    return lab


def main():
    lab = start('sandbox', 0)
    try:
        lab.far()
        sandbox = [lab.far() for _ in range(ROUNDS)]
        print(f'sandbox            : {quantiles(sandbox)} (goal 60 ms)')
    finally:
        lab.stop()
    lab = start('microvm', 0)
    try:
        cold = lab.far()
        under = 'KVM' if 'micro-VMs run under KVM' in open(os.path.join(lab.dir, 'log')).read() else 'emulation (TCG)'
        print(f'micro-VM, cold     : {cold:.0f} ms under {under} (goal: 3000 ms emulated, 300 ms with KVM)')
        restored = [lab.far() for _ in range(ROUNDS)]
        print(f'micro-VM, restored : {quantiles(restored)}')
        begin = time.time()
        ten = lab.far(10)
        print(f'ten at once        : {ten:.0f} ms to RUNNING, {10 / (time.time() - begin):.1f} machines a second made and ended')
    finally:
        lab.stop()
    lab = start('microvm', 2)
    try:
        lab.far()
        warm = []
        for _ in range(ROUNDS):
            time.sleep(2)  # refilled in the background
            warm.append(lab.far())
        print(f'micro-VM, warm     : {quantiles(warm)} (goal 150 ms)')
        time.sleep(2)
        costs = [pss(pid) for pid in machines()]
        print(f'a machine that waits: {statistics.mean(costs):.0f} MB, emulator and kernel included')
    finally:
        lab.stop()
    docker = [docker_run() for _ in range(ROUNDS)] if shutil.which('docker') else [None]
    if docker[0] is not None:
        print(f'docker run         : {quantiles(docker)}; warm micro-VM / docker {statistics.median(warm) / statistics.median(docker):.2f}')
    else:
        print('no Docker daemon here: no ratio to `docker run`')


if __name__ == '__main__':
    main()
