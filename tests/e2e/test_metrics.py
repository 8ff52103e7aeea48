# SPDX-License-Identifier: Apache-2.0
"""Metrics that are there by themselves: of tasks and services within seconds, and of load balancers, with nothing lost over a reload."""
import datetime
import http.client
import json
import os
import re
import shutil
import tempfile
import time
import unittest
import urllib.request

from lab import PATIENCE, Clients, LabTest, Process, read_env, wait_for
from test_balancer import BalancerTest


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Reader:
    """GetMetricData of one metric over the last minutes."""

    def __init__(self, lab):
        self.lab = lab

    def values(self, namespace, name, stat='Average', period=1, minutes=3, **dimensions):
        metric = {'Namespace': namespace, 'MetricName': name, 'Dimensions': [{'Name': k, 'Value': v} for k, v in dimensions.items()]}
        answer = self.lab.cloudwatch.get_metric_data(
            StartTime=now() - datetime.timedelta(minutes=minutes), EndTime=now() + datetime.timedelta(seconds=60),
            MetricDataQueries=[{'Id': 'm', 'MetricStat': {'Metric': metric, 'Period': period, 'Stat': stat}}])
        return answer['MetricDataResults'][0]['Values']

    def sum(self, namespace, name, **dimensions):
        return sum(self.values(namespace, name, 'Sum', 60, 30, **dimensions))


class Services(LabTest):
    def test_load_is_seen_within_seconds(self):
        reader = Reader(self.lab)
        self.register('busy', {'name': 'web', 'cpu': 256, 'memory': 32, 'command': ['sh', '-c', 'while [ ! -e /go ]; do sleep 0.1; done; while :; do :; done']},
                      cpu='256', memory='64')
        self.ecs.create_service(serviceName='busy', taskDefinition='busy', desiredCount=1)
        self.addCleanup(self.ecs.delete_service, service='busy', force=True)
        where = {'ClusterName': 'default', 'ServiceName': 'busy'}
        wait_for(lambda: self.ecs.list_tasks(serviceName='busy', desiredStatus='RUNNING')['taskArns'], 10, 'a task')
        task = self.ecs.list_tasks(serviceName='busy')['taskArns'][0]
        self.lab.wait_status(task, 'RUNNING')
        wait_for(lambda: len(reader.values('AWS/ECS', 'CPUUtilization', **where)) >= 2, 5, 'samples every second')
        before = max(reader.values('AWS/ECS', 'CPUUtilization', **where)[:2])
        with open(os.path.join('/proc', str(self.pid_of(task)), 'root', 'go'), 'w', encoding='ascii'):
            began = time.monotonic()
        # 256 units are an eighth of two cores: it gets that much and more unless others keep the machine busy
        wait_for(lambda: max(reader.values('AWS/ECS', 'CPUUtilization', **where)[:2]) > before + 20, 10, 'the load in CPUUtilization', 0.2)
        self.assertLess(time.monotonic() - began, 3 * PATIENCE)
        self.assertGreater(reader.values('AWS/ECS', 'MemoryUtilization', **where)[0], 0)
        self.check_dashboard()
        # what charts of a task and of an instance are drawn from
        own = {'ClusterName': 'default', 'TaskId': task.rsplit('/', 1)[1]}
        self.assertGreater(reader.values('ECS/ContainerInsights', 'MemoryUtilized', **own)[0], 0)
        instance = self.ecs.list_container_instances()['containerInstanceArns'][0].rsplit('/', 1)[1]
        wait_for(lambda: reader.values('ECS/ContainerInsights', 'instance_memory_utilization', ClusterName='default', ContainerInstanceId=instance),
                 15, 'the machine\'s own figures', 0.5)

    def check_dashboard(self):
        """Every family that the dashboard asks for is there, and those of services have samples."""
        with open(os.path.join(os.path.dirname(__file__), '../../packaging/grafana/gantry.json'), encoding='utf-8') as f:
            asked = set(re.findall(r'\b((?:gantry|process)_[a-z0-9_]+)', ' '.join(
                t['expr'] for p in json.load(f)['panels'] for t in p.get('targets', []))))
        wait_for(lambda: 'gantry_service_running_tasks{' in self.exposed(), 15, 'samples of services', 0.5)
        text = self.exposed()
        families = set(re.findall(r'# TYPE (\S+)', text))
        self.assertGreater(len(asked), 25)
        self.assertEqual(set(), {name for name in asked if name not in families and re.sub('_(sum|count|bucket)$', '', name) not in families})
        self.assertIn('gantry_service_cpu_utilization_percent{cluster="default",service="busy"}', text)

    def exposed(self):
        with urllib.request.urlopen(self.lab.variables['AWS_ENDPOINT_URL'] + '/metrics', timeout=5) as answer:
            return answer.read().decode()

    def pid_of(self, task):
        from test_run_task import container_pid
        return container_pid(self.lab.task(task)['containers'][0]['runtimeId'])


