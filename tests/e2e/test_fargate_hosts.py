# SPDX-License-Identifier: Apache-2.0
"""The pool of Fargate hosts: two machines that are hosts and nothing else. Hosts, agents and tasks that are lost; FARGATE_SPOT."""
import glob
import os
import random
import signal
import subprocess
import time
import unittest

from lab import GANTRY, wait_for
from machines import Fleet, children

TASKS = int(os.environ.get('GANTRY_FARGATE_TASKS', '30'))


def loop_devices():
    """The files that this machine's loop devices have."""
    found = []
    for path in glob.glob('/sys/block/loop*/loop/backing_file'):
        try:
            with open(path) as f:
                found.append(f.read())
        except OSError:
            continue
    return found


class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(node_options=('--fargate', 'sandbox'), cluster='.fargate')
        cls.addClassCleanup(cls.fleet.stop)
        cls.fleet.start()
        cls.ecs = cls.fleet.ecs
        zones = [node.zone for node in cls.fleet.nodes]
        subnets = [s['SubnetId'] for s in cls.fleet.ec2.describe_subnets()['Subnets'] if s['AvailabilityZone'] in zones]
        cls.network = {'awsvpcConfiguration': {'subnets': subnets}}
        cls.ecs.put_cluster_capacity_providers(cluster='default', capacityProviders=['FARGATE', 'FARGATE_SPOT'], defaultCapacityProviderStrategy=[])
        cls.define('sleeper', ['sleep', '600'])

    @classmethod
    def define(cls, family, command, **more):
        cls.ecs.register_task_definition(
            family=family, networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory='512',
            containerDefinitions=[{'name': 'c', 'image': cls.fleet.image, 'command': command, 'stopTimeout': 2, **more}])

    def service(self, name, count, definition='sleeper', **more):
        """Waits until all of it runs; the ARNs."""
        self.ecs.create_service(serviceName=name, taskDefinition=definition, desiredCount=count, networkConfiguration=self.network, **more)
        self.addCleanup(self.remove, name)
        wait_for(lambda: len(self.running(name)) == count, 30, f'{count} tasks of {name}')
        return set(self.running(name))

    def remove(self, name):
        self.ecs.delete_service(service=name, force=True)
        wait_for(lambda: self.ecs.describe_services(services=[name])['services'][0]['status'] == 'INACTIVE', 20, f'{name} to be gone')

    def running(self, name):
        return {t['taskArn']: t for t in self.fleet.running(serviceName=name)}

    def zones(self, name):
        return sorted(t['availabilityZone'][-1] for t in self.fleet.running(serviceName=name))

    def capacity(self, *words):
        return subprocess.run([GANTRY, 'capacity', '--data-dir', self.fleet.data, *words], check=True, capture_output=True, text=True).stdout

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

    def kept(self, node):
        """What a host has that tasks could have left there."""
        data = os.path.join(self.fleet.dir, node.name)
        places = {place: os.path.join(data, place) for place in ('containers', 'disks', 'network/netns')}
        return {'processes': int(node.run('ps -e --no-headers | wc -l')), 'links': int(node.run('ip -o link | wc -l')),
                'mounts': int(node.run('wc -l < /proc/self/mounts')), 'devices': len([d for d in loop_devices() if data in d]),
                'groups': sum(len(directories) for group in node.groups for _, directories, _ in os.walk(group)),
                **{place: len(os.listdir(path)) if os.path.isdir(path) else 0 for place, path in places.items()}}

    def memory(self, node):
        """MiB of its agent."""
        with open(f'/proc/{node.agent.pid}/status') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS')) / 1024

    def one(self, definition):
        answer = self.ecs.run_task(taskDefinition=definition, launchType='FARGATE', networkConfiguration=self.network)
        self.assertEqual([], answer['failures'])
        return answer['tasks'][0]['taskArn']

    def settle(self):
        wait_for(lambda: not self.ecs.list_tasks()['taskArns'] and not any(self.fleet.containers().values()), 60, 'all tasks to be gone')

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
        for node, then in zip(self.fleet.nodes, memory):
            print(f'the agent of {node.name}: {then:.1f} MiB, after {TASKS} more tasks {self.memory(node):.1f} MiB', flush=True)
            self.assertLess(self.memory(node) - then, 4 + TASKS / 50, f'MiB more of the agent of {node.name}')

    def start_and_stop(self, dice, n):
        live = []
        for _ in range(n):
            live.append(self.one(dice.choice(('polite', 'polite', 'short', 'deaf'))))
            if dice.random() < 0.3:
                time.sleep(dice.random() * 0.2)
            while len(live) > 8 or live and dice.random() < 0.3:
                self.ecs.stop_task(task=live.pop(dice.randrange(len(live))))
        for arn in live:
            self.ecs.stop_task(task=arn)
        self.settle()

    def more_than(self, before):
        """What hosts have more of than before: (what, which host) and how many. Of a router, which goes when it rests, there may be less."""
        return {(what, node.name): n - then[what] for node, then in zip(self.fleet.nodes, before) for what, n in self.kept(node).items() if n > then[what]}

    def still(self):
        """What both hosts keep, once it has stopped changing."""
        first = [self.kept(node) for node in self.fleet.nodes]
        time.sleep(1)
        return first if first == [self.kept(node) for node in self.fleet.nodes] else None
