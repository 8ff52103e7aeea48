# SPDX-License-Identifier: Apache-2.0
"""Fargate: real tasks on this machine's pool, one apart from the other."""
import os
import random
import shutil
import subprocess
import time

from fargate import LOGS, ROLE, FargateTest, processes
from lab import wait_for


class Fargate(FargateTest):
    def test_what_a_task_is(self):
        script = ('mkdir -p /www && echo hello > /www/index.html && chown 1000:1000 /www/index.html && stat -c "owner %u" /www/index.html;'
                  'wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task | grep -o "\\"LaunchType\\":\\"[A-Z]*\\"\\|\\"Cluster\\":\\"[^\\"]*\\"";'
                  'echo env $AWS_EXECUTION_ENV; touch /scratch/x && echo volume ok; echo ready; exec httpd -f -p 80 -h /www')
        arn = self.start(self.define('shown', script, {'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/scratch'}],
                                                       'healthCheck': {'command': ['CMD-SHELL', 'test -e /www'], 'interval': 5}},
                                     volumes=[{'name': 'v'}]))
        task = self.lab.wait_status(arn, 'RUNNING')
        self.assertEqual(('FARGATE', '1.4.0', 'us-east-1a'), (task['launchType'], task['platformVersion'], task['availabilityZone']))
        self.assertNotIn('containerInstanceArn', task)
        self.assertIn({'name': 'gantry.fargate', 'value': 'sandbox'}, task['attributes'])
        lines = self.output(arn, 'ready')
        for line in ('owner 1000', '"LaunchType":"FARGATE"', '"Cluster":"' + task['clusterArn'] + '"', 'env AWS_ECS_FARGATE', 'volume ok'):
            self.assertIn(line, lines)
        wait_for(lambda: self.lab.task(arn)['healthStatus'] == 'HEALTHY', 15, 'health')
        instance = self.ecs.list_container_instances()['containerInstanceArns'][0]
        shown = self.ecs.describe_container_instances(containerInstances=[instance])['containerInstances'][0]
        self.assertEqual(0, shown['runningTasksCount'])  # nobody's container instance runs it; but what it takes is taken
        left = {r['name']: r.get('integerValue') for r in shown['remainingResources']}
        total = {r['name']: r.get('integerValue') for r in shown['registeredResources']}
        self.assertEqual((256, 512), (total['CPU'] - left['CPU'], total['MEMORY'] - left['MEMORY']))
        self.assertEqual([], self.ecs.list_tasks(containerInstance=instance)['taskArns'])
        self.assertEqual('UserInitiated', self.stop(arn)['stopCode'])

    def test_size_is_a_limit(self):
        hog = self.start(self.define('hog', 'x=a; while true; do x=$x$x; done'))
        self.assertIn('OutOfMemory', self.lab.wait_status(hog, 'STOPPED')['containers'][0]['reason'])
        burner = self.start(self.define('burner', 'for i in 1 2 3; do (while :; do :; done) & done; exec sleep 7751'))
        self.lab.wait_status(burner, 'RUNNING')
        pid = self.pid_of('sleep 7751')
        with open(f'/proc/{pid}/cgroup') as lines:
            groups = dict((line.split(':')[1], line.strip().split(':', 2)[2]) for line in lines)
        path = next(g for c, g in groups.items() if 'cpuacct' in c or c == '') if 'memory' in groups else groups['']
        usage = self.usage(path)
        time.sleep(2)
        used = (self.usage(path) - usage) / 2
        self.assertLess(used, 0.25 * 1.25, 'a quarter of a vCPU')
        self.assertGreater(used, 0.05)
        self.stop(burner)

    def usage(self, group):
        task = os.path.dirname(group)
        for path, read in (('/sys/fs/cgroup/cpuacct' + task + '/cpuacct.usage', lambda t: int(t) / 1e9),
                           ('/sys/fs/cgroup/cpu,cpuacct' + task + '/cpuacct.usage', lambda t: int(t) / 1e9),
                           ('/sys/fs/cgroup' + task + '/cpu.stat', lambda t: int(t.split()[1]) / 1e6)):
            try:
                with open(path) as f:
                    return read(f.read())
            except OSError:
                continue
        self.skipTest('this machine tells no CPU use of control groups')

    def test_shared_pid_namespace(self):
        definition = self.register('pair', {'name': 'a', 'command': ['sleep', '7771']},
                                   {'name': 'b', 'command': ['sh', '-c', 'sleep 1; ps | grep -c "sleep 7771"; echo done; sleep 60'], 'logConfiguration': LOGS},
                                   networkMode='awsvpc', requiresCompatibilities=['FARGATE'], **self.size, pidMode='task', executionRoleArn=ROLE)
        arn = self.start(definition)
        self.lab.wait_status(arn, 'RUNNING')
        self.assertNotEqual('0', self.output(arn, 'done')[0])
        self.stop(arn)

    def test_waiting_for_room(self):
        definition = self.define('big', 'exec sleep 600')
        tasks = []
        while True:  # until it is full: the last one waits
            tasks.append(self.start(definition))
            if self.lab.task(tasks[-1])['lastStatus'] == 'PROVISIONING':
                break
            self.assertLess(len(tasks), 200)
        self.stop(tasks[0])
        self.lab.wait_status(tasks[-1], 'RUNNING')
        for arn in tasks[1:]:
            self.ecs.stop_task(task=arn)
        for arn in tasks[1:]:
            self.lab.wait_status(arn, 'STOPPED')

    # ---- services ----

    def test_a_web_service(self):
        """As a newcomer makes it: a service of two with a security group, behind a balancer; then a release that fails."""
        group, port = self.balancer('web')
        security = self.group('web', 80)
        self.ecs.create_service(
            serviceName='web', taskDefinition=self.web('first'), desiredCount=2, launchType='FARGATE', healthCheckGracePeriodSeconds=30,
            networkConfiguration={'awsvpcConfiguration': {'subnets': [self.subnet], 'securityGroups': [security]}},
            loadBalancers=[{'targetGroupArn': group, 'containerName': 'c', 'containerPort': 80}],
            deploymentConfiguration={'deploymentCircuitBreaker': {'enable': True, 'rollback': True}, 'maximumPercent': 200, 'minimumHealthyPercent': 50})
        self.addCleanup(self.ecs.delete_service, service='web', force=True)
        wait_for(lambda: self.settled('web'), 40, 'both tasks behind the balancer')
        curl = lambda: subprocess.run(['curl', '-s', f'http://127.0.0.1:{port}/'], capture_output=True, text=True, timeout=10).stdout
        lines = wait_for(lambda: 'first' in curl() and curl(), 20, 'an answer').splitlines()
        self.assertIn('first', lines)
        if shutil.which('lxcfs'):
            self.assertEqual(['MemTotal: 524288 kB', 'processors 1'], [' '.join(line.split()) for line in lines[:2]])
        for arn in self.running('web'):
            self.assertEqual(['open', 'closed'], [self.reach(self.address(arn), p) for p in (80, 81)])
        self.ecs.update_service(service='web', taskDefinition=self.web('second', 'exit 1;'))
        wait_for(lambda: any('rolling back' in e['message'] or 'rolled back' in e['message'].lower()
                             for e in self.ecs.describe_services(services=['web'])['services'][0]['events']), 60, 'the circuit breaker')
        wait_for(lambda: self.settled('web'), 40, 'the first release to be back')
        self.assertIn('first', curl())

    def test_an_agent_is_killed(self):
        definition = self.define('kept', 'exec sleep 7733')
        self.ecs.create_service(serviceName='kept', taskDefinition=definition, desiredCount=2, launchType='FARGATE', networkConfiguration=self.network)
        self.addCleanup(self.ecs.delete_service, service='kept', force=True)
        first = wait_for(lambda: self.running('kept') if len(self.running('kept')) == 2 else None, 20, 'two tasks')
        self.ecs.stop_task(task=first[0])
        wait_for(lambda: len(self.running('kept')) == 2 and first[0] not in self.running('kept'), 20, 'the replacement')
        inside = {pid for pid, line in processes().items() if line.endswith('sleep 7733')}
        pid = self.lab.child_pid('agent')
        os.kill(pid, 9)
        wait_for(lambda: self.lab.child_pid('agent') not in (None, pid), 20, 'another agent')
        time.sleep(1)
        self.assertEqual(2, len(self.running('kept')))
        self.assertEqual(inside, {pid for pid, line in processes().items() if line.endswith('sleep 7733')})

    def test_dependencies(self):
        """A container that prepares the disk, one that waits for it to be healthy; both see the same volume."""
        volume = {'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/scratch'}], 'logConfiguration': LOGS}
        definition = self.register(
            'chain', {'name': 'first', 'essential': False, 'command': ['sh', '-c', 'echo prepared > /scratch/x'], **volume},
            {'name': 'second', 'essential': True, 'command': ['sh', '-c', 'cp /scratch/x /scratch/y; exec sleep 600'], 'stopTimeout': 2,
             'dependsOn': [{'containerName': 'first', 'condition': 'SUCCESS'}],
             'healthCheck': {'command': ['CMD-SHELL', 'test -e /scratch/y'], 'interval': 5}, **volume},
            {'name': 'third', 'essential': False, 'command': ['sh', '-c', 'cat /scratch/y; df -m /scratch | tail -1 | { read a b c; echo disk $b; }; '
                                                              'wget -q -O- $ECS_CONTAINER_METADATA_URI_V4/task | grep -o "EphemeralStorageMetrics.*}"; '
                                                              'echo ready'],
             'dependsOn': [{'containerName': 'second', 'condition': 'HEALTHY'}], **volume},
            networkMode='awsvpc', requiresCompatibilities=['FARGATE'], **self.size, executionRoleArn=ROLE, volumes=[{'name': 'v'}],
            ephemeralStorage={'sizeInGiB': 30})
        arn = self.start(definition)
        lines = self.output(arn, 'ready')
        self.assertIn('prepared', lines)
        size = next(int(line.split()[1]) for line in lines if line.startswith('disk '))
        self.assertTrue(29 * 1024 < size <= 30 * 1024, size)
        shown = next(line for line in lines if line.startswith('Ephemeral'))
        self.assertIn(f'"Reserved":{size}', shown)

    def test_no_leak(self):
        definition = self.define('short', 'exec sleep 7781', {'stopTimeout': 2})
        dice = random.Random(int(os.environ.get('GANTRY_SEED', '7')))
        arn = self.start(definition)
        self.lab.wait_status(arn, 'RUNNING')
        self.stop(arn)
        before = self.counts()
        live = []
        for _ in range(40):
            if live and dice.random() < 0.4:
                self.ecs.stop_task(task=live.pop(dice.randrange(len(live))))
            live.append(self.start(definition))
            time.sleep(dice.random() * 0.05)
            if len(live) > 4:
                self.ecs.stop_task(task=live.pop(0))
        for arn in live:
            self.ecs.stop_task(task=arn)
        wait_for(lambda: not self.ecs.list_tasks(family='short')['taskArns'] and not [1 for p in processes().values() if 'sleep 7781' in p], 40, 'all to be gone')
        wait_for(lambda: self.counts() == before, 20, f'{before}, not {self.counts()}')

    def counts(self):
        links = subprocess.run(['ip', '-o', 'link'], capture_output=True, text=True).stdout.count('\n')
        spaces = len({os.readlink(f'/proc/{pid}/ns/user') for pid in processes() if os.path.exists(f'/proc/{pid}/ns/user')})
        with open('/proc/self/mounts') as f:
            mounts = f.read().count('\n')
        interfaces = len(self.lab.ec2.describe_network_interfaces()['NetworkInterfaces'])
        return links, spaces, mounts, interfaces
