# SPDX-License-Identifier: Apache-2.0
"""Services of real containers: 1, 10 and 50 until all are RUNNING, a killed container until its replacement is, a rollout of 10, and a node
that falls silent until its tasks run elsewhere.

Where there is a `dockerd` (it is started here, nothing of this machine's own is touched), Docker Swarm does the same in the same rounds, in
turns, with the same program on the host's network, polled as often over its own API; then ratios are printed. BENCH_ROUNDS (5).
"""
import datetime
import http.client
import json
import os
import signal
import statistics
import sys
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from dockerd import IMAGE, Dockerd  # noqa: E402
from lab import Lab, busybox_image, wait_for  # noqa: E402
from machines import Fleet  # noqa: E402
from test_run_task import container_pid  # noqa: E402

ROUNDS = int(os.environ.get('BENCH_ROUNDS', '5'))
SIZES = (1, 10, 50)
POLL = 0.002


# Ends at once when it is asked to: what is measured is the orchestrator.
def command(seconds):
    return ['/bin/sh', '-c', f'trap "exit 0" TERM; sleep {seconds} & wait']


class Poll:
    """One signed request of ECS, sent over and over on one connection: what asks costs as little as it does with the other world."""

    def __init__(self, lab, operation, body):
        self.body = json.dumps(body).encode()
        request = AWSRequest('POST', lab.variables['AWS_ENDPOINT_URL'] + '/', data=self.body,
                             headers={'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': 'AmazonEC2ContainerServiceV20141113.' + operation})
        SigV4Auth(Credentials(lab.variables['AWS_ACCESS_KEY_ID'], lab.variables['AWS_SECRET_ACCESS_KEY']), 'ecs',
                  lab.variables['AWS_REGION']).add_auth(request)
        self.headers = dict(request.headers.items())
        self.connection = http.client.HTTPConnection(lab.variables['AWS_ENDPOINT_URL'].removeprefix('http://'))

    def __call__(self):
        self.connection.request('POST', '/', self.body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text)
        return json.loads(text)


class Gantry:
    name = 'gantry'

    def __init__(self):
        self.lab = Lab('--metadata-port', '-1', '--introspection-port', '-1', '--log-level', 'warn')
        self.lab.start()
        image = busybox_image(self.lab.dir)
        for family in ('one', 'two'):
            self.lab.ecs.register_task_definition(family=family, networkMode='host', containerDefinitions=[
                {'name': 'c', 'image': image, 'memory': 8, 'stopTimeout': 2, 'command': command(600 if family == 'one' else 601)}])
        self.n = 0

    def create(self, replicas):
        self.n += 1
        self.service = f's{self.n}'
        self.poll = Poll(self.lab, 'DescribeServices', {'services': [self.service]})
        self.lab.ecs.create_service(serviceName=self.service, taskDefinition='one', desiredCount=replicas)

    def running(self):
        return self.poll()['services'][0]['runningCount']

    def tasks(self):
        arns = self.lab.ecs.list_tasks(serviceName=self.service)['taskArns']
        tasks = self.lab.ecs.describe_tasks(tasks=arns)['tasks'] if arns else []
        return {t['taskArn']: t for t in tasks if t['lastStatus'] == 'RUNNING' and t['desiredStatus'] == 'RUNNING'}

    def stamped(self):
        """Seconds from the service's creation to its last task's RUNNING, by the server's clock."""
        created = self.lab.ecs.describe_services(services=[self.service])['services'][0]['createdAt']
        return (max(t['startedAt'] for t in self.tasks().values()) - created).total_seconds()

    def kill_one(self):
        task = next(iter(self.tasks().values()))
        os.kill(container_pid(task['containers'][0]['runtimeId']), signal.SIGKILL)

    def roll(self):
        self.lab.ecs.update_service(service=self.service, taskDefinition='two')

    def rolled(self, replicas):
        service = self.poll()['services'][0]
        return len(service['deployments']) == 1 and service['deployments'][0]['rolloutState'] == 'COMPLETED'

    def remove(self):
        """Ends it and waits for the last container's end, as Swarm's is waited for: what goes on of it would be paid by what comes next."""
        arns = self.lab.ecs.list_tasks(serviceName=self.service)['taskArns']
        self.lab.ecs.delete_service(service=self.service, force=True)
        wait_for(lambda: all(t['lastStatus'] == 'STOPPED' for t in self.lab.ecs.describe_tasks(tasks=arns)['tasks']), 60, 'the containers to be gone')

    def stop(self):
        self.lab.stop()


