# SPDX-License-Identifier: Apache-2.0
"""Two Fargate hosts with a micro-VM for each task: a host and an agent that are lost, and what tasks that come and go at random leave. Minutes: make soak-microvm."""
import collections
import glob
import os
import random
import re
import time
import unittest

from hosts import HostsTest
from lab import wait_for
from microvm import MINUTES, MISSING, machines

MACHINES = int(os.environ.get('GANTRY_MACHINES', '20'))


def open_files(pid):
    """How many of each kind a process has open: sockets, pidfds, files by their names. Not its connections to the server, of which the HTTP
    client keeps as many as it needed at once."""
    found = collections.Counter()
    with open(f'/proc/{pid}/net/tcp') as table:
        connections = {f'socket:[{line.split()[9]}]' for line in table}
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            target = os.readlink(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        if target not in connections:
            found['open ' + os.path.basename(re.sub(r':\[\d+\]', '', target))] += 1
    return found


@MINUTES
@unittest.skipIf(MISSING, MISSING)
class MicroVmHosts(HostsTest):
    isolation = 'microvm'
    host_options = ('--warm', '1')
    patience = 60  # the first machine of each host boots, both at once

    def directories(self, node):
        """Of machines on the host, by whether a task has them."""
        found = {True: set(), False: set()}
        for path in glob.glob(f'/proc/{node.init}/root/run/gantry/*/vm/*'):
            try:
                with open(os.path.join(path, 'machine.json')) as f:
                    found[len(f.read().split('"id":"')[1].split('"')[0]) == 32].add(path)
            except OSError:
                found[False].add(path)
        return found

    def kept(self, node):
        return {**super().kept(node), 'machines': sum(map(len, self.directories(node).values())), **open_files(node.agent.pid)}

    def settle(self):
        wait_for(lambda: not self.ecs.list_tasks()['taskArns'] and not any(self.directories(n)[True] for n in self.fleet.nodes), 90, 'all tasks to be gone')

    def test_a_host_is_lost(self):
        """With its agent and its machines: the tasks run on the other one, and it has nothing of them when it is back."""
        before = self.service('web', 2, launchType='FARGATE')
        self.assertEqual(['a', 'b'], self.zones('web'))
        self.assertIn('microvm', self.capacity())
        lost = self.fleet.nodes[0]
        began = time.monotonic()
        lost.kill()
        wait_for(lambda: self.zones('web') == ['b', 'b'], 60, 'both to run on the other host')
        print(f'moved after {time.monotonic() - began:.1f} s', flush=True)
        gone = before - set(self.running('web'))
        self.assertEqual({'The Fargate host of the task was lost: it has not been heard of'}, {self.fleet.task(arn)['stoppedReason'] for arn in gone})
        lost.boot()
        lost.start_agent().joined()
        for arn in gone:
            self.fleet.wait_status(arn, 'STOPPED')
        wait_for(lambda: not self.directories(lost)[True], 20, 'nothing to be left on the host that was lost')

    def test_an_agent_is_killed(self):
        """At the moment when the tasks run, and may not be on the disk as such."""
        before = self.service('kept', 2, launchType='FARGATE')
        node = self.fleet.nodes[0]
        there = self.directories(node)[True]
        self.assertEqual(1, len(there))
        running = machines()
        node.kill_agent()
        time.sleep(1)
        self.assertEqual(running, machines() & running)
        node.start_agent().joined()
        wait_for(lambda: self.directories(node)[True] == there, 20, 'the machine to be found again')
        time.sleep(2)
        self.assertEqual(before, set(self.running('kept')))

    def start_and_stop(self, dice, n, most=4):
        """Three of four run before they may be stopped; the others are told to wherever they are. How many have run."""
        live, arns = [], []
        for _ in range(n):
            arns.append(self.one(dice.choice(('polite', 'polite', 'short', 'deaf'))))
            live.append(arns[-1])
            if dice.random() < 0.75:
                wait_for(lambda: 'startedAt' in self.fleet.task(arns[-1]), self.patience, 'the machine to run its task')
            while len(live) > most or live and dice.random() < 0.3:
                self.ecs.stop_task(task=live.pop(dice.randrange(len(live))))
        for arn in live:
            self.ecs.stop_task(task=arn)
        self.settle()
        return sum('startedAt' in self.fleet.task(arn) for arn in arns)

    def test_nothing_is_left(self):
        self.define('polite', ['sh', '-c', 'trap "exit 0" TERM; echo x > /file; while :; do sleep 1 & wait $!; done'], stopTimeout=3)
        self.define('short', ['sh', '-c', 'dd if=/dev/zero of=/x bs=1M count=3 2>/dev/null; sleep 0.2'])
        self.define('deaf', ['sh', '-c', 'trap "" TERM; setsid sleep 1000 & while :; do sleep 1; done'], stopTimeout=2)
        dice = random.Random(int(os.environ.get('GANTRY_SEED', '7')))
        self.start_and_stop(dice, MACHINES)  # what is made once and stays: templates, the pool, threads and their memory, routers
        memory = [self.memory(node) for node in self.fleet.nodes]
        before = wait_for(self.still, 60, 'hosts at rest')
        print(f"at rest: {before}", flush=True)
        ran = 0
        for done in range(0, MACHINES, 5):
            ran += self.start_and_stop(dice, min(5, MACHINES - done))
            print(f'{min(done + 5, MACHINES)} of {MACHINES} machines came and went, {ran} have run; agents: {[round(self.memory(n), 1) for n in self.fleet.nodes]} MiB', flush=True)
        self.assertGreater(ran, MACHINES // 2)
        wait_for(lambda: not self.fleet.ec2.describe_network_interfaces()['NetworkInterfaces'], 20, 'all interfaces to be gone')
        try:
            wait_for(lambda: not self.more_than(before), 30, 'nothing to be left')
        except AssertionError:
            self.assertEqual({}, self.more_than(before))
        self.check_memory(memory, 4 + MACHINES / 20, f'after {MACHINES} more machines')
