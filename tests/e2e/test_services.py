# SPDX-License-Identifier: Apache-2.0
"""Services on several nodes: spread, healed, rolled out, moved, while containers, agents, nodes, networks and servers fail."""
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from lab import PATIENCE, wait_for
from test_nodes import FleetTest

# Points at which the server is killed in a rollout; `make soak-server` asks for more.
KILLS = int(os.environ.get('GANTRY_ROLLOUT_KILLS', '10'))


class ServiceTest(FleetTest):
    def create(self, name, count, definition=None, **more):
        definition = definition or self.register(name)
        self.fleet.call('CreateService', {'serviceName': name, 'taskDefinition': definition, 'desiredCount': count, **more})
        self.addCleanup(self.delete, name)
        self.stable(name, count)
        return definition

    def delete(self, name):
        if not self.fleet.server.running():
            return  # the test that left it dead has failed
        self.fleet.call('DeleteService', {'service': name, 'force': True})
        wait_for(lambda: not self.containers_of(name), 30, f'the containers of {name} to be gone')

    def service(self, name):
        return self.fleet.call('DescribeServices', {'services': [name]})['services'][0]

    def events(self, name):
        return '\n'.join(e['message'] for e in self.service(name)['events'][:30])

    def is_stable(self, name, count):
        service = self.service(name)
        return (service['runningCount'] == service['desiredCount'] == count and service['pendingCount'] == 0 and
                len(service['deployments']) == 1 and service['deployments'][0].get('rolloutState', 'COMPLETED') == 'COMPLETED')

    def stable(self, name, count, timeout=40):
        try:
            wait_for(lambda: self.is_stable(name, count), timeout, f'{name} to be stable')
        except AssertionError as e:
            raise AssertionError(f'{e}\n{self.service(name)["deployments"]}\n{self.events(name)}\n{self.fleet.tail()}') from None

    def tasks(self, name):
        return {t['taskArn']: t for t in self.fleet.running(family=name)}

    def containers_of(self, name):
        """What really runs of a service, whose tasks are of the family of its name: [(node, runtime id, pid)]."""
        ids = tuple(t['taskArn'].rsplit('/', 1)[1] for status in ('RUNNING', 'STOPPED')
                    for t in self.described(family=name, desiredStatus=status))
        return [(node, runtime, pid) for node, containers in self.fleet.containers().items() for runtime, pid in containers.items()
                if runtime.startswith(ids)]

    def exactly(self, name, count):
        try:
            wait_for(lambda: len(self.containers_of(name)) == count, 5, f'exactly {count} containers of {name}')
        except AssertionError as e:
            tasks = [(t['taskArn'][-32:], t['lastStatus'], t['desiredStatus'], t.get('stoppedReason')) for status in ('RUNNING', 'STOPPED')
                     for t in self.described(family=name, desiredStatus=status)]
            raise AssertionError(f'{e}: {self.containers_of(name)}\n{tasks}\n{self.events(name)}\n{self.fleet.tail()}') from None

    def described(self, **filters):
        arns = [a for page in self.ecs.get_paginator('list_tasks').paginate(**filters) for a in page['taskArns']]
        return [t for i in range(0, len(arns), 100) for t in self.fleet.call('DescribeTasks', {'tasks': arns[i:i + 100]})['tasks']]


