# SPDX-License-Identifier: Apache-2.0
"""Fargate, from run-task to RUNNING by the server's clock: a micro-VM cold (the first of its size boots), restored (from its size's saved state),
warm (one waits), and a sandbox; what a machine costs in memory beyond the task's own, and in processor time while it waits; machines a second.
With `docker run` in the same rounds where there is a `dockerd`. Says what the machines ran under, KVM or emulation, and how much else the host had to do.
Two minutes with the default of ten rounds on a quiet machine of two cores."""
import glob
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from bench_start import quantiles, timed_run  # noqa: E402
from dockerd import Dockerd  # noqa: E402
from lab import Lab, busybox_image  # noqa: E402

ROUNDS = int(os.environ.get('BENCH_ROUNDS', '10'))
SIZES = (512, 1024, 2048)  # MiB, of a quarter of a vCPU
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


def used(pids):
    """Milliseconds of processor time that these machines have had."""
    total = 0
    for pid in pids:
        for path in glob.glob(f'/proc/{pid}/task/*/schedstat'):
            try:
                with open(path) as f:
                    total += int(f.read().split()[0])
            except OSError:
                continue
    return total / 1e6


def settle(count):
    """Waits until so many machines wait and have come to rest; milliseconds of processor time that one of them takes in a second then."""
    for _ in range(40):
        pids = machines()
        before = used(pids)
        time.sleep(1)
        spent = (used(pids) - before) / max(len(pids), 1)
        if len(pids) == count == len(machines()) and spent < 20:
            return spent
    raise SystemExit(f'{len(machines())} machines after 40 s, not {count} at rest: see the log of the agent')


def start(mode, warm):
    # Ten at once have a place as if the machine were larger.
    os.environ.update(GANTRY_WARM=str(warm), GANTRY_CPU='32768', GANTRY_MEMORY='32768')
    lab = Lab('--fargate', mode, *COMMON)
    lab.start()
    image = busybox_image(lab.dir)
    for memory in SIZES:
        lab.ecs.register_task_definition(family=f'far-{memory}', networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory=str(memory),
                                         containerDefinitions=[{'name': 'c', 'image': image, 'stopTimeout': 1, 'command': ['sleep', '600']}])
    subnet = next(s['SubnetId'] for s in lab.ec2.describe_subnets()['Subnets'] if s['AvailabilityZone'].endswith('a'))
    network = {'awsvpcConfiguration': {'subnets': [subnet]}}
    # The server's clock is read, so nothing is gained by asking often; a client that does takes a processor from the machines.
    lab.far = lambda count=1, memory=SIZES[0], **more: timed_run(lab, f'far-{memory}', count, 0.05, launchType='FARGATE',
                                                                 networkConfiguration=network, **more)[0]
    return lab


class Peer:
    """`docker run` of the same program, in turns with what it is beside: `add` after each of ours."""

    def __init__(self, dockerd):
        self.dockerd, self.times = dockerd, []
        if dockerd:
            dockerd.run()

    def add(self):
        if self.dockerd:
            self.times.append(self.dockerd.run())

    def show(self, ours):
        if self.times:
            print(f'  docker run       : {quantiles(self.times)}; ratio of medians {statistics.median(self.times) / statistics.median(ours):.2f}')


def turns(run, peer):
    """Milliseconds of `run` in each round, with one of the peer after each."""
    ours = []
    for _ in range(ROUNDS):
        ours.append(run())
        peer.add()
    return ours


def sandboxes(dockerd):
    lab, peer = start('sandbox', 0), Peer(dockerd)
    try:
        lab.far()
        times = turns(lab.far, peer)
        print(f'sandbox            : {quantiles(times)} (goal 60 ms)', flush=True)
        peer.show(times)
    finally:
        lab.stop()


def restored(dockerd):
    lab, peer = start('microvm', 0), Peer(dockerd)
    try:
        cold = [lab.far(memory=memory) for memory in SIZES]
        with open(os.path.join(lab.dir, 'log')) as log:
            under = 'KVM' if 'micro-VMs run under KVM' in log.read() else 'emulation (TCG)'
        print(f'under {under}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors')
        print(f'micro-VM, cold     : {quantiles(cold)} (goal 3000 ms emulated, 300 ms with KVM; {len(SIZES)} sizes)')
        times = turns(lab.far, peer)
        print(f'micro-VM, restored : {quantiles(times)}', flush=True)
        peer.show(times)
        begin = time.time()
        ten = lab.far(10)
        print(f'ten at once        : {ten:.0f} ms to RUNNING: {10000 / ten:.1f} machines a second made; ended after {time.time() - begin:.1f} s', flush=True)
    finally:
        lab.stop()


def warm(dockerd):
    lab, peer = start('microvm', 2), Peer(dockerd)
    try:
        lab.far()
        times, costs = [], []
        for _ in range(ROUNDS):
            idle = settle(2)
            waiting = machines()
            before = used(waiting)
            times.append(lab.far(running=lambda: costs.append(used(waiting) - before)))
            peer.add()
        print(f'micro-VM, warm     : {quantiles(times)} (goal 150 ms); of it {statistics.median(costs):.0f} ms of the machine\'s processor time')
        peer.show(times)
        settle(2)
        sizes = [pss(pid) for pid in machines()]
        print(f'a machine that waits: {statistics.mean(sizes):.0f} MB, emulator and kernel included; {idle / 10:.1f} % of a processor', flush=True)
    finally:
        lab.stop()


def main():
    dockerd = Dockerd.start()
    try:
        sandboxes(dockerd)
        restored(dockerd)
        warm(dockerd)
    finally:
        if dockerd:
            dockerd.stop()


if __name__ == '__main__':
    main()
