# SPDX-License-Identifier: Apache-2.0
"""Fargate tasks in micro-VMs of their own: real machines, emulated where KVM does not work, and attacks on them, each of which has to fail."""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from fargate import processes
from lab import GANTRY, ROOT, wait_for
from microvm import INIT, MINUTES, MISSING, MicroVmTest, machines


@unittest.skipIf(MISSING, MISSING)
class OldImage(unittest.TestCase):
    def test_it_is_refused_when_it_cannot_be_renewed(self):
        """A build whose gantry-init is newer than the image, on a machine that reaches no mirror: the agent takes nothing of it, and says what to do."""
        tree = tempfile.mkdtemp(prefix='gantry-old-image-')
        self.addCleanup(shutil.rmtree, tree, ignore_errors=True)  # mounts of the agent go with the namespace
        image, init = os.path.join(tree, 'build', 'microvm'), os.path.join(tree, 'build', 'src', 'guest', 'gantry-init')
        for directory in (image, os.path.dirname(init), os.path.join(tree, 'tools')):
            os.makedirs(directory)
        for name in ('microvm-image.sh', 'debian-kernel.sh'):
            shutil.copy(os.path.join(ROOT, 'tools', name), os.path.join(tree, 'tools'))
        shutil.copy(GANTRY, os.path.join(tree, 'build'))
        shutil.copy(INIT, init)
        for name in ('kernel', 'initramfs'):
            with open(os.path.join(image, name), 'w') as f:
                f.write('old')
            os.utime(os.path.join(image, name), (1, 1))
        done = subprocess.run([os.path.join(tree, 'build', 'gantry'), 'agent', '--data-dir', os.path.join(tree, 'data'), '--server', 'http://127.0.0.1:1',
                               '--access-key', 'a', '--secret-key', 's', '--fargate', 'microvm'], capture_output=True, text=True, timeout=60)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn('(or put the package into ', done.stderr)  # the script's own words
        self.assertIn(f'there is no image of this version for micro-VMs in {image}, and making it has failed: make it with', done.stderr)
        with open(os.path.join(image, 'initramfs')) as f:
            self.assertEqual('old', f.read())  # as it was: the next try finds nothing half made


class ReplacedQemu:
    """The agent runs QEMU with other arguments: what the shell makes of them."""
    PATH = '/usr/bin/qemu-system-x86_64'

    def __init__(self, arguments):
        self.arguments = arguments

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix='gantry-qemu-')
        os.chmod(self.dir, 0o755)
        real, script = os.path.join(self.dir, 'real'), os.path.join(self.dir, 'script')
        with open(script, 'w') as f:
            f.write(f'#!/bin/bash\nexport QEMU_MODULE_DIR=$(echo /usr/lib/*-linux-gnu/qemu)  # it looks for them beside itself\nexec -a "$0" {real} -L /usr/share/qemu "{self.arguments}"\n')
        os.chmod(script, 0o755)
        open(real, 'w').close()
        subprocess.run(['mount', '--bind', self.PATH, real], check=True)
        subprocess.run(['mount', '--bind', script, self.PATH], check=True)

    def __exit__(self, *_):
        subprocess.run(['umount', self.PATH], check=True)
        subprocess.run(['umount', '-l', os.path.join(self.dir, 'real')], check=True)  # machines of it may run
        shutil.rmtree(self.dir)


