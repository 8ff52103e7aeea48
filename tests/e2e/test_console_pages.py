# SPDX-License-Identifier: Apache-2.0
"""Every page of the console in a real browser, on a server with simulated nodes (the steps are in console/tests/pages.mjs):
accessibility, bad input at every field, nothing half-made, the keyboard alone."""
import os
import shutil
import tempfile
import unittest

from browser import needs_browser, walk
from fleet import Fleet
from lab import Clients, Process, read_env, wait_for


@needs_browser
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
        machines = clients.client('autoscaling')
        machines.create_launch_configuration(LaunchConfigurationName='small', ImageId='ami-00000000', InstanceType='t3.small')
        machines.create_auto_scaling_group(AutoScalingGroupName='pool', LaunchConfigurationName='small', MinSize=0, MaxSize=3, AvailabilityZones=['us-east-1a'])
        wait_for(lambda: clients.ecs.describe_clusters(clusters=['default'])['clusters'][0]['runningTasksCount'] == 4, 30, 'the tasks to run')

    def start(self):
        self.server = Process('server', '--data-dir', self.data, '--listen', self.listen, '--create-default-cluster',
                              '--machine-driver', '/bin/true', log=os.path.join(self.dir, 'log')).wait_ready()

    def start_again(self):
        self.start()
        self.clients.ecs.create_service(serviceName='later', taskDefinition='web', desiredCount=0)

    def agent_keys(self):
        with open(os.path.join(self.data, 'agent-credentials')) as lines:
            pairs = dict(line.strip().split(' = ', 1) for line in lines if ' = ' in line)
        return {'AGENT_KEY': pairs['access-key-id'], 'AGENT_SECRET': pairs['secret-access-key']}

    def on_step(self, name, _):
        if name == 'stop-the-server':
            self.assertIsNone(self.fleet.error)
            self.fleet.stopping.set()  # its nodes would take the silence for an error
            self.server.stop()
        elif name == 'start-the-server':
            self.start_again()

    def test_every_page(self):
        walk(self, 'pages.mjs', self.data, self.dir, self.on_step, **self.agent_keys())