class Swarm(Dockerd):
    """Of one node."""
    name = 'swarm'

    def __init__(self, *options):
        super().__init__('--bridge=none', *options)
        self.call('POST', '/swarm/init', {'ListenAddr': '127.0.0.1:2377', 'AdvertiseAddr': '127.0.0.1'})
        self.n = 0

    def spec(self, replicas, seconds):
        return {'Name': self.service, 'TaskTemplate': {
            'ContainerSpec': {'Image': IMAGE, 'Command': command(seconds), 'StopGracePeriod': 2000000000},
            'RestartPolicy': {'Condition': 'any', 'Delay': 0}, 'Networks': [{'Target': 'host'}]},
            'Mode': {'Replicated': {'Replicas': replicas}}, 'UpdateConfig': {'Parallelism': 0, 'Order': 'start-first', 'Monitor': 500000000}}

    def create(self, replicas):
        self.n += 1
        self.service, self.replicas = f's{self.n}', replicas
        self.id = self.call('POST', '/services/create', self.spec(replicas, 600))['ID']

    def tasks(self):
        filters = json.dumps({'service': [self.service], 'desired-state': ['running']}).replace(' ', '').replace('"', '%22')
        return {t['ID']: t for t in self.call('GET', f'/tasks?filters={filters}') if t['Status']['State'] == 'running'}

    def running(self):
        return len(self.tasks())

    def stamped(self):
        created = self.call('GET', f'/services/{self.id}')['CreatedAt']
        return max(seconds_of(t['Status']['Timestamp']) for t in self.tasks().values()) - seconds_of(created)

    def kill_one(self):
        os.kill(next(iter(self.tasks().values()))['Status']['ContainerStatus']['PID'], signal.SIGKILL)

    def roll(self):
        version = self.call('GET', f'/services/{self.id}')['Version']['Index']
        self.call('POST', f'/services/{self.id}/update?version={version}', self.spec(self.replicas, 601))

    def rolled(self, replicas):
        service = self.call('GET', f'/services/{self.id}')
        return (service.get('UpdateStatus') or {}).get('State') == 'completed'

    def remove(self):
        self.call('DELETE', f'/services/{self.id}')
        wait_for(lambda: not self.call('GET', '/containers/json'), 120, 'the containers to be gone')


def seconds_of(stamp):
    """Of Docker's times, which have nanoseconds: "2026-01-02T03:04:05.678901234Z"."""
    whole, fraction = stamp.rstrip('Z').split('.')
    return datetime.datetime.fromisoformat(whole + '+00:00').timestamp() + float('0.' + fraction)


def until(condition):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < 120, 'takes too long'
        time.sleep(POLL)
    return time.monotonic() - begin


def measure(world):
    """Seconds of each thing, once."""
    took = {}
    for size in SIZES:
        begin = time.monotonic()
        world.create(size)
        until(lambda: world.running() == size)
        took[f'service of {size} until seen RUNNING'] = time.monotonic() - begin
        took[f'service of {size}, by the clock of the server'] = world.stamped()
        if size == 10:
            before = set(world.tasks())
            begin = time.monotonic()
            world.kill_one()
            until(lambda: len(set(world.tasks()) - before) == 1)
            took['killed container until replaced'] = time.monotonic() - begin
            begin = time.monotonic()
            world.roll()
            until(lambda: world.rolled(size))
            took['rollout of 10'] = time.monotonic() - begin
        world.remove()
    return took


def silent_node(lease_ms):
    """Seconds from the last packet of a node until all its tasks run elsewhere."""
    took = []
    with Fleet(['us-east-1a', 'us-east-1b', 'us-east-1c']) as fleet:
        fleet.ecs.register_task_definition(family='s', networkMode='host', containerDefinitions=[
            {'name': 'c', 'image': fleet.image, 'memory': 8, 'stopTimeout': 2, 'command': command(600)}])
        if lease_ms:
            fleet.ecs.tag_resource(resourceArn=fleet.ecs.describe_clusters()['clusters'][0]['clusterArn'],
                                   tags=[{'key': 'gantry:lease-ms', 'value': str(lease_ms)}])
        fleet.ecs.create_service(serviceName='s', taskDefinition='s', desiredCount=12)
        wait_for(lambda: len(fleet.running()) == 12, 30, 'the service')
        for _ in range(3 if lease_ms else 1):
            node = fleet.nodes[0]
            arn = node.arn
            # The zones are brought into balance again after the round before.
            wait_for(lambda: len(fleet.running()) == 12 and len([t for t in fleet.running() if t['containerInstanceArn'] == arn]) == 4, 60,
                     'four tasks on each node')
            begin = time.monotonic()
            node.cut()
            until(lambda: len([t for t in fleet.running() if t['containerInstanceArn'] != arn]) >= 12)
            took.append(time.monotonic() - begin)
            node.heal()
            node.joined()
    return took


def show(name, own, peer=None):
    line = f'{name:38} gantry p50 {statistics.median(own) * 1000:8.1f} ms   worst {max(own) * 1000:8.1f} ms'
    if peer:
        line += f'   swarm p50 {statistics.median(peer) * 1000:8.1f} ms   worst {max(peer) * 1000:8.1f} ms   ratio {statistics.median(peer) / statistics.median(own):6.1f}'
    print(line, flush=True)


def main():
    swarm = Swarm.start()
    worlds = [Gantry(), *([swarm] if swarm else [])]
    figures = {world.name: [] for world in worlds}
    try:
        for world in worlds:
            measure(world)  # warms caches
        for _ in range(ROUNDS):
            for world in worlds:
                figures[world.name].append(measure(world))
    finally:
        for world in worlds:
            world.stop()
    for name in figures['gantry'][0]:
        show(name, [f[name] for f in figures['gantry']], [f[name] for f in figures.get('swarm', [])])
    show('silent node, lease as it is', silent_node(None))
    show('silent node, lease of 1 s', silent_node(1000))


if __name__ == '__main__':
    main()
