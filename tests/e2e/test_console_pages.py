# SPDX-License-Identifier: Apache-2.0
"""Every page of the console in a real browser, on a server with simulated nodes (the steps are in console/tests/pages.mjs):
accessibility, bad input at every field, nothing half-made, the keyboard alone."""
import os
import shutil
import subprocess
import tempfile
import unittest

from fleet import Fleet
from lab import GANTRY, PATIENCE, ROOT, Clients, Process, read_env, wait_for
from test_console_walk import CHROMIUM, FILES, NODE, PARTS


@unittest.skipUnless(NODE and CHROMIUM, 'needs nodejs and chromium (make setup installs them)')
@unittest.skipUnless(os.path.exists(PARTS) and os.path.exists(FILES), 'the console was not built: make console')
class Pages(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.data = os.path.join(self.dir, 'data')
        self.listen = '127.0.0.1:0'
        self.start()
        self.addCleanup(lambda: self.server.stop())
        variables = read_env(self.data)
        self.listen = self.server.ready.removeprefix('http://')
        self.fleet = Fleet(variables, n=3, size=4096).start()
        self.addCleanup(self.fleet.stop)
        self.clients = clients = Clients(variables)
        container = {'name': 'web', 'image': 'nginx', 'cpu': 128, 'memory': 256, 'portMappings': [{'containerPort': 80}]}
        clients.ecs.register_task_definition(family='web', containerDefinitions=[container])
        clients.ecs.register_task_definition(family='inside', networkMode='awsvpc', containerDefinitions=[container])
        clients.ecs.create_cluster(clusterName='empty')
        for name in ('web', 'scaled'):
            clients.ecs.create_service(serviceName=name, taskDefinition='web', desiredCount=2)
        clients.client('application-autoscaling').register_scalable_target(
            ServiceNamespace='ecs', ScalableDimension='ecs:service:DesiredCount', ResourceId='service/default/scaled', MinCapacity=1, MaxCapacity=3)
        clients.client('cloudwatch').put_metric_alarm(
            AlarmName='busy', Namespace='AWS/ECS', MetricName='CPUReservation', Dimensions=[{'Name': 'ClusterName', 'Value': 'default'}],
            Statistic='Average', Period=60, EvaluationPeriods=1, Threshold=90, ComparisonOperator='GreaterThanThreshold')
        wait_for(lambda: clients.ecs.describe_clusters(clusters=['default'])['clusters'][0]['runningTasksCount'] == 4, 30, 'the tasks to run')

    def start(self):
        self.server = Process('server', '--data-dir', self.data, '--listen', self.listen, '--create-default-cluster', 'yes',
                              log=os.path.join(self.dir, 'log')).wait_ready()

    def start_again(self):
        self.start()
        self.clients.ecs.create_service(serviceName='later', taskDefinition='web', desiredCount=0)

    def agent_keys(self):
        with open(os.path.join(self.data, 'agent-credentials')) as lines:
            pairs = dict(line.strip().split(' = ', 1) for line in lines if ' = ' in line)
        return {'AGENT_KEY': pairs['access-key-id'], 'AGENT_SECRET': pairs['secret-access-key']}

    def test_every_page(self):
        link = subprocess.run([GANTRY, 'console', '--data-dir', self.data], check=True, capture_output=True, text=True).stdout.strip()
        walk = subprocess.Popen([NODE, 'tests/pages.mjs'], cwd=os.path.join(ROOT, 'console'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, **self.agent_keys(), 'LINK': link, 'CHROMIUM': CHROMIUM, 'HOME': self.dir, 'GANTRY_PATIENCE': str(PATIENCE),
                                     'FAILED_PICTURE': os.environ.get('FAILED_PICTURE', os.path.join(self.dir, 'failed.png'))})
        steps = []
        try:
            for line in walk.stdout:
                steps.append(line.removeprefix('step: ').strip())
                if steps[-1] == 'stop-the-server':
                    self.assertIsNone(self.fleet.error)
                    self.fleet.stopping.set()  # its nodes would take the silence for an error
                    self.server.stop()
                elif steps[-1] == 'start-the-server':
                    self.start_again()
            status = walk.wait(30)
        finally:
            if walk.poll() is None:
                walk.kill()
            errors = walk.stderr.read()
            walk.stdout.close()
            walk.stderr.close()
        self.assertEqual((0, 'done'), (status, steps[-1] if steps else None), f'{steps}\n{errors}')
