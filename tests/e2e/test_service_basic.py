# SPDX-License-Identifier: Apache-2.0
"""A service of three: it comes up, heals a killed container, rolls, and goes back by itself when the new image is broken."""
import os
import signal
import time
import unittest

from lab import LabTest, wait_for
from test_run_task import container_pid

# Hears SIGTERM, so that it ends at once.
COMMAND = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done']


class Services(LabTest):
    def setUp(self):
        self.ecs = self.lab.ecs
        self.define()

    def tearDown(self):
        for arn in self.ecs.list_services()['serviceArns']:
            self.ecs.delete_service(service=arn, force=True)
            self.ecs.get_waiter('services_inactive').wait(services=[arn], WaiterConfig={'Delay': 1})

    def define(self, command=COMMAND, family='three'):
        return self.ecs.register_task_definition(family=family, containerDefinitions=[
            {'name': 'web', 'image': self.image, 'memory': 16, 'command': command}])['taskDefinition']['taskDefinitionArn']

    def create(self, name, **more):
        self.ecs.create_service(serviceName=name, taskDefinition='three', desiredCount=3, **more)
        self.stable(name)

    def service(self, name):
        return self.ecs.describe_services(services=[name])['services'][0]

    def stable(self, name, timeout=20):
        def reached():
            service = self.service(name)
            return len(service['deployments']) == 1 and service['runningCount'] == service['desiredCount'] and \
                service['deployments'][0]['rolloutState'] == 'COMPLETED'
        wait_for(reached, timeout, f'{name} to be stable', interval=0.01)

    def tasks(self, name):
        arns = self.ecs.list_tasks(serviceName=name)['taskArns']
        return self.lab.call('DescribeTasks', {'tasks': arns})['tasks'] if arns else []

    def events(self, name):
        return [event['message'] for event in self.service(name)['events']]

    def test_heals(self):
        self.create('heals')
        tasks = self.tasks('heals')
        self.assertEqual(['service:heals'] * 3, [task['group'] for task in tasks])
        before = {task['taskArn'] for task in tasks}
        pid = container_pid(tasks[0]['containers'][0]['runtimeId'])
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)

        def replaced():
            running = [task for task in self.tasks('heals') if task['lastStatus'] == 'RUNNING']
            return len(running) == 3 and {task['taskArn'] for task in running} - before
        wait_for(replaced, 5, 'the replacement', interval=0.005)
        print(f'killed -> replacement RUNNING: {(time.monotonic() - killed) * 1000:.0f} ms (with polling)')
        self.stable('heals')
        self.ecs.get_waiter('services_stable').wait(services=['heals'], WaiterConfig={'Delay': 1})

    def test_rolls(self):
        self.create('rolls')
        new = self.define(family='three')
        self.ecs.update_service(service='rolls', taskDefinition=new)
        self.stable('rolls')
        self.assertEqual({new}, {task['taskDefinitionArn'] for task in self.tasks('rolls')})
        self.assertEqual(3, len(self.tasks('rolls')))
        events = self.events('rolls')
        self.assertIn('(service rolls) has reached a steady state.', events)
        self.assertTrue(any(event.endswith(' deployment completed.') for event in events), events)

    def test_goes_back(self):
        self.create('back', deploymentConfiguration={'deploymentCircuitBreaker': {'enable': True, 'rollback': True}})
        good = self.service('back')['taskDefinition']
        before = {task['taskArn'] for task in self.tasks('back')}
        self.ecs.update_service(service='back', taskDefinition=self.define(['sh', '-c', 'exit 3']))

        def back():
            service = self.service('back')
            return service['taskDefinition'] == good and service['deployments'][0]['rolloutState'] == 'COMPLETED' and \
                len(service['deployments']) == 1
        wait_for(back, 30, 'the rollback')
        self.assertEqual(before, {task['taskArn'] for task in self.tasks('back')}, 'no healthy task was lost')
        self.assertTrue(any('rolling back to deployment ecs-svc/' in event for event in self.events('back')), self.events('back'))


if __name__ == '__main__':
    unittest.main()