class MicroVm(MicroVmTest):
    def test_what_a_server_is(self):
        script = ('uname -r; grep -c ^processor /proc/cpuinfo; sed -n 1p /proc/meminfo; df -Pm / | tail -n 1; echo to-err >&2; hostname;'
                  'wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task | grep -o "\\"LaunchType\\":\\"[A-Z]*\\""; echo net $(ls /sys/class/net);'
                  'touch /scratch/x && echo volume ok; stat -c "owner %u" /bin/sh; echo ready; trap "exit 7" TERM; while :; do sleep 0.1; done')
        definition = self.define('shown', script, {'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/scratch'}], 'stopTimeout': 20,
                                                   'healthCheck': {'command': ['CMD-SHELL', 'test -e /scratch/x'], 'interval': 5}},
                                 volumes=[{'name': 'v'}])
        arn = self.start(definition)
        task = self.lab.task(arn)
        self.assertIn({'name': 'gantry.fargate', 'value': 'microvm'}, task['attributes'])
        lines = self.output(arn, 'ready')
        self.assertNotEqual(os.uname().release, lines[0])
        self.assertEqual('1', lines[1])
        self.assertEqual(512 * 1024, int(re.search(r'\d+', lines[2]).group()))
        self.assertTrue(19000 < int(lines[3].split()[1]) <= 20480, lines[3])  # a disk of 20 GiB
        for line in ('to-err', '"LaunchType":"FARGATE"', 'net eth0 lo', 'volume ok', 'owner 0'):
            self.assertIn(line, lines)
        self.assertEqual([], [line for line in processes().values() if 'trap "exit 7"' in line and 'qemu' not in line])  # not on the host
        wait_for(lambda: self.lab.task(arn)['healthStatus'] == 'HEALTHY', 15, 'health')
        self.assertEqual(7, self.stop(arn)['containers'][0]['exitCode'])

    def test_ends_and_failures(self):
        done = self.start(self.define('brief', 'echo last words; exit 3'), 'STOPPED')
        self.assertEqual(3, self.lab.task(done)['containers'][0]['exitCode'])
        self.assertEqual(['last words'], self.output(done, 'last words'))
        wrong = self.register('wrong', {'name': 'c', 'command': ['/no/such/program']}, networkMode='awsvpc', requiresCompatibilities=['FARGATE'],
                              cpu='256', memory='512')
        task = self.lab.task(self.start(wrong, 'STOPPED'))
        self.assertIn('/no/such/program', task['stoppedReason'])
        hog = self.start(self.define('hog', 'exec dd if=/dev/zero of=/dev/null bs=505M count=1'), 'STOPPED')  # a shell's strings take a minute here
        self.assertIn('OutOfMemory', self.lab.task(hog)['containers'][0]['reason'])

    def test_a_disk_that_does_not_come(self):
        """QEMU knows no disk of the name that the agent gives it: the task says so, and the pool does not try for ever."""
        definition = self.define('diskless', 'exec sleep 7881', {'stopTimeout': 2}, ephemeralStorage={'sizeInGiB': 21})  # none waits with that
        with ReplacedQemu('${@//disk0/other0}'):
            task = self.lab.task(self.start(definition, 'STOPPED'))
            self.assertEqual('TaskFailedToStart', task['stopCode'])
            self.assertRegex(task['stoppedReason'], "the micro-VM of the task has ended: its disk could not be attached: QEMU: .*disk0.*; run the task again")
            for pid in machines():
                os.kill(pid, 9)
            refused = lambda: self.lab.tail(1 << 20).count('its disk could not be attached') - 1
            wait_for(lambda: refused() > 0, 10, 'a machine for the pool')
            time.sleep(2)
            self.assertLessEqual(refused(), 2)
        self.stop(self.start(definition))

    @MINUTES
    def test_neighbours_and_security_groups(self):
        web = self.start(self.define('web', 'mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www'))
        ask = f'for i in 1 2 3 4 5 6 7 8 9 10; do timeout 2 wget -qO- http://{self.address(web)}/ && break; sleep 0.3; done || echo refused; echo asked; exec sleep 600'
        friend = self.start(self.define('friend', ask))
        self.assertIn('served', self.output(friend, 'asked'))
        vpc = self.lab.ec2.describe_vpcs()['Vpcs'][0]['VpcId']
        group = self.lab.ec2.create_security_group(GroupName='apart', Description='no rules of others', VpcId=vpc)['GroupId']
        network = {'awsvpcConfiguration': {'subnets': [self.subnet], 'securityGroups': [group]}}
        quick = ask.replace('1 2 3 4 5 6 7 8 9 10', '1')
        stranger = self.start(self.define('stranger', quick), network=network)
        self.assertNotIn('served', self.output(stranger, 'asked'))
        for arn in (web, friend, stranger):
            self.stop(arn)

    def test_attacks_fail(self):
        victim = self.start(self.define('victim', 'echo $((17*3))-secret > /secret; exec sleep 7831'))
        attack = '\n'.join([
            'kill -9 -1 2>/dev/null',
            'grep -rl 51-secret /disk /images /run /tmp /var 2>/dev/null && echo BROKE disk',
            'mount -t tmpfs none /mnt 2>/dev/null && echo BROKE mount',
            'ls /dev/vd* /dev/vport* /dev/mem 2>/dev/null && echo BROKE devices',
            'for d in 254:0 1:1; do mknod /dev/d$d b ${d%:*} ${d#*:} 2>/dev/null; mknod /tmp/d$d c ${d%:*} ${d#*:} 2>/dev/null;',
            '  head -c 1 /dev/d$d 2>/dev/null | grep -q . && echo BROKE block $d; head -c 1 /tmp/d$d 2>/dev/null | grep -q . && echo BROKE char $d; done',
            'echo b > /proc/sysrq-trigger 2>/dev/null && echo BROKE sysrq; echo 1 > /proc/sys/kernel/sysrq 2>/dev/null && echo BROKE sysctl',
            'for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory.max; do echo 0 2>/dev/null > $f && echo BROKE $f; done',
            'for p in 51679 4327; do for h in 127.0.0.1 169.254.170.2 $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p"); do',
            '  nc -w 1 $h $p </dev/null >/dev/null 2>&1 && echo BROKE port $h:$p; done; done',
            'ip addr add 172.31.0.99/20 dev eth0 2>/dev/null && echo BROKE address',
            'grep -q "NoNewPrivs:.1" /proc/self/status && grep -q "Seccomp:.2" /proc/self/status && echo locked',
            'echo done; exec sleep 7841'])
        attacker = self.start(self.define('attacker', attack))
        lines = self.output(attacker, 'done')
        self.assertEqual([], [line for line in lines if 'BROKE' in line])
        self.assertIn('locked', lines)
        self.assertEqual('RUNNING', self.lab.task(victim)['lastStatus'])
        for pid in machines():
            with open(f'/proc/{pid}/status') as text:
                status = {word: value.strip() for word, _, value in (line.partition(':') for line in text)}
            self.assertGreater(int(status['Uid'].split()[0]), 1 << 29)  # nobody, and nobody twice
            self.assertEqual(('0000000000000000', '2'), (status['CapEff'], status['Seccomp']))
        self.assertEqual(len(machines()), len({os.stat(f'/proc/{pid}').st_uid for pid in machines()}))
        for arn in (victim, attacker):
            self.stop(arn)

    def test_agent_and_machine_are_killed(self):
        definition = self.define('kept', 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done')
        self.ecs.create_service(serviceName='kept', taskDefinition=definition, desiredCount=1, launchType='FARGATE', networkConfiguration=self.network)
        self.addCleanup(self.ecs.delete_service, service='kept', force=True)
        running = lambda: [arn for arn in self.ecs.list_tasks(serviceName='kept')['taskArns'] if self.lab.task(arn)['lastStatus'] == 'RUNNING']
        first = wait_for(running, 60, 'the task')[0]
        self.output(first, 'tick 3')
        machine = self.task_machine(first)
        agent = self.lab.child_pid('agent')
        os.kill(agent, 9)
        wait_for(lambda: self.lab.child_pid('agent') not in (None, agent), 20, 'another agent')
        time.sleep(1.5)
        self.assertEqual([first], running())
        self.assertEqual(machine, self.task_machine(first))
        lines = self.output(first, 'tick 15')
        numbers = [int(line.split()[1]) for line in lines]
        self.assertEqual(set(range(1, max(numbers) + 1)), set(numbers))  # no line was lost
        os.kill(machine, 9)
        wait_for(lambda: running() and running() != [first], 60, 'the replacement')
        gone = self.lab.task(first)
        self.assertIn('micro-VM of the task has ended', gone['stoppedReason'] + gone['containers'][0].get('reason', ''))

    def test_warm_start_and_nothing_left(self):
        definition = self.define('quick', 'exec sleep 7861', {'stopTimeout': 2})
        self.stop(self.start(definition))
        waiting = wait_for(self.prepared, 40, 'two warm machines')
        wait_for(lambda: self.counts()[2] == 2, 20, 'the control group of the one before to be gone')
        before = self.counts()
        arn = self.start(definition)
        self.assertIn(self.machine_of(arn), waiting)
        for directory in waiting:
            with open(f'{directory}/io/console') as console:
                self.assertNotIn('cannot', console.read())  # it went through a start
        self.stop(arn)
        wait_for(lambda: self.counts() == before, 20, f'{before}, not {self.counts()}')

    @MINUTES
    def test_random_life_leaves_nothing(self):
        dice = random.Random(int(os.environ.get('GANTRY_SEED', '11')))
        definition = self.define('short', 'exec sleep 7871', {'stopTimeout': 2})
        self.stop(self.start(definition))
        time.sleep(4)
        before, live = self.counts(), []
        for _ in range(int(os.environ['GANTRY_MACHINES'])):
            live.append(self.lab.run(definition, launchType='FARGATE', networkConfiguration=self.network))
            time.sleep(dice.random() * 0.6)
            while len(live) > 4 or (live and dice.random() < 0.3):
                self.ecs.stop_task(task=live.pop(dice.randrange(len(live))))
        for arn in live:
            self.ecs.stop_task(task=arn)
        wait_for(lambda: not self.ecs.list_tasks(family='short')['taskArns'], 60, 'all to be gone')
        wait_for(lambda: self.counts() == before, 30, f'{before}, not {self.counts()}')

    def prepared(self):
        """Directories of machines that wait, when there are as many as there should be and all have come to rest."""
        def used():
            found = {}
            for directory in glob.glob('/run/gantry/*/vm/[0-9]*'):
                with open(f'{directory}/process.json') as record, open(f"/proc/{json.load(record)['pid']}/stat") as stat:
                    found[directory] = sum(int(word) for word in stat.read().rsplit(')', 1)[1].split()[11:13])
            return found
        try:
            begin = used()
            time.sleep(1)
            end = used()
        except (OSError, ValueError):
            return None
        return set(end) if len(end) == 2 and begin.keys() == end.keys() and all(end[d] - begin[d] < 10 for d in end) else None

    def machine_of(self, arn):
        for path in glob.glob('/run/gantry/*/vm/[0-9]*/machine.json'):
            with open(path) as record:
                if json.load(record)['id'] == arn.rsplit('/', 1)[1]:
                    return os.path.dirname(path)
        return None

    def counts(self):
        links = len(os.listdir('/sys/class/net'))
        ours = [os.path.basename(os.path.dirname(path)) for path in glob.glob('/run/gantry/*/vm')]
        groups = sum(len(glob.glob(f'/sys/fs/cgroup/memory/*/vm-{key}-*') + glob.glob(f'/sys/fs/cgroup/*/vm-{key}-*')) for key in ours)
        with open('/proc/self/mounts') as mounts:
            n_mounts = mounts.read().count('\n')
        return len(machines()), links, groups, n_mounts, len(glob.glob('/run/gantry/*/vm/*')), len(self.lab.ec2.describe_network_interfaces()['NetworkInterfaces'])
