# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Fargate pool share: two machines that are hosts and nothing else, services on them, and what tasks could leave there."""
import glob
import os
import subprocess
import time
import unittest

from lab import GANTRY, wait_for
from machines import Fleet


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


class HostsTest(unittest.TestCase):
    isolation = 'sandbox'
    host_options = ()
    patience = 30

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(node_options=('--fargate', cls.isolation, *cls.host_options), cluster='.fargate')
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
        wait_for(lambda: len(self.running(name)) == count, self.patience, f'{count} tasks of {name}')
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

    def check_memory(self, before, more, after):
        """Agents have at most so many MiB more than before; once a minute they give back what they have freed."""
        for node, then in zip(self.fleet.nodes, before):
            try:
                wait_for(lambda: self.memory(node) - then < more, 70, 'freed memory to be given back')
            finally:
                print(f'the agent of {node.name}: {then:.1f} MiB, {after} {self.memory(node):.1f} MiB', flush=True)

    def one(self, definition):
        answer = self.ecs.run_task(taskDefinition=definition, launchType='FARGATE', networkConfiguration=self.network)
        self.assertEqual([], answer['failures'])
        return answer['tasks'][0]['taskArn']

    def settle(self):
        wait_for(lambda: not self.ecs.list_tasks()['taskArns'] and not any(self.fleet.containers().values()), 60, 'all tasks to be gone')

    def start_and_stop(self, dice, n, most=8):
        """Starts `n` of the tasks "polite", "short" and "deaf", of which at most so many are there at once."""
        live = []
        for _ in range(n):
            live.append(self.one(dice.choice(('polite', 'polite', 'short', 'deaf'))))
            if dice.random() < 0.3:
                time.sleep(dice.random() * 0.2)
            while len(live) > most or live and dice.random() < 0.3:
                self.ecs.stop_task(task=live.pop(dice.randrange(len(live))))
        for arn in live:
            self.ecs.stop_task(task=arn)
        self.settle()

    def more_than(self, before):
        """What hosts have more of than before: (what, which host) and how many. Of a router, which goes when it rests, there may be less."""
        return {(what, node.name): n - then.get(what, 0) for node, then in zip(self.fleet.nodes, before) for what, n in self.kept(node).items() if n > then.get(what, 0)}

    def still(self):
        """What both hosts keep, once it has stopped changing."""
        first = [self.kept(node) for node in self.fleet.nodes]
        time.sleep(1)
        return first if first == [self.kept(node) for node in self.fleet.nodes] else None
