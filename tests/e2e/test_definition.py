# SPDX-License-Identifier: Apache-2.0
"""What a container definition says is what the container gets: each member checked from inside the container."""
import os
import shutil
import socket
import unittest

from lab import LabTest, get, wait_for
from test_run_task import container_pid

LOGS = {'logDriver': 'awslogs', 'options': {'awslogs-group': '/ecs/definition', 'awslogs-region': 'us-east-1',
                                            'awslogs-stream-prefix': 'ecs', 'awslogs-create-group': 'true'}}


class Definition(LabTest):
    def output(self, family, script, containers=(), timeout=60, overrides=None, command=None, **more):
        """Lines that a container prints which runs `script` and ends; other containers may stand beside it."""
        task_level = {k: more.pop(k) for k in ('volumes', 'networkMode', 'pidMode', 'ipcMode', 'cpu', 'memory') if k in more}
        main = {'name': 'main', 'command': command or ['sh', '-c', script], 'logConfiguration': LOGS, **more}
        definition = self.register(family, main, *containers, **task_level)
        arn = self.lab.run(definition, **({'overrides': overrides} if overrides else {}))
        task = self.lab.wait_status(arn, 'STOPPED', timeout)
        code = next(c for c in task['containers'] if c['name'] == 'main').get('exitCode')
        self.assertEqual(0, code, (task['stoppedReason'], [c.get('reason') for c in task['containers']]))
        stream = f'ecs/main/{arn.rsplit("/", 1)[1]}'

        def lines():
            return [e['message'] for e in self.lab.logs.get_log_events(
                logGroupName='/ecs/definition', logStreamName=stream, startFromHead=True)['events']]
        return wait_for(lines, 15, 'the output in the log')

    def test_process(self):
        lines = self.output('process', 'echo "$GREETING"; pwd; id -u; id -g; ulimit -n; cat /proc/self/oom_score_adj >/dev/null; hostname',
                            environment=[{'name': 'GREETING', 'value': 'hello  "there"'}], workingDirectory='/tmp', user='1000:1001',
                            ulimits=[{'name': 'nofile', 'softLimit': 512, 'hardLimit': 1024}], hostname='box')
        self.assertEqual(['hello  "there"', '/tmp', '1000', '1001', '512', 'box'], lines)

    def test_entry_point_and_command(self):
        self.assertEqual(['a b'], self.output('entry', '', entryPoint=['echo'], command=['a', 'b']))

    def test_overrides(self):
        lines = self.output('overrides', 'exit 9', environment=[{'name': 'A', 'value': 'old'}, {'name': 'B', 'value': 'kept'}],
                            overrides={'containerOverrides': [{'name': 'main', 'command': ['sh', '-c', 'echo $A $B'],
                                                              'environment': [{'name': 'A', 'value': 'new'}]}]})
        self.assertEqual(['new kept'], lines)

    def test_capabilities_and_privileges(self):
        def effective(family, **more):
            line = self.output(family, 'grep CapEff /proc/self/status', **more)[0]
            return int(line.split()[1], 16)
        net_admin, net_raw = 1 << 12, 1 << 13
        plain = effective('plain')
        self.assertFalse(plain & net_admin)
        self.assertTrue(plain & net_raw)
        changed = effective('changed', linuxParameters={'capabilities': {'add': ['NET_ADMIN'], 'drop': ['NET_RAW']}})
        self.assertTrue(changed & net_admin)
        self.assertFalse(changed & net_raw)
        self.assertTrue(effective('privileged', privileged=True) & net_admin)

    def test_files(self):
        lines = self.output('files', 'touch /x 2>/dev/null && echo writable; df -m /dev/shm | tail -1 | awk "{print \\$2}"; grep " /scratch " /proc/mounts | cut -d" " -f3; '
                            'ls -l /dev/null-too | cut -c1',
                            readonlyRootFilesystem=True,
                            linuxParameters={'sharedMemorySize': 32, 'tmpfs': [{'containerPath': '/scratch', 'size': 8, 'mountOptions': ['noexec']}],
                                             'devices': [{'hostPath': '/dev/null', 'containerPath': '/dev/null-too'}]})
        self.assertEqual(['32', 'tmpfs', 'c'], lines)

    def test_names(self):
        lines = self.output('names', 'grep elsewhere /etc/hosts; grep -E "nameserver|search" /etc/resolv.conf',
                            extraHosts=[{'hostname': 'elsewhere', 'ipAddress': '192.0.2.7'}], dnsServers=['192.0.2.53'], dnsSearchDomains=['corp.example'])
        self.assertIn('192.0.2.7', lines[0])
        self.assertEqual({'nameserver 192.0.2.53', 'search corp.example'}, set(lines[1:]))

    def test_sysctls_and_init(self):
        lines = self.output('sysctls', 'cat /proc/sys/net/core/somaxconn; cat /proc/1/comm', linuxParameters={'initProcessEnabled': True},
                            systemControls=[{'namespace': 'net.core.somaxconn', 'value': '321'}])
        self.assertEqual('321', lines[0])
        self.assertNotIn(lines[1], ('sh', 'cat', 'busybox'))

    def test_terminal(self):
        lines = self.output('terminal', 'test -t 1 && echo tty', pseudoTerminal=True)
        self.assertEqual(['tty'], [line.rstrip('\r') for line in lines])

    def test_volumes(self):
        host = os.path.join(self.lab.dir, 'hostvolume')
        os.makedirs(host)
        with open(os.path.join(host, 'from-host'), 'w') as f:
            f.write('host data\n')
        lines = self.output(
            'volumes', 'cat /h/from-host; touch /h/x 2>/dev/null || echo read-only; cat /s/shared; cat /from-writer/shared; echo n > /n/kept',
            volumes=[{'name': 'h', 'host': {'sourcePath': host}}, {'name': 's'},
                     {'name': 'n', 'dockerVolumeConfiguration': {'scope': 'shared', 'autoprovision': True, 'driver': 'local'}}],
            mountPoints=[{'sourceVolume': 'h', 'containerPath': '/h', 'readOnly': True}, {'sourceVolume': 's', 'containerPath': '/s'},
                         {'sourceVolume': 'n', 'containerPath': '/n'}],
            volumesFrom=[{'sourceContainer': 'writer'}], dependsOn=[{'containerName': 'writer', 'condition': 'SUCCESS'}],
            containers=[{'name': 'writer', 'essential': False, 'command': ['sh', '-c', 'echo scratch data > /from-writer/shared'],
                         'mountPoints': [{'sourceVolume': 's', 'containerPath': '/from-writer'}]}])
        self.assertEqual(['host data', 'read-only', 'scratch data', 'scratch data'], lines)
        again = self.output('volumes2', 'cat /n/kept', mountPoints=[{'sourceVolume': 'n', 'containerPath': '/n'}],
                            volumes=[{'name': 'n', 'dockerVolumeConfiguration': {'scope': 'shared', 'autoprovision': True, 'driver': 'local'}}])
        self.assertEqual(['n'], again)

    def test_namespaces(self):
        sleeper = {'name': 'sleeper', 'essential': False, 'command': ['sleep', '77']}
        lines = self.output('pidtask', 'sleep 1; ps | grep -c "[s]leep 77"', pidMode='task', containers=[sleeper],
                            dependsOn=[{'containerName': 'sleeper', 'condition': 'START'}])
        self.assertEqual(['1'], lines)
        self.assertEqual([os.readlink('/proc/self/ns/net')], self.output('hostnet', 'readlink /proc/self/ns/net', networkMode='host'))
        self.assertEqual(['lo'], self.output('nonet', 'ls /sys/class/net', networkMode='none'))

    def test_dependencies(self):
        first = {'name': 'first', 'essential': False, 'command': ['sh', '-c', 'sleep 1; exit 3']}
        self.output('complete', 'echo after', containers=[first], dependsOn=[{'containerName': 'first', 'condition': 'COMPLETE'}])
        arn = self.lab.run(self.register('success', first, {'name': 'main', 'command': ['true'],
                                                            'dependsOn': [{'containerName': 'first', 'condition': 'SUCCESS'}]}))
        task = self.lab.wait_status(arn, 'STOPPED', 60)
        main = next(c for c in task['containers'] if c['name'] == 'main')
        self.assertNotIn('exitCode', main)
        self.assertRegex(main.get('reason') or task['stoppedReason'], 'depend|first')

    def test_links(self):
        server = {'name': 'server', 'command': ['sh', '-c', 'mkdir /w; echo linked > /w/index.html; exec httpd -f -p 80 -h /w'], 'essential': False}
        self.assertEqual(['linked'], self.output('links', 'sleep 1; wget -q -O - http://other/', links=['server:other'], containers=[server]))

    def test_health_and_restart(self):
        arn = self.lab.run(self.register(
            'health',
            {'name': 'sick', 'command': ['sleep', '600'], 'healthCheck': {'command': ['CMD-SHELL', 'exit 1'], 'interval': 5, 'retries': 1, 'timeout': 2}},
            {'name': 'again', 'essential': False, 'command': ['sh', '-c', 'exit 5'],
             'restartPolicy': {'enabled': True, 'ignoredExitCodes': [5], 'restartAttemptPeriod': 60}}))
        self.lab.wait_status(arn, 'RUNNING')
        wait_for(lambda: self.lab.task(arn)['healthStatus'] == 'UNHEALTHY', 30, 'UNHEALTHY')
        again = wait_for(lambda: next(c for c in self.lab.task(arn)['containers'] if c['name'] == 'again' and c['lastStatus'] == 'STOPPED'), 30, 'the exit')
        self.assertEqual(5, again['exitCode'])
        self.ecs.stop_task(task=arn)
        self.lab.wait_status(arn, 'STOPPED', 60)

    def test_stop_timeout(self):
        arn = self.lab.run(self.register('stubborn', {'name': 'c', 'stopTimeout': 2, 'command': ['sh', '-c', 'trap "" TERM; while true; do sleep 1; done']}))
        self.lab.wait_status(arn, 'RUNNING')
        self.ecs.stop_task(task=arn)
        task = self.lab.wait_status(arn, 'STOPPED', 20)
        self.assertEqual(137, task['containers'][0]['exitCode'])

    def test_limits(self):
        """Each limit as the kernel has it."""
        arn = self.lab.run(self.register('limits', {
            'name': 'c', 'command': ['sleep', '600'], 'cpu': 256, 'memory': 64, 'memoryReservation': 32,
            'linuxParameters': {'maxSwap': 16, 'swappiness': 10}, 'ulimits': [{'name': 'nproc', 'softLimit': 50, 'hardLimit': 60}]},
            memory='128', cpu='512', networkMode='bridge'))
        task = self.lab.wait_status(arn, 'RUNNING')
        pid = container_pid(task['containers'][0]['runtimeId'])
        with open(f'/proc/{pid}/cgroup') as lines:
            groups = dict((line.split(':')[1], line.strip().split(':', 2)[2]) for line in lines)

        def value(controller, name, above=''):
            with open(os.path.join('/sys/fs/cgroup', controller, groups.get(controller, groups.get('')).lstrip('/'), above, name)) as f:
                return f.read().split()
        mib = 1 << 20
        if 'memory' in groups:
            self.assertEqual([str(64 * mib)], value('memory', 'memory.limit_in_bytes'))
            self.assertEqual([str(32 * mib)], value('memory', 'memory.soft_limit_in_bytes'))
            self.assertEqual([str(128 * mib)], value('memory', 'memory.limit_in_bytes', '..'))
            self.assertEqual(['10'], value('memory', 'memory.swappiness'))
            self.assertEqual(['256'], value('cpu', 'cpu.shares'))
            self.assertEqual(0.5, int(value('cpu', 'cpu.cfs_quota_us', '..')[0]) / int(value('cpu', 'cpu.cfs_period_us', '..')[0]))
        else:
            self.assertEqual([str(64 * mib)], value('', 'memory.max'))
            self.assertEqual([str(32 * mib)], value('', 'memory.low'))
            self.assertEqual([str(128 * mib)], value('', 'memory.max', '..'))
            quota, period = value('', 'cpu.max', '..')
            self.assertEqual(0.5, int(quota) / int(period))
        with open(f'/proc/{pid}/limits') as lines:
            self.assertTrue(any(line.split()[:4] == ['Max', 'processes', '50', '60'] for line in lines))
        self.ecs.stop_task(task=arn)

    def test_labels_and_security_options(self):
        lines = self.output('labels', 'wget -q -O - $ECS_CONTAINER_METADATA_URI_V4; echo; grep NoNewPrivs /proc/self/status | cut -f2',
                            dockerLabels={'com.example.color': 'blue'}, dockerSecurityOptions=['no-new-privileges:true'])
        self.assertIn('"com.example.color":"blue"', lines[0])
        self.assertEqual('1', lines[1])

    def test_interactive(self):
        """Standard input that stays open, against one that is at its end from the start."""
        script = 'timeout 1 cat && echo end || echo open'
        lines = self.output('interactive', script, interactive=True)  # the shell may also say "Terminated", before or after
        self.assertIn('open', lines)
        self.assertNotIn('end', lines)
        self.assertEqual(['end'], self.output('notinteractive', script))

    def test_essential(self):
        """A container that is not essential ends alone; an essential one takes the others along."""
        arn = self.lab.run(self.register(
            'essential', {'name': 'main', 'command': ['sh', '-c', 'sleep 3; exit 4']}, {'name': 'extra', 'essential': False, 'command': ['sh', '-c', 'exit 3']},
            {'name': 'other', 'essential': False, 'command': ['sleep', '600']}))
        exited = wait_for(lambda: [c for c in self.lab.task(arn)['containers'] if c['lastStatus'] == 'STOPPED'], 20, 'the first exit')
        self.assertEqual([('extra', 3)], [(c['name'], c['exitCode']) for c in exited])
        self.assertEqual('RUNNING', self.lab.task(arn)['lastStatus'])
        task = self.lab.wait_status(arn, 'STOPPED')
        self.assertEqual(('EssentialContainerExited', 'Essential container in task exited'), (task['stopCode'], task['stoppedReason']))
        self.assertEqual({'main': 4, 'extra': 3, 'other': 137}, {c['name']: c['exitCode'] for c in task['containers']})

    def test_start_timeout(self):
        arn = self.lab.run(self.register(
            'waits', {'name': 'slow', 'essential': False, 'command': ['sleep', '600'], 'startTimeout': 2},
            {'name': 'main', 'command': ['true'], 'dependsOn': [{'containerName': 'slow', 'condition': 'COMPLETE'}]}))
        task = self.lab.wait_status(arn, 'STOPPED', 30)
        main = next(c for c in task['containers'] if c['name'] == 'main')
        self.assertNotIn('exitCode', main)
        self.assertRegex(str(main.get('reason')) + task['stoppedReason'], 'slow')

    def test_what_no_node_has(self):
        """Registered all the same, as AWS does; the failure of RunTask names the attribute that is missing."""
        for family, missing, container, more in (
                ('syslog', 'logging-driver.syslog', {'logConfiguration': {'logDriver': 'syslog'}}, {}),
                ('plugin', 'docker-plugin.rexray', {'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/v'}]},
                 {'volumes': [{'name': 'v', 'dockerVolumeConfiguration': {'scope': 'shared', 'driver': 'rexray'}}]})):
            failure = self.ecs.run_task(taskDefinition=self.register(family, {'name': 'c', **container}, **more))['failures'][0]
            self.assertEqual('ATTRIBUTE', failure['reason'])
            self.assertIn(missing, failure['detail'])

    def test_what_cannot_start(self):
        """The kind of error is AWS's; the text names what is wrong and, where there is one, the way out."""
        for family, reason, container in (
                ('nodevice', '^CannotCreateContainerError: device /dev/none', {'linuxParameters': {'devices': [{'hostPath': '/dev/none'}]}}),
                ('nouser', '^CannotCreateContainerError: user .nosuch.', {'user': 'nosuch'}),
                ('nogroup', '^ResourceInitializationError: failed to initialize logging driver: .*awslogs-create-group', {'logConfiguration': {
                    'logDriver': 'awslogs', 'options': {'awslogs-group': '/never', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'x'}}})):
            task = self.lab.wait_status(self.lab.run(self.register(family, {'name': 'c', **container})), 'STOPPED')
            self.assertEqual('TaskFailedToStart', task['stopCode'])
            self.assertRegex(task['containers'][0]['reason'], reason)
            self.assertNotIn('exitCode', task['containers'][0])

    def test_log_drivers(self):
        """json-file stays with the container, journald gets each line as a datagram, none keeps nothing."""
        directory = '/run/systemd/journal'
        if os.path.exists(directory + '/socket'):
            self.skipTest('this machine has a journal of its own')
        os.makedirs(directory, exist_ok=True)
        self.addCleanup(shutil.rmtree, directory)
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(journal.close)
        journal.bind(directory + '/socket')
        journal.settimeout(20)
        say = ['sh', '-c', 'echo one line; sleep 600']
        arn = self.lab.run(self.register(
            'drivers', {'name': 'journal', 'command': say, 'logConfiguration': {'logDriver': 'journald', 'options': {'tag': 'mine'}}},
            {'name': 'file', 'command': say, 'logConfiguration': {'logDriver': 'json-file', 'options': {'max-size': '1m', 'max-file': '2'}}},
            {'name': 'none', 'command': say, 'logConfiguration': {'logDriver': 'none'}}))
        task = self.lab.wait_status(arn, 'RUNNING')
        entry = journal.recv(65536).decode()
        self.assertIn('MESSAGE=one line\n', entry)
        self.assertIn('CONTAINER_TAG=mine\n', entry)
        ids = {c['name']: c['runtimeId'] for c in task['containers']}

        def kept(name):
            found = []
            for folder, _, files in os.walk(os.path.join(self.lab.data, 'agent')):
                for file in files:
                    if ids[name] in folder and 'log' in file:
                        with open(os.path.join(folder, file), errors='replace') as f:
                            found.append(f.read())
            return ''.join(found)
        wait_for(lambda: 'one line' in kept('file'), 10, 'the line in the file')
        self.assertNotIn('one line', kept('none'))
        self.ecs.stop_task(task=arn)

    def test_awslogs_joins_lines(self):
        options = {**LOGS['options'], 'awslogs-group': '/ecs/joined', 'awslogs-multiline-pattern': '^START'}
        arn = self.lab.run(self.register('joined', {'name': 'main', 'command': ['sh', '-c', 'printf "START a\n  b\nSTART c\n"'],
                                                    'logConfiguration': {'logDriver': 'awslogs', 'options': options}}))
        self.lab.wait_status(arn, 'STOPPED')

        def messages():
            events = self.lab.logs.get_log_events(logGroupName='/ecs/joined', logStreamName=f'ecs/main/{arn.rsplit("/", 1)[1]}', startFromHead=True)['events']
            return len(events) == 2 and [e['message'].rstrip('\n') for e in events]
        self.assertEqual(['START a\n  b', 'START c'], wait_for(messages, 15, 'two events'))

    def test_dynamic_ports(self):
        """Two tasks of one definition side by side, each with host ports of its own."""
        definition = self.register('dynamic', {'name': 'c', 'command': ['sh', '-c', 'mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w'],
                                               'portMappings': [{'containerPort': 80}, {'containerPort': 5353, 'protocol': 'udp'}]})
        arns = [self.lab.run(definition) for _ in range(2)]
        tcp, udp, pages = set(), set(), set()
        for arn in arns:
            bindings = {b['protocol']: b for b in self.lab.wait_status(arn, 'RUNNING')['containers'][0]['networkBindings']}
            tcp.add(bindings['tcp']['hostPort'])
            udp.add(bindings['udp']['hostPort'])
            pages.add(wait_for(lambda: get_or_none(f'http://127.0.0.1:{bindings["tcp"]["hostPort"]}/'), 10, 'the page'))
        self.assertEqual((2, 2, 2), (len(tcp), len(udp), len(pages)))
        for arn in arns:
            self.ecs.stop_task(task=arn)

    def test_fixed_and_ranged_ports(self):
        serve = ['sh', '-c', 'mkdir /w; echo port > /w/index.html; httpd -p 9001 -h /w; exec httpd -f -p 80 -h /w']
        definition = self.register('ports', {'name': 'c', 'command': serve, 'portMappings': [
            {'containerPort': 80, 'hostPort': 18080}, {'containerPortRange': '9000-9002'}]})
        arn = self.lab.run(definition)
        task = self.lab.wait_status(arn, 'RUNNING')
        bindings = task['containers'][0]['networkBindings']
        self.assertTrue(any(b.get('containerPort') == 80 and b.get('hostPort') == 18080 for b in bindings))
        wait_for(lambda: get_or_none('http://127.0.0.1:18080/'), 10, 'the fixed port')
        ranged = next(b for b in bindings if b.get('containerPortRange') == '9000-9002')
        start = int(ranged['hostPortRange'].split('-')[0])
        wait_for(lambda: get_or_none(f'http://127.0.0.1:{start + 1}/'), 10, 'a port of the range')
        second = self.ecs.run_task(taskDefinition=definition)
        self.assertEqual('RESOURCE:PORTS', second['failures'][0]['reason'])
        self.ecs.stop_task(task=arn)
        self.lab.wait_status(arn, 'STOPPED', 60)

    def test_task_metadata(self):
        lines = self.output('metadata', 'wget -q -O - $ECS_CONTAINER_METADATA_URI_V4/task; echo; wget -q -O - $ECS_CONTAINER_METADATA_URI_V4 | head -c 2000')
        self.assertIn('"Family":"metadata"', lines[0])
        self.assertIn('"Name":"main"', lines[1])

    def test_task_size(self):
        lines = self.output('sized', 'echo fits', cpu='256', memory='64', networkMode='bridge')
        self.assertEqual(['fits'], lines)


def get_or_none(url):
    try:
        return get(url, 2)
    except OSError:
        return None


if __name__ == '__main__':
    unittest.main()
