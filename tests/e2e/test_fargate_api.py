# SPDX-License-Identifier: Apache-2.0
"""Fargate through the API: sizes, platforms, storage, providers, and what ECS refuses. With botocore and the AWS CLI; few tasks run."""
import json

from botocore.exceptions import ClientError

from fargate import FargateTest
from lab import wait_for

GIB = 1024
SIZES = {256: [512, GIB, 2 * GIB], 512: range(GIB, 4 * GIB + 1, GIB), 1024: range(2 * GIB, 8 * GIB + 1, GIB),
         2048: range(4 * GIB, 16 * GIB + 1, GIB), 4096: range(8 * GIB, 30 * GIB + 1, GIB), 8192: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
         16384: range(32 * GIB, 120 * GIB + 1, 8 * GIB)}
CONTAINER = {'name': 'c', 'image': 'busybox', 'essential': True}
DEFINITION = {'family': 'api', 'networkMode': 'awsvpc', 'requiresCompatibilities': ['FARGATE'], 'cpu': '256', 'memory': '512',
              'containerDefinitions': [CONTAINER]}


class Api(FargateTest):
    """One `gantry up`, which is a host of two vCPUs or whatever this machine has."""

    def refused(self, call, *words, code=None, **arguments):
        """The call fails with an error that says all of the words."""
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response['Error']
        for word in words:
            self.assertIn(word, error['Message'])
        if code:
            self.assertEqual(code, error['Code'])

    def definition(self, **more):
        container = {**CONTAINER, **more.pop('container', {})}
        return {**DEFINITION, 'containerDefinitions': [container], **more}

    def define_sleeper(self, **more):
        return self.define('sleeper', 'exec sleep 600', {'stopTimeout': 2}, **more)

    def test_sizes(self):
        for cpu, memories in SIZES.items():
            for memory in {min(memories), max(memories)}:
                self.ecs.register_task_definition(**self.definition(cpu=str(cpu), memory=str(memory)))
            for memory in (min(memories) // 2, max(memories) + GIB, min(memories) + 100):
                self.refused(self.ecs.register_task_definition, 'No Fargate configuration exists for given values', code='ClientException',
                             **self.definition(cpu=str(cpu), memory=str(memory)))
        every = self.ecs.register_task_definition(**self.definition(cpu='.5 vCPU', memory='3 GB'))['taskDefinition']
        self.assertEqual(('512', '3072', ['EC2', 'FARGATE']), (every['cpu'], every['memory'], [c for c in every['compatibilities'] if c in ('EC2', 'FARGATE')]))
        for cpu in ('128', '300', '32768'):
            self.refused(self.ecs.register_task_definition, "Invalid 'cpu' setting for task", code='ClientException', **self.definition(cpu=cpu))

    def test_what_belongs_to_a_host_of_ones_own(self):
        for more, words in (
                ({'networkMode': 'bridge'}, ['Fargate only supports network mode', 'awsvpc']),
                ({'networkMode': 'host'}, ['Fargate only supports network mode', 'awsvpc']),
                ({'placementConstraints': [{'type': 'memberOf', 'expression': 'attribute:x == y'}]}, ['placementConstraints']),
                ({'pidMode': 'host'}, ['pidMode']),
                ({'ipcMode': 'task'}, ['ipcMode']),
                ({'volumes': [{'name': 'v', 'host': {'sourcePath': '/etc'}}]}, ['sourcePath']),
                ({'volumes': [{'name': 'v', 'dockerVolumeConfiguration': {'scope': 'task'}}]}, ['dockerVolumeConfiguration']),
                ({'container': {'privileged': True}}, ['privileged']),
                ({'container': {'links': ['other']}}, ['link']),
                ({'container': {'portMappings': [{'containerPort': 80, 'hostPort': 8080}]}}, ['ort']),
                ({'container': {'hostname': 'x'}}, ['hostname']),
                ({'container': {'extraHosts': [{'hostname': 'x', 'ipAddress': '10.0.0.1'}]}}, ['extraHosts']),
                ({'container': {'dockerSecurityOptions': ['no-new-privileges']}}, ['dockerSecurityOptions']),
                ({'container': {'linuxParameters': {'devices': [{'hostPath': '/dev/fuse'}]}}}, ['devices']),
                ({'container': {'linuxParameters': {'sharedMemorySize': 64}}}, ['sharedMemorySize']),
                ({'container': {'linuxParameters': {'capabilities': {'add': ['NET_ADMIN']}}}}, ['SYS_PTRACE']),
                ({'container': {'resourceRequirements': [{'type': 'GPU', 'value': '1'}]}}, ['resourceRequirements']),
                ({'container': {'ulimits': [{'name': 'nproc', 'softLimit': 1, 'hardLimit': 1}]}}, ['nofile']),
                ({'container': {'stopTimeout': 121}}, ['stopTimeout', '120']),
                ({'container': {'logConfiguration': {'logDriver': 'json-file'}}}, ['awslogs']),
                ({'ephemeralStorage': {'sizeInGiB': 20}}, ['21', '200']),
                ({'ephemeralStorage': {'sizeInGiB': 201}}, ['21', '200'])):
            with self.subTest(more):
                self.refused(self.ecs.register_task_definition, *words, **self.definition(**more))
        for more in ({'cpu': None}, {'memory': None}):
            definition = {k: v for k, v in self.definition(container={'memory': 512}, **more).items() if v is not None}
            self.refused(self.ecs.register_task_definition, 'be defined at the task level', **definition)

    def test_what_a_task_may_say(self):
        arn = self.define_sleeper()
        network = {'networkConfiguration': self.network}
        run = lambda **more: {'taskDefinition': arn, 'launchType': 'FARGATE', **network, **more}
        self.refused(self.ecs.run_task, 'Network Configuration', code='InvalidParameterException', taskDefinition=arn, launchType='FARGATE')
        self.refused(self.ecs.run_task, 'does not exist', code='PlatformUnknownException', **run(platformVersion='9.9.9'))
        self.refused(self.ecs.run_task, 'lacement', **run(placementConstraints=[{'type': 'distinctInstance'}]))
        self.refused(self.ecs.run_task, 'lacement', **run(placementStrategy=[{'type': 'random'}]))
        self.refused(self.ecs.run_task, 'apacity provider', **run(
            capacityProviderStrategy=[{'capacityProvider': 'FARGATE', 'weight': 1}]))
        self.refused(self.ecs.run_task, 'platform version', taskDefinition=arn, launchType='EC2', platformVersion='1.4.0', **network)
        self.refused(self.ecs.run_task, '200', **run(overrides={'ephemeralStorage': {'sizeInGiB': 400}}))
        self.refused(self.ecs.run_task, 'No Fargate configuration', **run(overrides={'cpu': '256', 'memory': '8192'}))
        bridge = self.register('bridged', {'name': 'c'})
        self.refused(self.ecs.run_task, 'FARGATE', code='InvalidParameterException', **{**run(), 'taskDefinition': bridge})
        for platform, words in (({'cpuArchitecture': 'ARM64', 'operatingSystemFamily': 'LINUX'}, ['ARM64', 'X86_64']),
                                ({'cpuArchitecture': 'X86_64', 'operatingSystemFamily': 'WINDOWS_SERVER_2022_CORE'}, ['LINUX'])):
            other = self.ecs.register_task_definition(**self.definition(cpu='1024', memory='2048', runtimePlatform=platform))['taskDefinition']['taskDefinitionArn']
            self.refused(self.ecs.run_task, *words, **{**run(), 'taskDefinition': other})

    def test_platforms_and_storage(self):
        plain, large = self.define_sleeper(), self.define_sleeper(ephemeralStorage={'sizeInGiB': 40})
        for definition, more, version, storage in ((plain, {}, '1.4.0', 20), (plain, {'platformVersion': 'LATEST'}, '1.4.0', 20),
                                                   (plain, {'platformVersion': '1.3.0'}, '1.3.0', 20), (large, {}, '1.4.0', 40),
                                                   (large, {'overrides': {'ephemeralStorage': {'sizeInGiB': 60}}}, '1.4.0', 60)):
            task = self.lab.task(self.start(definition, **more))
            self.assertEqual((version, 'Linux', {'sizeInGiB': storage}), (task['platformVersion'], task['platformFamily'], task['ephemeralStorage']))
            self.stop(task['taskArn'])
        self.refused(self.ecs.run_task, 'ephemeralStorage', code='PlatformTaskDefinitionIncompatibilityException', taskDefinition=large,
                     launchType='FARGATE', platformVersion='1.3.0', networkConfiguration=self.network)

    def test_there_will_be_no_capacity(self):
        huge = self.define_sleeper(cpu='16384', memory='122880')
        answer = self.ecs.run_task(taskDefinition=huge, launchType='FARGATE', networkConfiguration=self.network)
        self.assertEqual([], answer['tasks'])
        self.assertIn('Capacity is unavailable at this time', answer['failures'][0]['reason'])

    def test_providers(self):
        cluster = self.ecs.create_cluster(clusterName='providers', capacityProviders=['FARGATE'])['cluster']
        self.assertEqual(['FARGATE'], cluster['capacityProviders'])
        arn = self.define_sleeper()
        run = {'cluster': 'providers', 'taskDefinition': arn, 'networkConfiguration': self.network}
        spot = [{'capacityProvider': 'FARGATE_SPOT', 'weight': 1}]
        self.refused(self.ecs.run_task, 'FARGATE_SPOT', 'associated with', code='InvalidParameterException', capacityProviderStrategy=spot, **run)
        both = [{'capacityProvider': 'FARGATE', 'base': 1, 'weight': 1}, {'capacityProvider': 'FARGATE_SPOT', 'weight': 3}]
        put = dict(cluster='providers', capacityProviders=['FARGATE', 'FARGATE_SPOT'])
        self.ecs.put_cluster_capacity_providers(defaultCapacityProviderStrategy=both, **put)
        answer = self.ecs.run_task(count=5, **run)
        self.assertEqual([], answer['failures'])
        self.assertEqual(['FARGATE'] * 2 + ['FARGATE_SPOT'] * 3, sorted(t['capacityProviderName'] for t in answer['tasks']))
        for task in answer['tasks']:
            self.ecs.stop_task(cluster='providers', task=task['taskArn'])
        self.refused(self.ecs.put_cluster_capacity_providers, 'base', defaultCapacityProviderStrategy=[
            {'capacityProvider': 'FARGATE', 'base': 1, 'weight': 1}, {'capacityProvider': 'FARGATE_SPOT', 'base': 1, 'weight': 1}], **put)
        self.ecs.create_service(cluster='providers', serviceName='shared', taskDefinition=arn, desiredCount=0, networkConfiguration=self.network)
        service = self.ecs.describe_services(cluster='providers', services=['shared'])['services'][0]
        self.assertEqual(both[0], {k: v for k, v in service['capacityProviderStrategy'][0].items()})
        self.ecs.delete_service(cluster='providers', service='shared', force=True)
        self.refused(self.ecs.create_service, 'daemon', serviceName='d', taskDefinition=arn, launchType='FARGATE', schedulingStrategy='DAEMON',
                     networkConfiguration=self.network)
        wait_for(lambda: not self.ecs.list_tasks(cluster='providers')['taskArns'], 20, 'all tasks to be gone')
        self.ecs.delete_cluster(cluster='providers')

    def test_with_the_command_line(self):
        aws = lambda *words: self.lab.aws('ecs', *words)
        arn = aws('register-task-definition', '--family', 'cli', '--requires-compatibilities', 'FARGATE', '--network-mode', 'awsvpc', '--cpu', '256',
                  '--memory', '512', '--container-definitions', json.dumps([{'name': 'c', 'image': self.image, 'command': ['sleep', '600'],
                                                                            'stopTimeout': 2}]))['taskDefinition']['taskDefinitionArn']
        network = f'awsvpcConfiguration={{subnets=[{self.subnet}]}}'
        task = aws('run-task', '--launch-type', 'FARGATE', '--task-definition', arn, '--network-configuration', network)['tasks'][0]
        self.addCleanup(self.stop, task['taskArn'])
        aws('wait', 'tasks-running', '--tasks', task['taskArn'])
        shown = aws('describe-tasks', '--tasks', task['taskArn'])['tasks'][0]
        self.assertEqual(('FARGATE', '1.4.0', '256', '512'), tuple(shown[k] for k in ('launchType', 'platformVersion', 'cpu', 'memory')))
        failed = self.lab.aws('ecs', 'run-task', '--launch-type', 'FARGATE', '--task-definition', arn, check=False)
        self.assertIn('InvalidParameterException', failed.stderr)
