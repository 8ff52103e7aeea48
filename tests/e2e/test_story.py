# SPDX-License-Identifier: Apache-2.0
"""A web service from nothing, as somebody sets it up with the AWS CLI: a network of one's own, a balancer, tasks on two machines. Who reaches
it and who does not; releases, scaling and the loss of a machine under load.

The server's machine runs the balancer and an agent, which lets it into the network; no task is placed there.
"""
import json
import os
import time
import unittest

from farm import Load
from lab import PATIENCE, wait_for
from machines import Fleet
from test_network import Task, answers

PORT = 8080
TASKS = 3
SECONDS = int(os.environ.get('GANTRY_LOAD_SECONDS', '12'))
CONNECTIONS = 16
ANYWHERE = '0.0.0.0/0'
# Enough for tests of what fails; `make load` on a machine of its own asks for more.
RATE = int(os.environ.get('GANTRY_LOAD_RATE', '500'))


def web(image, version):
    """Answers at once with its version and host name: this machine's HAProxy in a task, for there is no faster server at hand."""
    config = r'defaults\n  mode http\n  timeout client 60s\nfrontend web\n  bind :%d\n  http-request return status 200 content-type text/plain string %s-%s\n'
    volumes = {'usr': ('/usr', '/usr'), 'lib': ('/usr/lib', '/lib'), 'lib64': ('/usr/lib64', '/lib64')}
    return {'family': 'web', 'networkMode': 'awsvpc', 'volumes': [{'name': n, 'host': {'sourcePath': v[0]}} for n, v in volumes.items()],
            'containerDefinitions': [{
                'name': 'web', 'image': image, 'memory': 64, 'stopTimeout': 2, 'portMappings': [{'containerPort': PORT}],
                'mountPoints': [{'sourceVolume': n, 'containerPath': v[1], 'readOnly': True} for n, v in volumes.items()],
                'command': ['sh', '-c', f'printf "{config}" {PORT} {version} $HOSTNAME >/tmp/web.cfg; exec haproxy -db -f /tmp/web.cfg']}]}


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(('us-east-1a', 'us-east-1b'), server_options=('--balancer', '--balancer-address', '0.0.0.0'), beside='us-east-1a')
        cls.addClassCleanup(cls.fleet.stop)
        cls.fleet.start()
        cls.ecs, cls.ec2, cls.elb = cls.fleet.ecs, cls.fleet.ec2, cls.fleet.elbv2
        cls.set_up_network()
        cls.set_up_balancer()
        cls.versions = [cls.version('v1'), cls.version('v2')]
        network = f'awsvpcConfiguration={{subnets=[{",".join(cls.subnets)}],securityGroups=[{cls.inside}]}}'
        cls.aws('ecs', 'create-service', '--service-name', 'web', '--task-definition', cls.versions[0], '--desired-count', str(TASKS),
                '--launch-type', 'EC2', '--network-configuration', network, '--placement-constraints',
                'type=memberOf,expression=attribute:machine != server', '--placement-strategy', 'type=spread,field=instanceId',
                '--load-balancers', f'targetGroupArn={cls.group},containerName=web,containerPort={PORT}')
        cls.stable(TASKS)

    @classmethod
    def aws(cls, *words):
        return cls.fleet.aws(*words, '--output', 'json')

    @classmethod
    def set_up_network(cls):
        cls.vpc = cls.aws('ec2', 'create-vpc', '--cidr-block', '10.8.0.0/16')['Vpc']['VpcId']
        cls.subnets = [cls.aws('ec2', 'create-subnet', '--vpc-id', cls.vpc, '--cidr-block', f'10.8.{i}.0/24', '--availability-zone', zone)[
            'Subnet']['SubnetId'] for i, zone in enumerate(cls.fleet.zones)]
        cls.outside, cls.inside = (cls.aws('ec2', 'create-security-group', '--group-name', name, '--description', name, '--vpc-id', cls.vpc)['GroupId']
                                   for name in ('balancer', 'web'))
        cls.aws('ec2', 'authorize-security-group-ingress', '--group-id', cls.outside, '--protocol', 'tcp', '--port', '80', '--cidr', ANYWHERE)
        cls.aws('ec2', 'authorize-security-group-ingress', '--group-id', cls.inside, '--protocol', 'tcp', '--port', str(PORT),
                '--source-group', cls.outside)

    @classmethod
    def set_up_balancer(cls):
        balancer = cls.aws('elbv2', 'create-load-balancer', '--name', 'web', '--subnets', *cls.subnets, '--security-groups', cls.outside)['LoadBalancers'][0]
        cls.name, cls.balancer = balancer['DNSName'], balancer['LoadBalancerArn']
        cls.group = cls.aws('elbv2', 'create-target-group', '--name', 'web', '--protocol', 'HTTP', '--port', '80', '--target-type', 'ip',
                            '--vpc-id', cls.vpc, '--health-check-interval-seconds', '5', '--health-check-timeout-seconds', '2',
                            '--healthy-threshold-count', '2', '--unhealthy-threshold-count', '2')['TargetGroups'][0]['TargetGroupArn']
        cls.aws('elbv2', 'modify-target-group-attributes', '--target-group-arn', cls.group, '--attributes',
                'Key=deregistration_delay.timeout_seconds,Value=10')
        cls.aws('elbv2', 'create-listener', '--load-balancer-arn', cls.balancer, '--protocol', 'HTTP', '--port', '80', '--default-actions',
                f'Type=forward,TargetGroupArn={cls.group}')

    @classmethod
    def version(cls, version):
        made = cls.aws('ecs', 'register-task-definition', '--cli-input-json', json.dumps(web(cls.fleet.image, version)))['taskDefinition']
        return f'web:{made["revision"]}'

    # ---- looking ----

    @classmethod
    def service(cls):
        return cls.ecs.describe_services(services=['web'])['services'][0]

    @classmethod
    def stable(cls, count, timeout=60):
        def settled():
            s = cls.service()
            return len(s['deployments']) == 1 and s['runningCount'] == s['desiredCount'] == count and s['pendingCount'] == 0
        try:
            wait_for(settled, timeout, f'a stable service of {count}')
            wait_for(lambda: sorted(cls.health().values()) == ['healthy'] * count, timeout, f'{count} healthy targets and no other')
        except AssertionError as e:
            raise AssertionError(f'{e}: {cls.health()}\n' + '\n'.join(e['message'] for e in cls.service()['events'][:10]) + cls.fleet.tail()) from None

    @classmethod
    def health(cls):
        found = cls.elb.describe_target_health(TargetGroupArn=cls.group)['TargetHealthDescriptions']
        return {d['Target']['Id']: d['TargetHealth']['State'] for d in found}

    def tasks(self):
        return [Task(self, self.fleet.nodes.index(self.fleet.node_of(t)), t['taskArn']).running() for t in self.fleet.running(serviceName='web')]

    def ask(self):
        """What `curl` on the balancer's machine gets by the balancer's name."""
        return self.fleet.host.run(f'curl -sS --max-time 5 http://{self.name}/').strip()

    def load(self, seconds):
        load = Load(f'http://{self.fleet.host.address}/', seconds, connections=CONNECTIONS)
        self.addCleanup(load.process.kill)
        return load

    def within_a_second(self, condition, what):
        """Counts until the attempt begins that finds it so: one at a port that is closed takes its time."""
        began = tried = time.monotonic()
        while not condition():
            self.assertLess(tried - began, 1 * PATIENCE, what)
            tried = time.monotonic()
        self.assertLess(tried - began, 1 * PATIENCE, what)

    # ---- the story ----

    def test_1_reached_only_through_what_was_opened(self):
        tasks = self.tasks()
        self.assertEqual({0, 1}, {self.fleet.nodes.index(t.node) for t in tasks})
        expected = {f'v1-ip-{t.address.replace(".", "-")}.ec2.internal' for t in tasks}
        self.assertEqual(expected, {self.ask() for _ in range(3 * TASKS)})
        for task in tasks:
            for node in self.fleet.nodes:
                machine = f'nsenter -t {node.init} -n'
                self.assertFalse(answers(machine, task.address, PORT), 'a port that nothing opens')
        machine, task = f'nsenter -t {self.fleet.nodes[0].init} -n', next(t for t in tasks if t.node is self.fleet.nodes[1])
        near = next(t for t in tasks if t.node is self.fleet.nodes[0])
        rule = ('--group-id', self.inside, '--protocol', 'tcp', '--port', str(PORT), '--cidr', ANYWHERE)
        # From a machine to its own task and from a task to one on another machine.
        reach = lambda: (answers(machine, near.address, PORT, 0.2), near.reaches(task.address, PORT, 0.2))
        self.assertEqual((False, False), reach())
        self.aws('ec2', 'authorize-security-group-ingress', *rule)
        self.within_a_second(lambda: reach() == (True, True), 'the port to be open')
        self.aws('ec2', 'revoke-security-group-ingress', *rule)
        self.within_a_second(lambda: reach() == (False, False), 'the port to be closed')
        self.assertTrue(self.ask().startswith('v1-'))

    def test_2_agents_restarted(self):
        """What is open stays open and what is closed stays closed, and the tasks are the same."""
        before = {t.address: t for t in self.tasks()}
        nodes = [*self.fleet.nodes, self.fleet.host]
        for node in nodes:
            node.kill_agent()
        self.assertEqual(TASKS, len({self.ask() for _ in range(2 * TASKS)}))
        for node in nodes:
            node.start_agent()
        for node in nodes:
            node.joined()
        self.assertEqual(set(before), set(self.health()))
        self.assertEqual(TASKS, len({self.ask() for _ in range(2 * TASKS)}))
        for task in before.values():
            self.assertFalse(answers(f'nsenter -t {task.node.init} -n', task.address, PORT))

    def test_3_releases_and_scaling_under_load(self):
        load = self.load(SECONDS)
        other = 1
        while load.running():
            self.ecs.update_service(service='web', taskDefinition=self.versions[other])
            self.stable(TASKS)
            self.assertEqual({f'v{other + 1}'}, {self.ask().split('-')[0] for _ in range(TASKS)})
            other = 1 - other
            self.ecs.update_service(service='web', taskDefinition=self.versions[other])
            self.stable(TASKS)
            self.ecs.update_service(service='web', desiredCount=10)
            self.stable(10)
            self.ecs.update_service(service='web', desiredCount=TASKS)
            self.stable(TASKS)
        load.finish()
        print(f'{load.requests} requests, {load.per_second:.0f}/s, {load.failed} failed', end=' ', flush=True)
        self.assertEqual(0, load.failed, load.text)
        self.assertGreater(load.per_second, RATE)

    def test_4_a_machine_is_lost_under_load(self):
        """Each connection has at most one request in flight there; nothing that is asked later fails."""
        lost, other = self.fleet.nodes[1], self.fleet.nodes[0].arn
        load = self.load(max(SECONDS, 20))
        time.sleep(2)
        began = time.monotonic()
        lost.kill()
        wait_for(lambda: [other] * TASKS == [t['containerInstanceArn'] for t in self.fleet.running(serviceName='web')] and
                 list(self.health().values()) == ['healthy'] * TASKS, 60, 'all tasks on the other machine', 0.2)
        took = time.monotonic() - began
        load.finish()
        print(f'replaced after {took:.1f} s; {load.requests} requests, {load.per_second:.0f}/s, {load.failed} failed', end=' ', flush=True)
        self.assertLessEqual(load.failed, CONNECTIONS, load.text)
        after = self.load(2).finish()
        self.assertEqual(0, after.failed, after.text)
        lost.boot()
        lost.start_agent().joined()


if __name__ == '__main__':
    unittest.main()
