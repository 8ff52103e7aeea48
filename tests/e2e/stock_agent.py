#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The unmodified Amazon ECS agent with Docker as a node of a Gantry server.

Not a part of the suite (which needs neither): it wants the agent's program and a Docker daemon.

    STOCK_ECS_AGENT=/path/of/agent DOCKER_HOST=unix:///var/run/docker.sock python3 tests/e2e/stock_agent.py -v

Run it as root in the network namespace of the daemon, best one made for it: the agent takes the ports 51678 and 51679, and
containers use ports of the host. The tests that need the address 169.254.170.2 are skipped where docs/agents.md's rules for it
are not set.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import uuid

from lab import GANTRY, Clients, Lab, Process, busybox_image, error_code, get, read_env, wait_for

AGENT = os.environ.get('STOCK_ECS_AGENT', '')
DOCKER_HOST = os.environ.get('DOCKER_HOST', 'unix:///var/run/docker.sock')
LISTEN = os.environ.get('STOCK_LISTEN', '127.0.0.1:4327')
IMAGE = 'gantry-check/busybox:1'
# How long the idle agent is watched for connections that come and go.
IDLE_SECONDS = int(os.environ.get('STOCK_IDLE_SECONDS', '200'))


def missing():
    """Why the check cannot run here, or None."""
    if not os.access(AGENT, os.X_OK):
        return 'STOCK_ECS_AGENT names no program'
    if not shutil.which('docker') or not shutil.which('skopeo'):
        return 'needs the programs docker and skopeo'
    if docker('version', check=False).returncode != 0:
        return f'no Docker daemon answers at {DOCKER_HOST}'
    return None


def docker(*words, check=True):
    return subprocess.run(['docker', '-H', DOCKER_HOST, *words], check=check, capture_output=True, text=True)


def load_image(directory):
    """The daemon gets the image from a file: nothing is pulled."""
    tar = os.path.join(directory, 'busybox.tar')
    subprocess.run(['skopeo', 'copy', '-q', busybox_image(directory), f'docker-archive:{tar}:{IMAGE}'], check=True)
    docker('load', '-i', tar)


