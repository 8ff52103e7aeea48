# SPDX-License-Identifier: Apache-2.0
"""What people run on Fargate, each task in a micro-VM of its own: a service behind a balancer with releases, and tasks of several containers."""
import os
import subprocess
import threading
import time

from fargate import LOGS, ROLE
from lab import wait_for
from microvm import MicroVmTest, machines


class Client:
    """Asks again and again until it is stopped; what did not answer 200 with a text in it counts as failed."""

    def __init__(self, port):
        self.url, self.seen, self.failed, self.ends = f'http://127.0.0.1:{port}/', [], [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends.wait(0.05):
            done = subprocess.run(['curl', '-s', '-m', '10', '-w', ' %{http_code}', self.url], capture_output=True, text=True)
            text, _, code = done.stdout.rpartition(' ')
            (self.seen if code == '200' else self.failed).append(text or f'curl {done.returncode} {code}')

    def stop(self):
        self.ends.set()
        self.thread.join(20)


class MicroVmTasks(MicroVmTest):
    def test_a_web_service(self):
        """A service of two with a security group, behind a balancer; its port, its size, a release nobody notices, a machine that is killed."""
        group, port = self.balancer('web')
        security = self.group('web')
        first = self.web('first $(uname -r)')
        self.ecs.create_service(
            serviceName='web', taskDefinition=first, desiredCount=2, launchType='FARGATE', healthCheckGracePeriodSeconds=120,
            networkConfiguration={'awsvpcConfiguration': {'subnets': [self.subnet], 'securityGroups': [security]}},
            loadBalancers=[{'targetGroupArn': group, 'containerName': 'c', 'containerPort': 80}],
            deploymentConfiguration={'maximumPercent': 200, 'minimumHealthyPercent': 100})
        self.addCleanup(self.ecs.delete_service, service='web', force=True)
        wait_for(lambda: len(self.running('web')) == 2, 40, 'both tasks')
        self.assertGreaterEqual(len(machines()), 2)
        curl = lambda: subprocess.run(['curl', '-s', '-m', '5', f'http://127.0.0.1:{port}/'], capture_output=True, text=True).stdout
        time.sleep(1)
        self.assertNotIn('first', curl())
        self.lab.client('elbv2').modify_target_group_attributes(TargetGroupArn=group, Attributes=[{'Key': 'deregistration_delay.timeout_seconds', 'Value': '2'}])
        self.lab.ec2.authorize_security_group_ingress(GroupId=security, IpProtocol='tcp', FromPort=80, ToPort=80, CidrIp='0.0.0.0/0')
        lines = wait_for(lambda: 'first' in curl() and curl(), 20, 'an answer').splitlines()
        self.assertEqual(['MemTotal: 524288 kB', 'processors 1'], [' '.join(line.split()) for line in lines[:2]])
        self.assertNotIn(os.uname().release, lines[2])
        wait_for(lambda: self.settled('web'), 30, 'the service to be steady')

        client = Client(port)
        self.ecs.update_service(service='web', taskDefinition=self.web('second'))
        wait_for(lambda: (s := self.settled('web')) and s['taskDefinition'].endswith(':2'), 60, 'the release')
        wait_for(lambda: 'second' in client.seen[-1] and 'first' not in ''.join(client.seen[-20:]), 10, 'answers of the release alone')
        client.stop()
        self.assertEqual([], client.failed)

        lost = self.running('web')[0]
        os.kill(self.task_machine(lost), 9)
        gone = self.lab.wait_status(lost, 'STOPPED')
        self.assertIn('the micro-VM of the task has ended: ', gone['stoppedReason'])
        self.assertIn('killed', gone['stoppedReason'])
        wait_for(lambda: self.settled('web') and lost not in self.running('web'), 40, 'the replacement')
        self.assertIn('second', curl())

    def test_several_containers(self):
        """One prepares, one serves when that has ended well, one looks at it when it is healthy, over all that they share."""
        volume = {'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/scratch'}], 'logConfiguration': LOGS}
        look = ('wget -qO- http://127.0.0.1:80/; cat /scratch/x; cp /scratch/x /only 2>/dev/null || echo read-only; cp /scratch/x /scratch/shared/y;'
                'echo env $NAME; echo files $(ulimit -n) $(ulimit -Hn); df -Pm /scratch | tail -1 | { read a b c; echo disk $b; }; echo user $(id -u):$(id -g);'
                'pwd; echo processors $(grep -c ^processor /proc/cpuinfo); sed -n 1p /proc/meminfo;'
                'echo names $(wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task | grep -o "\\"Name\\":\\"[a-z]*\\"" | cut -d: -f2);'
                'wget -qO- $ECS_CONTAINER_METADATA_URI_V4 | grep -o "\\"Name\\":\\"looks\\"";'
                'for i in $(seq 100); do wget -qO- $ECS_CONTAINER_METADATA_URI_V4/stats | grep -q "\\"memory_stats\\":{.*\\"usage\\":" && echo stats && break; sleep 0.2; done;'
                'echo ready; exit 5')
        definition = self.register(
            'chain',
            {'name': 'prepares', 'essential': False, 'command': ['sh', '-c', 'mkdir /scratch/www; mkdir -m 777 /scratch/shared; echo served > /scratch/www/index.html; echo prepared > /scratch/x'], **volume},
            {'name': 'serves', 'command': ['sh', '-c', 'httpd -p 80 -h /scratch/www; trap "echo told; exit 9" TERM; while :; do sleep 0.1; done'], 'stopTimeout': 20,
             'dependsOn': [{'containerName': 'prepares', 'condition': 'SUCCESS'}],
             'healthCheck': {'command': ['CMD-SHELL', 'wget -qO- http://127.0.0.1/'], 'interval': 5, 'startPeriod': 10}, **volume},
            {'name': 'looks', 'essential': False, 'command': ['sh', '-c', look], 'environment': [{'name': 'NAME', 'value': 'a b'}], 'user': '1000:1000',
             'ulimits': [{'name': 'nofile', 'softLimit': 777, 'hardLimit': 888}], 'workingDirectory': '/tmp', 'readonlyRootFilesystem': True,
             'dependsOn': [{'containerName': 'serves', 'condition': 'HEALTHY'}], **volume},
            networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='2048', memory='4096', executionRoleArn=ROLE, volumes=[{'name': 'v'}],
            ephemeralStorage={'sizeInGiB': 21})
        arn = self.start(definition)
        lines = self.output(arn, 'ready')
        for line in ('served', 'prepared', 'read-only', 'env a b', 'files 777 888', 'user 1000:1000', '/tmp', 'processors 2',
                     'names "prepares" "serves" "looks"', '"Name":"looks"', 'stats'):
            self.assertIn(line, lines)
        self.assertIn(f'MemTotal: {4 << 20} kB', [' '.join(line.split()) for line in lines])
        size = next(int(line.split()[1]) for line in lines if line.startswith('disk '))
        self.assertTrue(20.5 * 1024 < size <= 21 * 1024, size)
        wait_for(lambda: self.codes(arn)['looks'] == 5, 10, 'the exit code of the one that looked')
        self.assertEqual({'prepares': 0, 'serves': None, 'looks': 5}, self.codes(arn))
        self.assertEqual('HEALTHY', self.lab.task(arn)['healthStatus'])
        gone = self.stop(arn)
        self.assertEqual(('UserInitiated', 9), (gone['stopCode'], self.codes(arn)['serves']))
        self.assertIn('told', self.output(arn, 'told'))

    def codes(self, arn):
        """Exit codes, by container."""
        return {c['name']: c.get('exitCode') for c in self.lab.task(arn)['containers']}

    def test_an_essential_one_ends(self):
        """The others are stopped in order, and the reason says which it was. What has no image says so."""
        definition = self.register(
            'pair', {'name': 'quits', 'command': ['sh', '-c', 'sleep 1; exit 3'], 'logConfiguration': LOGS},
            {'name': 'stays', 'command': ['sh', '-c', 'trap "exit 4" TERM; while :; do sleep 0.1; done'], 'stopTimeout': 20, 'logConfiguration': LOGS},
            networkMode='awsvpc', requiresCompatibilities=['FARGATE'], **self.size, executionRoleArn=ROLE)
        arn = self.start(definition, 'STOPPED')
        task = self.lab.task(arn)
        self.assertEqual(('EssentialContainerExited', 'Essential container in task exited'), (task['stopCode'], task['stoppedReason']))
        self.assertEqual({'quits': 3, 'stays': 4}, self.codes(arn))
        nothing = self.register('nothing', {'name': 'c', 'image': 'oci:/no/such/image:latest'}, networkMode='awsvpc', requiresCompatibilities=['FARGATE'], **self.size)
        task = self.lab.task(self.start(nothing, 'STOPPED'))
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertIn('CannotPullContainerError', task['stoppedReason'])
