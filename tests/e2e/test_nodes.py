# SPDX-License-Identifier: Apache-2.0
"""Several nodes, each a machine of its own: what happens to tasks when agents, machines and networks come and go."""
import os
import signal
import time
import unittest

from lab import wait_for
from machines import Fleet

ZONES = ('us-east-1a', 'us-east-1b', 'us-east-1b')


class FleetTest(unittest.TestCase):
    """Tests of one class share a server and three nodes in two zones."""
    server_options = ()
    zones = ZONES

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(cls.zones, server_options=cls.server_options)
        cls.addClassCleanup(cls.fleet.stop)
        cls.fleet.start()
        cls.ecs = cls.fleet.ecs

    def register(self, family, **container):
        container = {'name': 'c', 'image': self.fleet.image, 'memory': 16, 'command': ['sleep', '600'], 'stopTimeout': 2, **container}
        return self.fleet.call('RegisterTaskDefinition', {'family': family, 'containerDefinitions': [container]})[
            'taskDefinition']['taskDefinitionArn'].rsplit('/', 1)[1]

    def tearDown(self):
        for node in self.fleet.nodes:
            node.heal()
        for node in self.fleet.nodes if self.fleet.server.running() else ():
            node.joined()


class Nodes(FleetTest):
    def spread(self, family, count=3):
        answer = self.ecs.run_task(taskDefinition=self.register(family), count=count, startedBy=family,
                                   placementStrategy=[{'type': 'spread', 'field': 'instanceId'}])
        self.assertEqual([], answer['failures'])
        return [self.fleet.wait_status(t['taskArn'], 'RUNNING') for t in answer['tasks']]

    def end(self, tasks):
        for task in tasks:
            self.ecs.stop_task(task=task['taskArn'])
        for task in tasks:
            self.fleet.wait_status(task['taskArn'], 'STOPPED', 60)

    def test_every_node_runs_its_own(self):
        tasks = self.spread('own')
        self.assertEqual(3, len({t['containerInstanceArn'] for t in tasks}))
        self.assertEqual(['us-east-1a', 'us-east-1b', 'us-east-1b'], sorted(t['availabilityZone'] for t in tasks))
        wait_for(lambda: [1, 1, 1] == [len(c) for c in self.fleet.containers().values()], 10, 'a container on each node')
        self.end(tasks)
        wait_for(lambda: [0, 0, 0] == [len(c) for c in self.fleet.containers().values()], 10, 'none on any node')

    def test_cut_off_and_back(self):
        """Tasks that were started alone run on; nothing new goes there; what was decided meanwhile is made up for."""
        tasks = self.spread('alone')
        node = self.fleet.node_of(tasks[0])
        arn, container = node.arn, node.containers()
        node.cut()
        began = time.monotonic()
        wait_for(lambda: not node.connected(), 8, 'the node to be disconnected', 0.1)
        self.assertGreater(time.monotonic() - began, 3)
        answer = self.ecs.start_task(taskDefinition='alone', containerInstances=[arn])
        self.assertEqual('AGENT', answer['failures'][0]['reason'])
        time.sleep(10)
        self.assertEqual(container, node.containers(), 'the container runs on')
        self.assertEqual('RUNNING', self.fleet.task(tasks[0]['taskArn'])['lastStatus'])
        self.ecs.stop_task(task=tasks[0]['taskArn'])
        node.heal()
        node.joined()
        self.assertEqual(arn, node.arn, 'still the same container instance')
        self.fleet.wait_status(tasks[0]['taskArn'], 'STOPPED')
        wait_for(lambda: not node.containers(), 10, 'its container to be gone')
        self.end(tasks[1:])

    def test_agent_that_restarts(self):
        tasks = self.spread('restarted')
        before = self.fleet.containers()
        for node in self.fleet.nodes:
            node.stop_agent()
        wait_for(lambda: not any(n.connected() for n in self.fleet.nodes), 10, 'all to be disconnected')
        for node in self.fleet.nodes:
            node.start_agent()
        for node in self.fleet.nodes:
            node.joined()
        self.assertEqual(before, self.fleet.containers())
        self.assertEqual(['RUNNING'] * 3, [self.fleet.task(t['taskArn'])['lastStatus'] for t in tasks])
        self.end(tasks)

    def test_power_failure(self):
        """A machine that comes up again is the same node, without what it ran."""
        tasks = self.spread('powerless')
        node = self.fleet.node_of(tasks[0])
        arn = node.arn
        node.kill()
        wait_for(lambda: not node.connected(), 10, 'the node to be disconnected')
        node.boot()
        node.start_agent().joined()
        self.assertEqual(arn, node.arn)
        stopped = self.fleet.wait_status(tasks[0]['taskArn'], 'STOPPED')
        self.assertIn('rebooted', stopped['stoppedReason'] + stopped['containers'][0].get('reason', ''))
        self.end(tasks[1:])

    def test_container_killed(self):
        tasks = self.spread('killed')
        node = self.fleet.node_of(tasks[0])
        os.kill(*node.containers().values(), signal.SIGKILL)
        stopped = self.fleet.wait_status(tasks[0]['taskArn'], 'STOPPED')
        self.assertEqual(137, stopped['containers'][0]['exitCode'])
        self.end(tasks[1:])


if __name__ == '__main__':
    unittest.main()
