# SPDX-License-Identifier: Apache-2.0
"""The pool of Fargate hosts: two machines that are hosts and nothing else. Hosts, agents and tasks that are lost; FARGATE_SPOT."""
import os
import random
import signal
import subprocess
import time

from hosts import HostsTest
from lab import wait_for
from machines import children

TASKS = int(os.environ.get('GANTRY_FARGATE_TASKS', '30'))


class Hosts(HostsTest):
    def test_a_host_is_killed(self):
        self.service('web', 4, launchType='FARGATE')
        self.assertEqual(['a', 'a', 'b', 'b'], self.zones('web'))
        self.assertEqual([], self.ecs.list_container_instances()['containerInstanceArns'])  # a host is nobody's container instance
        self.assertNotIn('.fargate', str(self.ecs.list_clusters()['clusterArns']))
        self.assertEqual(2, self.capacity().count('READY'))
        lost = self.fleet.nodes[0]
        before = set(self.running('web'))
        lost.kill()
        wait_for(lambda: self.zones('web') == ['b'] * 4, 30, 'all to run on the other host')
        self.assertIn('LOST', self.capacity())
        gone = before - set(self.running('web'))
        for arn in gone:
            self.assertEqual(('STOPPED', 'TerminationNotice', 'The Fargate host of the task was lost: it has not been heard of'),
                             tuple(self.fleet.task(arn)[name] for name in ('desiredStatus', 'stopCode', 'stoppedReason')))
        lost.boot()
        lost.start_agent().joined()
        for arn in gone:
            self.fleet.wait_status(arn, 'STOPPED')
        wait_for(lambda: not lost.containers(), 20, 'nothing to be left on the host that was lost')
        self.assertEqual(2, self.capacity().count('READY'))

    def test_a_host_is_cut_off(self):
        self.service('cut', 2, launchType='FARGATE')
        lost = self.fleet.nodes[0]
        lost.cut()
        try:
            wait_for(lambda: self.zones('cut') == ['b'] * 2, 30, 'all to run on the other host')
        finally:
            lost.heal()
        lost.joined()
        wait_for(lambda: not lost.containers(), 20, 'nothing to be left on the host that was lost')

    def test_an_agent_is_killed(self):
        """The tasks serve on, and the next agent takes them over as they are."""
        before = self.service('adopted', 2, launchType='FARGATE')
        node = self.fleet.nodes[0]
        processes = node.containers()
        node.kill_agent()
        time.sleep(1)
        self.assertEqual(processes, node.containers())
        node.start_agent().joined()
        self.assertEqual((processes, before), (node.containers(), set(self.running('adopted'))))
        # Adopted: it is told when one of them ends, and can end the other.
        os.kill(next(iter(processes.values())), signal.SIGKILL)
        wait_for(lambda: len(set(self.running('adopted')) - before) == 1, 20, 'its replacement')

    def test_a_task_is_killed_from_outside(self):
        before = self.service('killed', 1, launchType='FARGATE')
        node = next(n for n in self.fleet.nodes if n.containers())
        os.kill(next(iter(node.containers().values())), signal.SIGKILL)
        task = self.fleet.wait_status(next(iter(before)), 'STOPPED')
        self.assertEqual(('EssentialContainerExited', 'Essential container in task exited', 137),
                         (task['stopCode'], task['stoppedReason'], task['containers'][0]['exitCode']))
        wait_for(lambda: len(set(self.running('killed')) - before) == 1, 20, 'its replacement')

    def test_a_host_is_out_of_reach(self):
        """Nothing of the host itself can be reached, whatever listens there; what is elsewhere can."""
        node = self.fleet.nodes[0]
        there = f'{self.fleet.host.address} 4327'
        listener = subprocess.Popen(node.words('busybox', 'nc', '-ll', '-p', '4444', '-e', '/bin/true'), preexec_fn=node.enter_groups)
        # Its own end ends nsenter; the other way round nobody would wait for it.
        self.addCleanup(lambda: ([os.kill(pid, signal.SIGKILL) for pid in children(listener.pid)], listener.wait(5)))
        node.run('for i in $(seq 50); do busybox nc -w 1 127.0.0.1 4444 </dev/null && exit 0; sleep 0.1; done; exit 1')
        tries = '; '.join(f'nc -w 2 {to} </dev/null >/dev/null 2>&1 && echo {name} > /tried || true'
                          for name, to in (('server', there), ('host', f'{node.address} 4444'), ('bridge', '169.254.170.2 4444')))
        self.define('curious', ['sh', '-c', f'{tries}; r=$(cat /tried); [ "$r" = server ] || exit 9'])
        zone = [s['SubnetId'] for s in self.fleet.ec2.describe_subnets()['Subnets'] if s['AvailabilityZone'] == node.zone]
        answer = self.ecs.run_task(taskDefinition='curious', launchType='FARGATE', networkConfiguration={'awsvpcConfiguration': {
            'subnets': zone, 'assignPublicIp': 'ENABLED'}})
        task = self.fleet.wait_status(answer['tasks'][0]['taskArn'], 'STOPPED')
        self.assertEqual(0, task['containers'][0].get('exitCode'), task['containers'][0].get('reason'))

    def test_spot_is_taken_back(self):
        self.define('polite', ['sh', '-c', 'trap "echo warned; exit 0" TERM; while :; do sleep 1 & wait $!; done'], stopTimeout=120)
        before = self.service('spot', 2, 'polite', capacityProviderStrategy=[{'capacityProvider': 'FARGATE_SPOT', 'weight': 1}])
        kept = self.service('kept', 1, capacityProviderStrategy=[{'capacityProvider': 'FARGATE', 'weight': 1}])
        host = self.fleet.nodes[0]
        name = host.arn.rsplit('/', 1)[1]
        taken = {arn for arn, t in self.running('spot').items() if t['availabilityZone'] == host.zone}
        self.assertEqual(1, len(taken))
        self.assertIn('1 FARGATE_SPOT task is told to stop', self.capacity('reclaim', name))
        self.assertIn('no FARGATE_SPOT', self.capacity())
        wait_for(lambda: self.zones('spot') == ['b', 'b'], 30, 'all to run on the other host')
        for arn in taken:
            task = self.fleet.wait_status(arn, 'STOPPED')
            self.assertEqual(('SpotInterruption', 'Your Spot Task was interrupted.', 0),
                             (task['stopCode'], task['stoppedReason'], task['containers'][0]['exitCode']))
        self.assertEqual(before - taken, before & set(self.running('spot')))
        self.capacity('offer', name)
        self.assertNotIn('no FARGATE_SPOT', self.capacity())
        self.assertEqual({'FARGATE_SPOT'}, {t['capacityProviderName'] for t in self.running('spot').values()})
        self.assertEqual(kept, set(self.running('kept')))

    # ---- nothing is left ----

    def test_nothing_is_left(self):
        """Tasks that start and stop at random, politely and not; one kind ends by itself."""
        self.define('polite', ['sh', '-c', 'trap "exit 0" TERM; echo x > /file; while :; do sleep 1 & wait $!; done'], stopTimeout=3)
        self.define('short', ['sh', '-c', 'dd if=/dev/zero of=/x bs=1M count=3 2>/dev/null; sleep 0.2'])
        self.define('deaf', ['sh', '-c', 'trap "" TERM; setsid sleep 1000 & while :; do sleep 1; done'], stopTimeout=2)
        dice = random.Random(int(os.environ.get('GANTRY_SEED', '7')))
        self.start_and_stop(dice, TASKS // 2)  # what is made once and stays: threads, their memory, routers
        memory = [self.memory(node) for node in self.fleet.nodes]
        before = wait_for(self.still, 20, 'hosts at rest')
        self.start_and_stop(dice, TASKS)
        wait_for(lambda: not self.fleet.ec2.describe_network_interfaces()['NetworkInterfaces'], 20, 'all interfaces to be gone')
        try:
            wait_for(lambda: not self.more_than(before), 20, 'nothing to be left')
        except AssertionError:
            self.assertEqual({}, self.more_than(before))
        self.check_memory(memory, 4 + TASKS / 50, f'after {TASKS} more tasks')
