# SPDX-License-Identifier: Apache-2.0
"""From run-task to a real container, as a user does it: registry, two containers, ports, limits, logs, stop."""
import json
import os
import subprocess
import unittest

from lab import LabTest, get, task_groups, wait_for
from registry import Registry


class RunTask(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registry = Registry(cls.lab.dir)
        cls.addClassCleanup(cls.registry.stop)
        cls.pulled = cls.registry.push(cls.image, 'team/web:1')

    def two_containers(self):
        return [
            {'name': 'db', 'image': self.pulled, 'memory': 32, 'essential': True,
             'command': ['sh', '-c', 'sleep 1; touch /tmp/up; exec sleep 600'],
             'healthCheck': {'command': ['CMD-SHELL', 'test -e /tmp/up'], 'interval': 5, 'timeout': 2, 'retries': 10}},
            {'name': 'web', 'image': self.pulled, 'memory': 48, 'cpu': 128, 'essential': True,
             'dependsOn': [{'containerName': 'db', 'condition': 'HEALTHY'}],
             'command': ['sh', '-c', 'echo web is up; mkdir /www; echo hello from gantry > /www/index.html; exec httpd -f -p 80 -h /www'],
             'portMappings': [{'containerPort': 80}],
             'logConfiguration': {'logDriver': 'awslogs', 'options': {
                 'awslogs-group': '/ecs/pair', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'ecs', 'awslogs-create-group': 'true'}}},
        ]

    def test_the_whole_way_with_the_aws_cli(self):
        aws = self.lab.aws
        cluster = aws('ecs', 'create-cluster', '--cluster-name', 'default')['cluster']
        self.assertEqual('ACTIVE', cluster['status'])
        definition = aws('ecs', 'register-task-definition', '--family', 'pair', '--container-definitions', json.dumps(self.two_containers()))
        self.assertEqual(1, definition['taskDefinition']['revision'])
        started = aws('ecs', 'run-task', '--task-definition', 'pair')
        self.assertEqual([], started['failures'])
        arn = started['tasks'][0]['taskArn']
        aws('ecs', 'wait', 'tasks-running', '--tasks', arn)
        task = aws('ecs', 'describe-tasks', '--tasks', arn)['tasks'][0]
        self.assertEqual('HEALTHY', task['healthStatus'])
        web = next(c for c in task['containers'] if c['name'] == 'web')
        self.assertRegex(web['imageDigest'], '^sha256:[0-9a-f]{64}$')
        port = web['networkBindings'][0]['hostPort']
        self.assertEqual('hello from gantry\n', get(f'http://127.0.0.1:{port}/'))
        self.check_limits(arn, web)
        wait_for(lambda: 'web is up' in (aws('logs', 'tail', '/ecs/pair') or ''), 15, 'the line in aws logs tail')
        aws('ecs', 'stop-task', '--task', arn, '--reason', 'seen enough')
        aws('ecs', 'wait', 'tasks-stopped', '--tasks', arn)
        task = aws('ecs', 'describe-tasks', '--tasks', arn)['tasks'][0]
        self.assertEqual(('UserInitiated', 'seen enough'), (task['stopCode'], task['stoppedReason']))

    def check_limits(self, arn, container):
        """The kernel really holds what the definition says."""
        pid = container_pid(container['runtimeId'])
        values = {}
        with open(f'/proc/{pid}/cgroup') as lines:
            groups = dict((line.split(':')[1], line.strip().split(':', 2)[2]) for line in lines)
        if 'memory' in groups:
            with open('/sys/fs/cgroup/memory' + groups['memory'] + '/memory.limit_in_bytes') as f:
                values['memory'] = int(f.read())
            with open('/sys/fs/cgroup/cpu' + groups['cpu'] + '/cpu.shares') as f:
                self.assertEqual(128, int(f.read()))
        else:
            with open('/sys/fs/cgroup' + groups[''] + '/memory.max') as f:
                values['memory'] = int(f.read())
        self.assertEqual(48 * 1024 * 1024, values['memory'])

    def test_out_of_memory_is_reported_as_such(self):
        family = self.register('oom', {'name': 'eater', 'memory': 16, 'command': ['sh', '-c', 'x=a; while true; do x=$x$x; done']})
        task = self.lab.wait_status(self.lab.run(family), 'STOPPED', 60)
        self.assertEqual('EssentialContainerExited', task['stopCode'])
        container = task['containers'][0]
        self.assertEqual(137, container['exitCode'])
        self.assertIn('OutOfMemoryError', container['reason'])

    def test_ten_at_once(self):
        family = self.register('ten', {'name': 'c', 'memory': 8, 'command': ['sleep', '600']})
        answer = self.ecs.run_task(taskDefinition=family, count=10)
        self.assertEqual([], answer['failures'])
        for task in answer['tasks']:
            self.lab.wait_status(task['taskArn'], 'RUNNING')
            self.assertTrue(task_groups(task['taskArn'].rsplit('/', 1)[1]))
        for task in answer['tasks']:
            self.ecs.stop_task(task=task['taskArn'])
        for task in answer['tasks']:
            self.lab.wait_status(task['taskArn'], 'STOPPED', 60)
        for task in answer['tasks']:
            wait_for(lambda: not task_groups(task['taskArn'].rsplit('/', 1)[1]), 10, 'the control groups of a stopped task to go')


def container_pid(runtime_id):
    """Process id of a container's first process, from crun's annotations in its control group."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cgroup') as groups, open(f'/proc/{pid}/comm') as comm:
                if runtime_id in groups.read() and comm.read().strip() not in ('conmon', 'crun'):
                    return int(pid)
        except OSError:
            continue
    raise AssertionError(f'no process of container {runtime_id}')


if __name__ == '__main__':
    unittest.main()
