# SPDX-License-Identifier: Apache-2.0
"""Micro-VMs on a host with room for one: what waits, what is taken back, what will never come."""
import os
import subprocess
import unittest
import unittest.mock

from lab import GANTRY, get, wait_for
from microvm import MicroVmTest
from test_metrics import Reader


class MicroVmCapacity(MicroVmTest):
    @classmethod
    def setUpClass(cls):
        # 512 MiB are a task's, 170 its machine's: that leaves too little for a second one.
        with unittest.mock.patch.dict(os.environ, {'GANTRY_CPU': '2048', 'GANTRY_MEMORY': '1180', 'GANTRY_RESERVED_MEMORY': '0', 'GANTRY_WARM': '-1'}):
            super().setUpClass()
        cls.ecs.put_cluster_capacity_providers(cluster='default', capacityProviders=['FARGATE', 'FARGATE_SPOT'], defaultCapacityProviderStrategy=[])

    def capacity(self, *words):
        return subprocess.run([GANTRY, 'capacity', '--data-dir', self.lab.data, *words], check=True, capture_output=True, text=True).stdout

    def one(self, definition, provider):
        arn = self.lab.run(definition, networkConfiguration=self.network, capacityProviderStrategy=[{'capacityProvider': provider, 'weight': 1}])
        self.addCleanup(self.stop, arn)
        return arn

    def test_waiting_and_interruption(self):
        """One waits until the operator takes the place of another back, who is warned and has the time that it asked for."""
        polite = self.define('polite', 'trap "echo warned; sleep 1; exit 5" TERM; echo ready; while :; do sleep 0.1; done', {'stopTimeout': 120})
        quick = self.define('quick', 'exec sleep 7891', {'stopTimeout': 2})
        spot = self.one(polite, 'FARGATE_SPOT')
        self.lab.wait_status(spot, 'RUNNING', 60)
        self.output(spot, 'ready')
        waits = self.one(quick, 'FARGATE')
        self.assertEqual(('PROVISIONING', 'RUNNING'), tuple(self.lab.task(waits)[name] for name in ('lastStatus', 'desiredStatus')))
        shown = self.capacity()
        self.assertIn('1 task waits for capacity.', shown)
        figures = get(self.lab.variables['AWS_ENDPOINT_URL'] + '/metrics')
        for figure in ('hosts 1', 'tasks 1', 'tasks_waiting 1', 'cpu_units_used 256', 'memory_bytes_used 536870912'):
            self.assertIn(f'\ngantry_fargate_{figure}\n', figures)
        # What the task uses is seen from outside its machine.
        used = Reader(self.lab)
        wait_for(lambda: max(used.values('ECS/ContainerInsights', 'MemoryUtilized', ClusterName='default', TaskId=spot.rsplit('/', 1)[1]), default=0) > 0, 20,
                 'its memory as a metric')
        host = next(line for line in shown.splitlines() if 'microvm' in line).split()
        self.assertEqual(('READY', 'microvm', '682/1180', '170'), (host[1], host[2], host[7], host[8]), shown)

        self.assertIn('1 FARGATE_SPOT task is told to stop', self.capacity('reclaim', host[0]))
        self.assertEqual('STOPPED', self.lab.task(spot)['desiredStatus'])
        self.output(spot, 'warned')
        task = self.lab.wait_status(spot, 'STOPPED')
        self.assertEqual(('SpotInterruption', 'Your Spot Task was interrupted.', 5), (task['stopCode'], task['stoppedReason'], task['containers'][0]['exitCode']))
        self.lab.wait_status(waits, 'RUNNING', 60)
        again = self.one(quick, 'FARGATE_SPOT')
        self.stop(waits)
        self.assertEqual('PROVISIONING', self.lab.task(again)['lastStatus'])  # there is room, but not for these
        self.capacity('offer', host[0])
        self.lab.wait_status(again, 'RUNNING', 60)

    def test_what_will_never_come(self):
        """What the machine costs beyond its task counts: 1024 MiB would fit, and 1205 do not."""
        answer = self.ecs.run_task(taskDefinition=self.define('large', 'exec sleep 600', memory='1024'), launchType='FARGATE', networkConfiguration=self.network)
        self.assertEqual([], answer['tasks'])
        self.assertEqual('Capacity is unavailable at this time. Please try again later or in a different availability zone', answer['failures'][0]['reason'])


if __name__ == '__main__':
    unittest.main()