class Services(ServiceTest):
    def test_spread_over_zones(self):
        self.create('spread', 4)
        zones = sorted(t['availabilityZone'] for t in self.tasks('spread').values())
        self.assertEqual(['us-east-1a', 'us-east-1a', 'us-east-1b', 'us-east-1b'], zones)

    def test_killed_container_is_replaced_within_a_second(self):
        self.create('healed', 4)
        took = []
        for _ in range(3):
            before = self.tasks('healed')
            began = time.monotonic()
            os.kill(random.choice(self.containers_of('healed'))[2], signal.SIGKILL)
            wait_for(lambda: len(self.tasks('healed')) == 4 and set(self.tasks('healed')) != set(before), 10, 'the replacement', 0.01)
            took.append(time.monotonic() - began)
        self.assertLess(min(took), 1.0 * PATIENCE, took)
        self.stable('healed', 4)
        self.assertEqual(4, len(self.containers_of('healed')))

    def test_node_is_cut_off(self):
        """Within 12 s all tasks run elsewhere, and the node itself has stopped them; then it comes back."""
        self.create('cut', 4)
        alone = self.fleet.run(self.register('cut-alone'), placementConstraints=[
            {'type': 'memberOf', 'expression': 'attribute:machine == node2'}])
        self.fleet.wait_status(alone, 'RUNNING')
        node = next(n for n in self.fleet.nodes if n.name == 'node2')
        node_arn = node.arn
        before = self.tasks('cut')
        its = [a for a, t in before.items() if t['containerInstanceArn'] == node_arn]
        self.assertTrue(its)
        began = time.monotonic()
        node.cut()
        elsewhere = lambda: [t for t in self.tasks('cut').values() if t['containerInstanceArn'] != node_arn]
        stopped_itself = None
        while len(elsewhere()) < 4 or stopped_itself is None:
            if stopped_itself is None and len(node.containers()) == 1:
                stopped_itself = time.monotonic() - began
            self.assertLess(time.monotonic() - began, 14 * PATIENCE, (len(elsewhere()), stopped_itself, self.events('cut')))
            time.sleep(0.05)
        took = time.monotonic() - began
        print(f'cut off: its own stopped after {stopped_itself:.1f} s, elsewhere after {took:.1f} s', end=' ', flush=True)
        self.assertLess(took, 12 * PATIENCE)
        self.assertLess(stopped_itself, took, 'never twice')
        self.assertEqual(1, len(node.containers()), 'the task that was started alone runs on')
        self.assertEqual(set(before) - set(its), set(before) & set(self.tasks('cut')), 'no other task was touched')
        node.heal()
        node.joined()
        self.stable('cut', 4)
        time.sleep(1)
        self.assertEqual(4, len(self.containers_of('cut')))
        self.assertEqual('RUNNING', self.fleet.task(alone)['lastStatus'])
        for arn in its:
            self.assertEqual('STOPPED', self.fleet.task(arn)['lastStatus'])
        self.ecs.stop_task(task=alone)
        self.fleet.wait_status(alone, 'STOPPED')

    def test_rollout_of_a_broken_image(self):
        """The circuit breaker stops it and goes back; not one healthy task is lost."""
        good = self.create('broken', 4, deploymentConfiguration={
            'minimumHealthyPercent': 100, 'maximumPercent': 200, 'deploymentCircuitBreaker': {'enable': True, 'rollback': True}})
        before = self.tasks('broken')
        bad = self.register('broken', image='oci:/nowhere:latest')
        self.fleet.call('UpdateService', {'service': 'broken', 'taskDefinition': bad})
        lost = []

        def watch():
            while not done.is_set():
                missing = set(before) - set(self.tasks('broken'))
                if missing:
                    lost.append(missing)
                time.sleep(0.1)
        done = threading.Event()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            wait_for(lambda: self.service('broken')['taskDefinition'].endswith(good) and self.is_stable('broken', 4), 120,
                     'the circuit breaker')
        except AssertionError as e:
            raise AssertionError(f'{e}\n{self.service("broken")["deployments"]}\n{self.events("broken")}') from None
        finally:
            done.set()
            watcher.join()
        self.assertEqual([], lost)
        self.assertEqual(set(before), set(self.tasks('broken')))
        self.assertIn('rolling back', self.events('broken'))

    def test_agents_that_restart_replace_nothing(self):
        """An upgrade takes longer than the lease; a crash does not."""
        self.create('upgraded', 4)
        before, containers = set(self.tasks('upgraded')), sorted(self.containers_of('upgraded'))
        for node in self.fleet.nodes:
            node.stop_agent()
        time.sleep(13)
        for node in self.fleet.nodes:
            node.start_agent()
        for node in self.fleet.nodes:
            node.joined()
            node.kill_agent()
            node.start_agent()
            node.joined()
        self.stable('upgraded', 4)
        self.assertEqual(before, set(self.tasks('upgraded')))
        self.assertEqual(containers, sorted(self.containers_of('upgraded')))

    def test_drain(self):
        self.create('drained', 4)
        node = self.fleet.nodes[1]
        arn = node.arn
        self.ecs.update_container_instances_state(containerInstances=[arn], status='DRAINING')
        try:
            wait_for(lambda: self.is_stable('drained', 4) and all(
                t['containerInstanceArn'] != arn for t in self.tasks('drained').values()), 40, 'the node to be empty')
            wait_for(lambda: not node.containers(), 10, 'its containers to be gone')
        finally:
            self.ecs.update_container_instances_state(containerInstances=[arn], status='ACTIVE')

    def test_server_that_is_away_for_long(self):
        """Twice the lease: nothing stops, nothing is replaced, and what died meanwhile is made up for."""
        self.create('outage', 4)
        before, containers = set(self.tasks('outage')), sorted(self.containers_of('outage'))
        self.fleet.server.kill()
        time.sleep(20)
        still = sorted((node, runtime, pid) for node, found in self.fleet.containers().items() for runtime, pid in found.items())
        self.assertEqual(containers, still)
        os.kill(containers[0][2], signal.SIGKILL)
        self.fleet.start_server()
        wait_for(lambda: len(set(self.tasks('outage')) - before) == 1 and len(self.tasks('outage')) == 4, 20, 'the replacement')
        for node in self.fleet.nodes:
            node.joined()
        self.stable('outage', 4)
        self.assertEqual(3, len(before & set(self.tasks('outage'))))
        self.exactly('outage', 4)