class Agent:
    """The agent's process; its state folder outlives it, so start() again is a restart."""

    def __init__(self, directory, url, key):
        self.dir, self.url, self.key = directory, url, key
        self.process = None
        for name in ('data', 'log'):
            os.makedirs(os.path.join(directory, name), exist_ok=True)

    def environment(self):
        return {
            'PATH': os.environ['PATH'],
            'DOCKER_HOST': DOCKER_HOST,
            'ECS_EXTERNAL': 'true',
            'ECS_CLUSTER': 'default',
            'ECS_BACKEND_HOST': self.url,
            'AWS_DEFAULT_REGION': 'us-east-1',
            'AWS_ACCESS_KEY_ID': self.key['access-key'],
            'AWS_SECRET_ACCESS_KEY': self.key['secret-key'],
            'ECS_DATADIR': os.path.join(self.dir, 'data'),
            'ECS_LOGFILE': os.path.join(self.dir, 'log', 'agent.log'),
            'ECS_LOGLEVEL': 'debug',
            'ECS_AUDIT_LOGFILE': os.path.join(self.dir, 'log', 'audit.log'),
            'ECS_AVAILABLE_LOGGING_DRIVERS': '["json-file","awslogs","syslog","journald","gelf","fluentd","splunk","none"]',
            'ECS_ENABLE_TASK_IAM_ROLE': 'true',
            'ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST': 'true',
            'ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE': 'true',
            'ECS_IMAGE_PULL_BEHAVIOR': 'prefer-cached',
            'ECS_CONTAINER_STOP_TIMEOUT': '3s',
            'ECS_INSTANCE_ATTRIBUTES': '{"rack":"r7"}',
        }

    def start(self):
        self.output = open(os.path.join(self.dir, 'log', 'out'), 'ab')
        self.process = subprocess.Popen([AGENT], env=self.environment(), stdout=self.output, stderr=self.output, cwd=self.dir)
        return self

    def end(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self.output.close()
        self.process = None
        return status

    def log(self):
        text = ''
        for path in sorted(glob.glob(os.path.join(self.dir, 'log', 'agent.log*'))):
            with open(path, errors='replace') as f:
                text += f.read()
        return text


@unittest.skipIf(missing(), missing())
class StockAgent(unittest.TestCase):
    """One server and one agent for all; the tests are independent of each other's tasks."""

    @classmethod
    def setUpClass(cls):
        cls.dir = os.environ.get('STOCK_DIR') or tempfile.mkdtemp(prefix='gantry-stock-')
        os.makedirs(cls.dir, exist_ok=True)
        cls.data = os.path.join(cls.dir, 'server')
        load_image(cls.dir)
        cls.server = None
        cls.addClassCleanup(cls.clean)
        cls.start_server()
        cls.variables = read_env(cls.data)
        cls.clients = Clients(cls.variables)
        cls.ecs = cls.clients.ecs
        out = subprocess.run([GANTRY, 'keys', 'create', '--agent', '--data-dir', cls.data], check=True, capture_output=True, text=True).stdout
        key = dict(line.split(' = ', 1) for line in out.splitlines())
        cls.agent = Agent(os.path.join(cls.dir, 'agent'), 'http://' + LISTEN, key).start()
        cls.instance_arn = wait_for(cls.connected_arn, 60, 'the agent to connect')

    @classmethod
    def start_server(cls):
        cls.server = Process('server', '--data-dir', cls.data, '--listen', LISTEN, '--create-default-cluster',
                             log=os.path.join(cls.dir, 'server.log')).wait_ready()

    @classmethod
    def clean(cls):
        if hasattr(cls, 'agent'):
            cls.agent.end()
        if cls.server:
            cls.server.stop()
        ids = docker('ps', '-aq', '--filter', 'label=com.amazonaws.ecs.cluster').stdout.split()
        if ids:
            docker('rm', '-f', *ids)
        if not os.environ.get('STOCK_DIR'):
            shutil.rmtree(cls.dir, ignore_errors=True)

    def setUp(self):
        # A test before this one may have stopped the agent or the server.
        wait_for(lambda: self.instance()['agentConnected'], 90, 'the agent to be back')

    # ---- helpers ----

    @classmethod
    def connected_arn(cls):
        arns = cls.ecs.list_container_instances()['containerInstanceArns']
        if not arns:
            return None
        one = cls.ecs.describe_container_instances(containerInstances=arns[:1])['containerInstances'][0]
        return one['containerInstanceArn'] if one['agentConnected'] else None

    def instance(self):
        return self.ecs.describe_container_instances(containerInstances=[self.instance_arn])['containerInstances'][0]

    def define(self, *containers, **more):
        family = 'f' + uuid.uuid4().hex[:8]
        full = [{'name': f'c{i}', 'image': IMAGE, 'memory': 32, 'essential': True, **c} for i, c in enumerate(containers)]
        body = {'family': family, 'containerDefinitions': full, **more}
        return Lab.call(self, 'RegisterTaskDefinition', body)['taskDefinition']['taskDefinitionArn']

    def run_task(self, definition, **more):
        answer = self.ecs.run_task(taskDefinition=definition, **more)
        self.assertEqual([], answer['failures'])
        arn = answer['tasks'][0]['taskArn']
        self.addCleanup(self.stop, arn)
        return arn

    def task(self, arn):
        return self.ecs.describe_tasks(tasks=[arn])['tasks'][0]

    def stop(self, arn):
        if self.task(arn)['lastStatus'] != 'STOPPED':
            self.ecs.stop_task(task=arn, reason='the check is over')

    def reach(self, arn, status='RUNNING', timeout=60):
        def reached():
            task = self.task(arn)
            return task if task['lastStatus'] in (status, 'STOPPED') else None
        task = wait_for(reached, timeout, f'{arn} to be {status}', interval=0.2)
        self.assertEqual(status, task['lastStatus'], json.dumps(task, default=str, indent=1))
        return task

    def start(self, *containers, **more):
        """Defines, runs and waits for RUNNING; the task."""
        return self.reach(self.run_task(self.define(*containers, **more)))

    @staticmethod
    def container(task, name='c0'):
        return next(c for c in task['containers'] if c['name'] == name)

    def inspect(self, task, name='c0'):
        return json.loads(docker('inspect', self.container(task, name)['runtimeId']).stdout)[0]

    # ---- the tests, in alphabetical order ----

    def test_a_registration(self):
        instance = self.instance()
        self.assertEqual(('ACTIVE', True), (instance['status'], instance['agentConnected']))
        attributes = {a['name']: a.get('value') for a in instance['attributes']}
        self.assertEqual('r7', attributes['rack'])
        self.assertEqual('linux', attributes['ecs.os-type'])
        self.assertIn('ecs.capability.external', attributes)
        self.assertRegex(instance['versionInfo']['agentVersion'], r'^\d+\.\d+\.\d+')
        self.assertTrue(instance['versionInfo']['dockerVersion'])
        resources = {r['name']: r for r in instance['registeredResources']}
        self.assertEqual(os.cpu_count() * 1024, resources['CPU']['integerValue'])
        self.assertIn('51678', resources['PORTS']['stringSetValue'])

    def test_b_whole_life(self):
        task = self.start({'command': ['sh', '-c', 'echo "$GREETING"; trap "exit 7" TERM; while :; do sleep 0.1; done'],
                           'environment': [{'name': 'GREETING', 'value': 'hello "you"'}], 'cpu': 64,
                           'workingDirectory': '/tmp', 'dockerLabels': {'shown': 'yes'},
                           'logConfiguration': {'logDriver': 'json-file', 'options': {'max-size': '1m'}}})
        inspected = self.inspect(task)
        self.assertEqual((32 << 20, 64), (inspected['HostConfig']['Memory'], inspected['HostConfig']['CpuShares']))
        self.assertEqual({'Type': 'json-file', 'Config': {'max-size': '1m'}}, inspected['HostConfig']['LogConfig'])
        self.assertEqual(('/tmp', 'yes'), (inspected['Config']['WorkingDir'], inspected['Config']['Labels']['shown']))
        wait_for(lambda: 'hello "you"\n' in docker('logs', inspected['Id']).stdout, 10, 'the greeting')
        held = {r['name']: r for r in self.instance()['remainingResources']}
        self.assertEqual(os.cpu_count() * 1024 - 64, held['CPU']['integerValue'])
        self.ecs.stop_task(task=task['taskArn'], reason='seen enough')
        task = self.reach(task['taskArn'], 'STOPPED')
        self.assertEqual(('UserInitiated', 'seen enough'), (task['stopCode'], task['stoppedReason']))
        self.assertEqual(7, self.container(task)['exitCode'])
        for time_name in ('createdAt', 'startedAt', 'stoppingAt', 'stoppedAt', 'executionStoppedAt'):
            self.assertIn(time_name, task)

    def test_c_two_containers(self):
        healthy = {'command': ['CMD-SHELL', 'test -e /tmp/up'], 'interval': 5, 'timeout': 2, 'retries': 3}
        arn = self.run_task(self.define(
            {'command': ['sh', '-c', 'sleep 2; touch /tmp/up; exec sleep 600'], 'healthCheck': healthy},
            {'command': ['sh', '-c', 'mkdir /www; echo well >/www/index.html; exec httpd -f -p 80 -h /www'],
             'dependsOn': [{'containerName': 'c0', 'condition': 'HEALTHY'}],
             'portMappings': [{'containerPort': 80}, {'containerPort': 81, 'hostPort': 8181, 'protocol': 'udp'}]}))
        task = self.reach(arn)
        bindings = {b['containerPort']: b for b in self.container(task, 'c1')['networkBindings']}
        self.assertEqual((8181, 'udp'), (bindings[81]['hostPort'], bindings[81]['protocol']))
        self.assertEqual('well\n', get(f'http://127.0.0.1:{bindings[80]["hostPort"]}/'))
        task = wait_for(lambda: (lambda t: t if t['healthStatus'] == 'HEALTHY' else None)(self.task(arn)), 60, 'HEALTHY', 0.5)
        self.assertEqual(['HEALTHY', 'UNKNOWN'], [self.container(task, n)['healthStatus'] for n in ('c0', 'c1')])
        docker('exec', self.container(task)['runtimeId'], 'rm', '/tmp/up')
        wait_for(lambda: self.task(arn)['healthStatus'] == 'UNHEALTHY', 90, 'UNHEALTHY', 0.5)
        again = self.ecs.run_task(taskDefinition=task['taskDefinitionArn'])
        self.assertEqual(['RESOURCE:PORTS'], [f['reason'] for f in again['failures']])

    def test_d_essential_exit(self):
        arn = self.run_task(self.define({'command': ['sh', '-c', 'sleep 1; exit 3']}, {'command': ['sleep', '600']}))
        task = self.reach(arn, 'STOPPED')
        self.assertEqual(('EssentialContainerExited', 'Essential container in task exited'), (task['stopCode'], task['stoppedReason']))
        self.assertEqual(3, self.container(task)['exitCode'])
        self.assertEqual(137, self.container(task, 'c1')['exitCode'])

    def test_d_sidecar_exit(self):
        arn = self.start({'command': ['sleep', '600']}, {'command': ['sh', '-c', 'sleep 1; exit 4'], 'essential': False})['taskArn']
        task = wait_for(lambda: (lambda t: t if self.container(t, 'c1')['lastStatus'] == 'STOPPED' else None)(self.task(arn)), 60, 'c1', 0.5)
        self.assertEqual(('RUNNING', 4), (task['lastStatus'], self.container(task, 'c1')['exitCode']))

    def test_e_out_of_memory(self):
        arn = self.run_task(self.define({'command': ['sh', '-c', 'tail /dev/zero'], 'memory': 16}))
        task = self.reach(arn, 'STOPPED')
        self.assertEqual(137, self.container(task)['exitCode'])
        self.assertRegex(self.container(task)['reason'], '^OutOfMemoryError: ')

    def test_e_no_such_image(self):
        task = self.reach(self.run_task(self.define({'image': '127.0.0.1:1/no/such:1'})), 'STOPPED', 120)
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertRegex(self.container(task)['reason'], '^CannotPull[A-Za-z]*Error: ')
        self.assertNotIn('exitCode', self.container(task))

    def test_e_no_such_command(self):
        task = self.reach(self.run_task(self.define({'command': ['/no/such']})), 'STOPPED')
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertRegex(self.container(task)['reason'], '^CannotStartContainerError: ')

    def test_f_overrides_and_limits(self):
        definition = self.define({'command': ['false'], 'environment': [{'name': 'A', 'value': '1'}], 'user': '1000:1000',
                                  'ulimits': [{'name': 'nofile', 'softLimit': 512, 'hardLimit': 1024}],
                                  'linuxParameters': {'initProcessEnabled': True, 'sharedMemorySize': 8,
                                                      'tmpfs': [{'containerPath': '/scratch', 'size': 4}],
                                                      'capabilities': {'drop': ['NET_RAW']}},
                                  'extraHosts': [{'hostname': 'there', 'ipAddress': '10.1.2.3'}], 'hostname': 'me',
                                  'mountPoints': [{'sourceVolume': 'scratch', 'containerPath': '/vol'}],
                                  'readonlyRootFilesystem': True, 'memoryReservation': 16, 'stopTimeout': 2},
                                 volumes=[{'name': 'scratch'}], cpu='256', memory='64')
        arn = self.run_task(definition, overrides={'containerOverrides': [
            {'name': 'c0', 'command': ['sleep', '600'], 'environment': [{'name': 'A', 'value': '2'}]}]})
        inspected = self.inspect(self.reach(arn))
        host, config = inspected['HostConfig'], inspected['Config']
        self.assertIn('A=2', config['Env'])
        self.assertEqual(('1000:1000', 'me', True), (config['User'], config['Hostname'], host['Init']))
        self.assertEqual((16 << 20, 8 << 20, True), (host['MemoryReservation'], host['ShmSize'], host['ReadonlyRootfs']))
        self.assertEqual((['there:10.1.2.3'], ['NET_RAW'], {'/scratch': 'size=4m'}), (host['ExtraHosts'], host['CapDrop'], host['Tmpfs']))
        self.assertEqual([{'Name': 'nofile', 'Soft': 512, 'Hard': 1024}], host['Ulimits'])
        self.assertTrue(any(m['Destination'] == '/vol' for m in inspected['Mounts']))
        self.assertRegex(host['CgroupParent'], '/ecs/|ecstasks-')

    def test_f_network_modes(self):
        for mode in ('host', 'none'):
            task = self.start({'command': ['sleep', '600'], **({'portMappings': [{'containerPort': 8182}]} if mode == 'host' else {})},
                              networkMode=mode)
            self.assertEqual(mode, self.inspect(task)['HostConfig']['NetworkMode'])
            if mode == 'host':
                self.assertEqual([8182], [b['hostPort'] for b in self.container(task)['networkBindings']])

    def test_f_restart_policy(self):
        arn = self.start({'command': ['sh', '-c', 'sleep 62; exit 1'],
                          'restartPolicy': {'enabled': True, 'restartAttemptPeriod': 60}})['taskArn']
        runtime = self.container(self.task(arn))['runtimeId']
        wait_for(lambda: json.loads(docker('inspect', runtime).stdout)[0]['State']['StartedAt'] >
                 json.loads(docker('inspect', runtime).stdout)[0]['Created'] and self.restarted(arn), 120, 'the restart', 1)
        self.assertEqual('RUNNING', self.task(arn)['lastStatus'])

    @staticmethod
    def restarted(arn):
        tasks = json.loads(get(f'http://127.0.0.1:51678/v1/tasks?taskarn={arn}'))
        return tasks['Containers'][0].get('RestartCount', 0) >= 1

    def test_f_volumes_and_links(self):
        task = self.start({'command': ['sleep', '600'], 'mountPoints': [{'sourceVolume': 'shared', 'containerPath': '/data'}]},
                          {'command': ['sleep', '600'], 'links': ['c0:first'], 'volumesFrom': [{'sourceContainer': 'c0', 'readOnly': True}]},
                          volumes=[{'name': 'shared', 'dockerVolumeConfiguration': {'scope': 'task', 'driver': 'local'}}])
        first, second = (self.container(task, n)['runtimeId'] for n in ('c0', 'c1'))
        docker('exec', first, 'sh', '-c', 'echo shared >/data/x')
        self.assertEqual('shared\n', docker('exec', second, 'cat', '/data/x').stdout)
        self.assertIn('first', docker('exec', second, 'cat', '/etc/hosts').stdout)

    def test_g_task_role(self):
        role = 'arn:aws:iam::123456789012:role/worker'
        task = self.start({'command': ['sleep', '600']}, taskRoleArn=role)
        env = dict(e.split('=', 1) for e in self.inspect(task)['Config']['Env'])
        url = 'http://127.0.0.1:51679' + env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
        first = json.loads(get(url))
        self.assertEqual(role, first['RoleArn'])
        self.assert_identity(first)
        self.agent.end(signal.SIGKILL)
        self.agent.start()
        again = wait_for(lambda: self.quiet_get(url), 60, 'the credentials to be sent again', 0.5)
        self.assertEqual(role, json.loads(again)['RoleArn'])
        self.assert_identity(json.loads(again))

    @staticmethod
    def quiet_get(url):
        try:
            return get(url)
        except (urllib.error.URLError, OSError):
            return None

    def assert_identity(self, credentials):
        import boto3
        sts = boto3.client('sts', region_name='us-east-1', endpoint_url=self.variables['AWS_ENDPOINT_URL'],
                           aws_access_key_id=credentials['AccessKeyId'], aws_secret_access_key=credentials['SecretAccessKey'],
                           aws_session_token=credentials['Token'])
        self.assertIn('worker', sts.get_caller_identity()['Arn'])

    def test_h_agent_restart(self):
        task = self.start({'command': ['sh', '-c', 'trap "exit 5" TERM; while :; do sleep 0.1; done']})
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.agent.end(number)
            wait_for(lambda: not self.instance()['agentConnected'], 30, 'agentConnected to be false')
            self.agent.start()
            wait_for(lambda: self.instance()['agentConnected'], 60, 'the agent to be back')
            self.assertEqual([self.instance_arn], self.ecs.list_container_instances()['containerInstanceArns'])
            self.assertIn({'name': 'rack', 'value': 'r7'}, [{k: a.get(k) for k in ('name', 'value')} for a in self.instance()['attributes']])
        time.sleep(5)
        self.assert_same(task)
        self.ecs.stop_task(task=task['taskArn'])
        self.assertEqual(5, self.container(self.reach(task['taskArn'], 'STOPPED'))['exitCode'])

    def assert_same(self, task):
        now = self.task(task['taskArn'])
        self.assertEqual(('RUNNING', self.container(task)['runtimeId']), (now['lastStatus'], self.container(now)['runtimeId']))
        self.assertTrue(self.inspect(now)['State']['Running'])

    def test_h_exit_while_agent_is_away(self):
        task = self.start({'command': ['sh', '-c', 'sleep 4; exit 9']})
        self.agent.end(signal.SIGKILL)
        time.sleep(5)
        self.agent.start()
        self.assertEqual(9, self.container(self.reach(task['taskArn'], 'STOPPED'))['exitCode'])

    def test_h_stop_while_agent_is_away(self):
        task = self.start({'command': ['sleep', '600']})
        self.agent.end(signal.SIGKILL)
        self.ecs.stop_task(task=task['taskArn'])
        self.agent.start()
        self.reach(task['taskArn'], 'STOPPED')

    def test_i_server_restart(self):
        tasks = [self.start({'command': ['sleep', '600']}) for _ in range(3)]
        for _ in range(2):
            self.server.kill(signal.SIGKILL)
            time.sleep(1)
            self.start_server()
            wait_for(lambda: self.instance()['agentConnected'], 90, 'the agent to be back')
            time.sleep(5)
            for task in tasks:
                self.assert_same(task)
                twins = docker('ps', '-q', '--filter', 'label=com.amazonaws.ecs.task-arn=' + task['taskArn']).stdout.split()
                self.assertEqual(1, len(twins))

    def test_i_exit_while_server_is_away(self):
        task = self.start({'command': ['sh', '-c', 'sleep 4; exit 6']})
        self.server.kill(signal.SIGKILL)
        time.sleep(6)
        self.start_server()
        self.assertEqual(6, self.container(self.reach(task['taskArn'], 'STOPPED', 120))['exitCode'])

    def test_j_many(self):
        definition = self.define({'command': ['sleep', '600'], 'memory': 8})
        arns = [t['taskArn'] for _ in range(3) for t in self.ecs.run_task(taskDefinition=definition, count=8)['tasks']]
        self.assertEqual(24, len(arns))
        for arn in arns:
            self.addCleanup(self.stop, arn)
        for arn in arns:
            self.reach(arn, timeout=180)
        for arn in arns:
            self.ecs.stop_task(task=arn)
        for arn in arns:
            self.reach(arn, 'STOPPED', 180)

    def test_k_draining(self):
        self.ecs.update_container_instances_state(containerInstances=[self.instance_arn], status='DRAINING')
        definition = self.define({'command': ['true']})
        self.assertEqual('InvalidParameterException', error_code(self.ecs.run_task, taskDefinition=definition))
        self.assertEqual('DRAINING', self.instance()['status'])
        self.ecs.update_container_instances_state(containerInstances=[self.instance_arn], status='ACTIVE')
        self.reach(self.run_task(definition), 'STOPPED')

    def need_credentials_address(self):
        try:
            get('http://169.254.170.2/')
        except urllib.error.HTTPError:
            return
        except OSError:
            self.skipTest('nothing answers at 169.254.170.2: the rules for it are not set')

    def test_l_awslogs(self):
        """Docker's own driver, with the execution role that it asks the agent for."""
        self.need_credentials_address()
        options = {'awslogs-group': '/stock', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'p', 'awslogs-create-group': 'true'}
        arn = self.run_task(self.define({'command': ['sh', '-c', 'echo one line; exec sleep 600'],
                                         'logConfiguration': {'logDriver': 'awslogs', 'options': options}},
                                        executionRoleArn='arn:aws:iam::123456789012:role/runner'))
        self.reach(arn)
        stream = f'p/c0/{arn.rsplit("/", 1)[1]}'
        wait_for(lambda: [e['message'] for e in self.clients.logs.get_log_events(
            logGroupName='/stock', logStreamName=stream)['events']] == ['one line'], 30, 'the line', 0.5)

    def test_l_container_asks(self):
        """Metadata and credentials as a container sees them, on a bridge and on the host's network."""
        self.need_credentials_address()
        for mode in ('bridge', 'host'):
            task = self.start({'command': ['sleep', '600']}, networkMode=mode, taskRoleArn='arn:aws:iam::123456789012:role/worker')
            runtime = self.container(task)['runtimeId']
            out = docker('exec', runtime, 'sh', '-c', 'wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI').stdout
            self.assert_identity(json.loads(out))
            out = json.loads(docker('exec', runtime, 'sh', '-c', 'wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task').stdout)
            self.assertEqual((task['taskArn'], 'us-east-1a', 'EXTERNAL'), (out['TaskARN'], out['AvailabilityZone'], out['LaunchType']))
            self.assertEqual(self.container(task)['containerArn'], out['Containers'][0]['ContainerARN'])

    def test_m_placeable(self):
        """Whatever this agent says it can do is enough for a definition that needs just that."""
        definition = self.ecs.describe_task_definition(taskDefinition=self.define(
            {'command': ['true'], 'privileged': True, 'memoryReservation': 8,
             'healthCheck': {'command': ['CMD', 'true']},
             'linuxParameters': {'initProcessEnabled': True, 'sharedMemorySize': 4},
             'portMappings': [{'containerPortRange': '9000-9002'}],
             'secrets': [{'name': 'S', 'valueFrom': '/p'},
                         {'name': 'T', 'valueFrom': 'arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf'}],
             'environmentFiles': [{'type': 's3', 'value': 'arn:aws:s3:::b/x.env'}]},
            {'dependsOn': [{'containerName': 'c0', 'condition': 'START'}]},
            *[{'image': IMAGE, 'logConfiguration': {'logDriver': d}} for d in ('json-file', 'syslog', 'journald', 'gelf', 'fluentd')],
            taskRoleArn='arn:aws:iam::123456789012:role/worker', executionRoleArn='arn:aws:iam::123456789012:role/runner',
            volumes=[{'name': 'v', 'dockerVolumeConfiguration': {'scope': 'task'}}]))['taskDefinition']
        needed = {a['name'] for a in definition['requiresAttributes']}
        self.assertEqual(set(), needed - {a['name'] for a in self.instance()['attributes']})

    def test_y_idle(self):
        """Nothing connects anew while nothing happens."""
        time.sleep(20)  # both connections are up
        before = len(self.agent.log())
        time.sleep(IDLE_SECONDS)
        new = self.agent.log()[before:]
        self.assertTrue(self.instance()['agentConnected'])
        self.assertIn('HeartbeatMessage', new)
        self.assertEqual([], [line for line in new.splitlines() if 'Establishing a Websocket connection' in line])
        self.assertEqual([], [line for line in new.splitlines() if 'level=error' in line])

    def test_z_deregister(self):
        arn = self.start({'command': ['sleep', '600']})['taskArn']
        self.assertEqual('InvalidParameterException', error_code(self.ecs.deregister_container_instance, containerInstance=self.instance_arn))
        self.ecs.deregister_container_instance(containerInstance=self.instance_arn, force=True)
        self.assertEqual([], self.ecs.list_container_instances()['containerInstanceArns'])
        self.assertEqual('STOPPED', self.task(arn)['desiredStatus'])


if __name__ == '__main__':
    sys.exit(unittest.main())
