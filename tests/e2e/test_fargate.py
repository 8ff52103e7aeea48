# SPDX-License-Identifier: Apache-2.0
"""Fargate: real tasks on this machine's pool, one apart from the other; and attacks on that, each of which has to fail."""
import os
import random
import subprocess
import time

from lab import LabTest, wait_for

LOGS = {'logDriver': 'awslogs', 'options': {'awslogs-group': '/far', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'far',
                                            'awslogs-create-group': 'true'}}


def processes():
    """Ids of all processes, with their command lines."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline') as cmdline:
                found[int(pid)] = cmdline.read().replace('\0', ' ').strip()
        except OSError:
            continue
    return found


class Fargate(LabTest):
    options = ('--fargate', 'sandbox')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subnets = cls.lab.ec2.describe_subnets()['Subnets']
        cls.subnet = next(s['SubnetId'] for s in subnets if s['AvailabilityZone'] == 'us-east-1a')
        cls.network = {'awsvpcConfiguration': {'subnets': [cls.subnet], 'assignPublicIp': 'ENABLED'}}

    def define(self, family, script, container=None, **more):
        return self.register(family, {'name': 'c', 'command': ['sh', '-c', script], 'logConfiguration': LOGS, **(container or {})},
                             networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory='512',
                             executionRoleArn='arn:aws:iam::123456789012:role/logs', **more)

    def start(self, definition, **more):
        arn = self.lab.run(definition, launchType='FARGATE', networkConfiguration=self.network, **more)
        self.addCleanup(self.stop, arn)
        return arn

    def pid_of(self, marker):
        """On the host, of the process whose command line has that word; conmon has it not."""
        return wait_for(lambda: next((pid for pid, line in processes().items() if line.endswith(marker)), None), 10, marker)

    def output(self, arn, until):
        """What the task has logged, once a line says `until`."""
        def read():
            lines = [e['message'] for e in self.lab.logs.filter_log_events(logGroupName='/far')['events']
                     if e['logStreamName'].endswith(arn.rsplit('/', 1)[1])]
            return lines if any(line.startswith(until) for line in lines) else None
        try:
            return wait_for(read, 15, until)
        except Exception as e:
            raise AssertionError(f'{e}: {self.lab.task(arn)}\n{self.lab.tail()}') from None

    def stop(self, arn):
        self.ecs.stop_task(task=arn)
        return self.lab.wait_status(arn, 'STOPPED')

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

    def test_attacks_fail(self):
        victim = self.start(self.define('victim', 'echo $((17*3))-secret > /secret; exec sleep 7731'))
        self.lab.wait_status(victim, 'RUNNING')
        target = self.pid_of('sleep 7731')
        host = os.getpid()
        attack = '\n'.join([
            'echo uid $(cat /proc/self/uid_map)',
            'echo sees $(ls /proc | grep -c "^[0-9]*$")',
            'for p in $(seq 2 5000); do [ $p = $$ ] || kill -9 $p 2>/dev/null; done',
            f'cat /proc/{target}/root/secret 2>/dev/null && echo BROKE disk',
            'mount -t proc none /mnt 2>/dev/null && echo BROKE mount; mkdir -p /mnt; mount -t tmpfs none /mnt 2>/dev/null && echo BROKE tmpfs',
            'mknod /tmp/disk b 254 0 2>/dev/null && head -c 1 /tmp/disk 2>/dev/null | grep -q . && echo BROKE device',
            'echo 1 > /proc/sys/kernel/sysrq 2>/dev/null && echo BROKE sysctl; echo b > /proc/sysrq-trigger 2>/dev/null && echo BROKE sysrq',
            'head -c 1 /dev/mem 2>/dev/null | grep -q . && echo BROKE memory; head -c 16 /proc/kcore 2>/dev/null | grep -q . && echo BROKE kcore',
            'for f in /sys/fs/cgroup/*/tasks /sys/fs/cgroup/cgroup.procs; do [ -e $f ] && echo 0 > $f 2>/dev/null && echo BROKE cgroup $f; done',
            'for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do [ -e $f ] && echo 99999999999 > $f 2>/dev/null && echo BROKE limit; done',
            'unshare -U true 2>/dev/null && echo BROKE unshare; nsenter -t 1 -n true 2>/dev/null && true',
            'for p in 51678 51679 4327; do for h in 127.0.0.1 169.254.170.2 $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p"); do',
            '  nc -w 1 $h $p </dev/null >/dev/null 2>&1 && echo BROKE port $h:$p; done; done',
            f'grep -q "NoNewPrivs:.1" /proc/self/status && grep -q "Seccomp:.2" /proc/self/status && echo locked',
            'echo done; exec sleep 7741'])
        attacker = self.start(self.define('attacker', attack))
        lines = self.output(attacker, 'done')
        self.assertEqual([], [line for line in lines if 'BROKE' in line or 'secret' in line])
        self.assertIn('locked', lines)
        self.assertEqual('RUNNING', self.lab.task(victim)['lastStatus'])
        mapping = next(line for line in lines if line.startswith('uid ')).split()
        self.assertEqual(('0', '65536'), (mapping[1], mapping[3]))
        with open(f'/proc/{target}/uid_map') as other:
            theirs = other.read().split()
        self.assertNotEqual(theirs[1], mapping[2])
        self.assertGreaterEqual(min(int(theirs[1]), int(mapping[2])), 1 << 20)
        inside = self.pid_of('sleep 7741')
        self.assertEqual(int(mapping[2]), os.stat(f'/proc/{inside}').st_uid)  # nobody on the host
        for space in ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'):
            self.assertEqual(3, len({os.readlink(f'/proc/{pid}/ns/{space}') for pid in (target, inside, host)}), space)
        self.stop(attacker)
        self.stop(victim)
        self.assertNotIn(inside, processes())

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

    def test_nothing_outlives_the_stop(self):
        script = 'trap "" TERM HUP INT; (trap "" TERM HUP INT; setsid sleep 7761 & ) ; (while :; do sleep 7762; done) & wait; wait'
        arn = self.start(self.define('clinger', script, {'stopTimeout': 2}))
        self.lab.wait_status(arn, 'RUNNING')
        self.pid_of('sleep 7761')
        self.stop(arn)
        wait_for(lambda: not [line for line in processes().values() if 'sleep 776' in line], 10, 'its processes to be gone')

    def test_shared_pid_namespace(self):
        definition = self.register('pair', {'name': 'a', 'command': ['sleep', '7771']},
                                   {'name': 'b', 'command': ['sh', '-c', 'sleep 1; ps | grep -c "sleep 7771"; echo done; sleep 60'], 'logConfiguration': LOGS},
                                   networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='256', memory='512', pidMode='task',
                                   executionRoleArn='arn:aws:iam::123456789012:role/logs')
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

    def test_service_is_kept(self):
        definition = self.define('web', 'mkdir /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www', {'portMappings': [{'containerPort': 80}]})
        self.ecs.create_service(serviceName='web', taskDefinition=definition, desiredCount=2, launchType='FARGATE', networkConfiguration=self.network)
        self.addCleanup(self.ecs.delete_service, service='web', force=True)
        running = lambda: [arn for arn in self.ecs.list_tasks(serviceName='web')['taskArns'] if self.lab.task(arn)['lastStatus'] == 'RUNNING']
        first = wait_for(lambda: running() if len(running()) == 2 else None, 20, 'two tasks')
        self.ecs.stop_task(task=first[0])
        wait_for(lambda: len(running()) == 2 and first[0] not in running(), 20, 'the replacement')
        pid = self.lab.child_pid('agent')
        os.kill(pid, 9)
        wait_for(lambda: self.lab.child_pid('agent') not in (None, pid), 20, 'another agent')
        time.sleep(1)
        self.assertEqual(2, len(running()))

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
