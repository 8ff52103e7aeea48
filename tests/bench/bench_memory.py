# SPDX-License-Identifier: Apache-2.0
"""Memory (RSS and PSS in MiB) of server, agent and `gantry up` at rest, of a container's conmon, and after tasks that came and went.

BENCH_TASKS (1000) tasks run `true` in the host's network, BENCH_BURST (50) at a time. Not a test: it never fails on a number.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from lab import Lab, busybox_image, memory, pids_called  # noqa: E402

TASKS = int(os.environ.get('BENCH_TASKS', '1000'))
BURST = int(os.environ.get('BENCH_BURST', '50'))
MAPPINGS = 8


def mappings(pid):
    """The largest mappings: (KiB of RSS, name), those of one file together."""
    sizes, name = {}, ''
    with open(f'/proc/{pid}/smaps') as f:
        for line in f:
            words = line.split()
            if words[0] == 'Rss:':
                sizes[name] = sizes.get(name, 0) + int(words[1])
            elif not words[0].endswith(':'):
                name = os.path.basename(words[5]) if len(words) > 5 else 'anonymous'
    return sorted(((size, name) for name, size in sizes.items()), reverse=True)


def show(lab, when):
    pids = {'server': lab.child_pid('server'), 'agent': lab.child_pid('agent'), 'up': lab.up.pid}
    print(f'{when:42}:', '  '.join(f'{verb} {memory(pid)[0]:5.1f} (PSS {memory(pid)[1]:4.1f})' for verb, pid in pids.items()), flush=True)
    return pids


def wait(lab, arns, status):
    while not all(t['lastStatus'] == status for t in lab.ecs.describe_tasks(tasks=arns)['tasks']):
        time.sleep(0.02)


def come_and_go(lab):
    for _ in range(TASKS // BURST):
        arns = [t['taskArn'] for _ in range(BURST // 10) for t in lab.ecs.run_task(taskDefinition='short', count=10)['tasks']]
        wait(lab, arns, 'STOPPED')


def main():
    lab = Lab('--log-level', 'warn')
    lab.start()
    try:
        time.sleep(5)
        for verb, pid in show(lab, 'at rest').items():
            print(f'  {verb}:', ', '.join(f'{name} {size} KiB' for size, name in mappings(pid)[:MAPPINGS]))
        image = busybox_image(lab.dir)
        for family, command in (('short', ['true']), ('long', ['sleep', '600'])):
            lab.ecs.register_task_definition(family=family, networkMode='host', containerDefinitions=[
                {'name': 'c', 'image': image, 'memory': 16, 'command': command}])
        arns = [t['taskArn'] for _ in range(2) for t in lab.ecs.run_task(taskDefinition='long', count=10)['tasks']]
        wait(lab, arns, 'RUNNING')
        sizes = [memory(pid) for pid in pids_called('conmon')]
        print(f'conmon, mean of {len(sizes)}: {sum(s[0] for s in sizes) / len(sizes):.1f} (PSS {sum(s[1] for s in sizes) / len(sizes):.2f})')
        for arn in arns:
            lab.ecs.stop_task(task=arn)
        wait(lab, arns, 'STOPPED')
        for turn in range(2):
            begin = time.time()
            come_and_go(lab)
            show(lab, f'{TASKS} tasks came and went in {time.time() - begin:.0f} s')
        time.sleep(65)  # an agent gives back once a minute
        show(lab, 'a minute later')
    finally:
        lab.stop()


if __name__ == '__main__':
    main()