class ShortLease(ServiceTest):
    """A cluster whose nodes have a lease of one second."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ecs.tag_resource(resourceArn=cls.ecs.describe_clusters()['clusters'][0]['clusterArn'],
                             tags=[{'key': 'gantry:lease-ms', 'value': '1000'}])

    def lost_nodes(self):
        with open(os.path.join(self.fleet.dir, 'server.log')) as log:
            return log.read().count('node is lost')

    def test_silent_node(self):
        self.create('silent', 4)
        node = self.fleet.nodes[2]
        arn = node.arn
        wait_for(lambda: any(t['containerInstanceArn'] == arn for t in self.tasks('silent').values()), 5, 'a task there')
        began = time.monotonic()
        node.cut()
        wait_for(lambda: len([t for t in self.tasks('silent').values() if t['containerInstanceArn'] != arn]) == 4, 10, 'all elsewhere', 0.02)
        took = time.monotonic() - began
        print(f'elsewhere after {took:.2f} s', end=' ', flush=True)
        self.assertLess(took, 2.5 * PATIENCE)
        wait_for(lambda: not node.containers(), 3, 'its own to be stopped')

    def test_no_false_alarm_on_busy_machines(self):
        self.create('busy', 4)
        before, lost = set(self.tasks('busy')), self.lost_nodes()
        hogs = [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in range(2 * os.cpu_count())]
        try:
            time.sleep(15)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        self.stable('busy', 4)
        self.assertEqual(before, set(self.tasks('busy')))
        self.assertEqual(lost, self.lost_nodes())


class KilledServer(ServiceTest):
    """The server is killed at random points of a rollout under load, and each rollout ends as it should."""
    COUNT = 6

    def setUp(self):
        self.stop_load = threading.Event()
        self.load = [threading.Thread(target=self.make_load, args=(i,)) for i in range(2)]
        for thread in self.load:
            thread.start()

    def tearDown(self):
        self.stop_load.set()
        for thread in self.load:
            thread.join()
        super().tearDown()

    def make_load(self, worker):
        """Clients that write all the time, whether the server is there or not."""
        client = self.fleet.clients.session.client('ecs', endpoint_url=self.fleet.variables['AWS_ENDPOINT_URL'])
        n = 0
        while not self.stop_load.is_set():
            try:
                client.register_task_definition(family=f'load-{worker}', containerDefinitions=[{'name': 'c', 'image': 'i', 'memory': 8}])
                client.describe_services(services=['rolled'])
                n += 1
            except Exception:
                time.sleep(0.02)

    def test_rollouts(self):
        seed = int(os.environ.get('GANTRY_SEED', random.randrange(1 << 30)))
        print(f'GANTRY_SEED={seed}', end=' ', flush=True)
        chance = random.Random(seed)
        self.create('rolled', self.COUNT, deploymentConfiguration={'minimumHealthyPercent': 50, 'maximumPercent': 150})
        killed = 0
        while killed < KILLS:
            definition = self.register('rolled', command=['sleep', str(600 + killed)])
            self.fleet.call('UpdateService', {'service': 'rolled', 'taskDefinition': definition})
            for _ in range(chance.randint(1, 3)):
                time.sleep(chance.random() ** 2 * 1.5)
                self.fleet.server.kill()
                killed += 1
                time.sleep(chance.random() * 0.3)
                self.fleet.start_server()
            self.stable('rolled', self.COUNT, 60)
            tasks = self.tasks('rolled').values()
            self.assertEqual({definition}, {t['taskDefinitionArn'].rsplit('/', 1)[1] for t in tasks}, seed)
            wait_for(lambda: len(self.containers_of('rolled')) == self.COUNT, 15, f'exactly {self.COUNT} containers (seed {seed})')


if __name__ == '__main__':
    unittest.main()