class Balancers(BalancerTest):
    @staticmethod
    def get(port, path, count):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
        for _ in range(count):
            connection.request('GET', path)
            connection.getresponse().read()
        connection.close()

    def test_requests_are_counted_over_a_reload(self):
        reader, one, two = Reader(self.lab), self.target('one'), self.target('two')
        group, balancer = self.group(one, two), self.balancer()
        port, _ = self.listen(balancer, group)
        self.wait_healthy(group, 2)
        where = {'LoadBalancer': balancer['LoadBalancerArn'].split(':loadbalancer/')[1]}
        target = {'TargetGroup': group.split(':')[-1]}
        self.until(port, 'one')
        before = reader.sum('AWS/ApplicationELB', 'RequestCount', **where)
        self.get(port, '/', 20)
        wait_for(lambda: reader.sum('AWS/ApplicationELB', 'RequestCount', **where) >= before + 20, 4, 'the requests', 0.2)
        base = reader.sum('AWS/ApplicationELB', 'RequestCount', **where)
        self.get(port, '/', 30)
        self.listen(balancer, group)  # another listener: the proxy reloads while the last second is not read yet
        self.get(port, '/', 30)
        wait_for(lambda: reader.sum('AWS/ApplicationELB', 'RequestCount', **where) >= base + 60, 6, 'the requests', 0.2)
        time.sleep(1.5)
        self.assertEqual(reader.sum('AWS/ApplicationELB', 'RequestCount', **where), base + 60)
        self.assertEqual(reader.sum('AWS/ApplicationELB', 'RequestCount', **where, **target), base + 60)
        self.assertEqual(reader.sum('AWS/ApplicationELB', 'HTTPCode_Target_2XX_Count', **where), base + 60)
        self.assertAlmostEqual(reader.sum('AWS/ApplicationELB', 'RequestCountPerTarget', **target), (base + 60) / 2, delta=base)
        self.assertEqual(reader.values('AWS/ApplicationELB', 'HealthyHostCount', **where, **target)[0], 2)
        self.assertEqual(reader.sum('AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', **where), 0)


class History(unittest.TestCase):
    def start(self):
        server = Process('server', '--data-dir', self.data, '--listen', '127.0.0.1:0', log=os.path.join(self.dir, 'log')).wait_ready()
        self.addCleanup(server.stop)
        self.cloudwatch = Clients(read_env(self.data)).client('cloudwatch')
        return server

    def test_outlives_a_killed_server(self):
        self.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.data = os.path.join(self.dir, 'data')
        server = self.start()
        began = now()
        for hours in (30, 3, 0):  # on disk only, of an hour that is over, and of now
            self.cloudwatch.put_metric_data(Namespace='shop', MetricData=[
                {'MetricName': 'Orders', 'Timestamp': began - datetime.timedelta(hours=hours), 'Values': [1.5, 2.5], 'Counts': [1, 3]}])
        time.sleep(4.5)  # a second is written when it and a second of grace are over
        server.kill()
        self.start()
        reader = Reader(self)
        self.assertEqual([9.0, 9.0, 9.0], reader.values('shop', 'Orders', 'Sum', 300, 40 * 60))
        self.assertEqual([2.5] * 3, reader.values('shop', 'Orders', 'p50', 3600, 40 * 60))
        self.assertEqual(['Orders'], [m['MetricName'] for m in self.cloudwatch.list_metrics(Namespace='shop')['Metrics']])


if __name__ == '__main__':
    unittest.main()
