# SPDX-License-Identifier: Apache-2.0
"""Attacks of a Fargate task on its neighbours and on its host, each of which has to fail, however the host keeps its tasks apart.

`Attacks` tries them in one task; a class for each kind of isolation says what the host sees of it.
"""
import os
import socket
import subprocess
import threading
import unittest

from fargate import LOGS, ROLE, FargateTest, image_with, processes
from lab import wait_for


class Services:
    """Something that listens on all addresses of the host, and counts who gets through."""

    def __init__(self):
        self.socket = socket.create_server(('0.0.0.0', 0))
        self.port = self.socket.getsockname()[1]
        self.reached = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            self.reached.append(peer)
            connection.close()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def addresses():
    """Of this machine, as a task might guess them."""
    with open('/proc/net/fib_trie') as f:
        lines = f.read().splitlines()
    return sorted({lines[i - 1].split()[-1] for i, line in enumerate(lines) if '/32 host LOCAL' in line})


class Attacks:
    """Mixed into FargateTest. One victim, one attacker, and one answer to all of it."""
    forks = True  # whether to try to have too many processes: cheap where a process is
    hog = 'x=a; while true; do x=$x$x; done'

    @classmethod
    def setUpClass(cls):
        # A machine has addresses in networks of its own, on which its services listen.
        subprocess.run('ip link add lan0 type bridge && ip addr add 192.0.2.7/24 dev lan0 && ip link set lan0 up', shell=True, check=True)
        cls.addClassCleanup(subprocess.run, ['ip', 'link', 'delete', 'lan0'], check=True)
        super().setUpClass()
        attacker = os.path.join(os.environ['GANTRY_BUILD'], 'tests', 'e2e', 'attacker')
        cls.attacker = image_with(cls.lab.dir, 'attacker', attacker, 'bin/attacker')

    # ---- what the host sees; kinds of isolation may answer otherwise ----

    def check_inside(self, marker):
        """Whatever can be said of a process of a task from outside."""

    def left(self, markers):
        """Processes of the host that have to do with a task that said so."""
        return [line for line in processes().values() if any(marker in line for marker in markers)]

    # ---- the attacks ----

    def script(self, victim, services):
        """A shell script: lines that start with BROKE say what succeeded."""
        task = self.lab.task(victim)
        target, name = self.pid_of_victim(), task['taskArn'].rsplit('/', 1)[1]
        hosts = ' '.join(addresses() + ['169.254.170.2', '169.254.169.254'])
        server = self.lab.listen.rsplit(':', 1)[1]
        uri, credentials = self.said['uri'], self.said['credentials']
        return '\n'.join([
            'gateway=$(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p")',
            f'attacker {target} {"forks" if self.forks else ""}',
            # Processes and files of others.
            'for p in $(seq 2 5000); do [ $p = $$ ] || kill -9 $p 2>/dev/null; done',
            f'for p in 1 {target}; do grep -a -q {name} /proc/$p/environ 2>/dev/null && echo BROKE environment of $p; done',
            f'cat /proc/{target}/root/secret 2>/dev/null && echo BROKE disk',
            'grep -r -s 51-secret /proc/1/root/secret /mnt /run /var /tmp 2>/dev/null && echo BROKE files',
            # The kernel's knobs.
            'for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/vm/drop_caches'
            '  /proc/sysrq-trigger /proc/1/oom_score_adj_x /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run; do',
            '  [ -e $f ] && (cat $f > /tmp/old; cat /tmp/old > $f) 2>/dev/null && echo BROKE write $f; done',
            'for f in /dev/mem /dev/kmem /dev/port /proc/kcore /dev/kmsg /dev/vda /dev/sda /dev/loop0 /dev/fuse /dev/kvm; do',
            '  head -c 1 $f 2>/dev/null | grep -q . && echo BROKE read $f; done',
            '[ "$(grep -v "^0*0 " /proc/kallsyms 2>/dev/null | head -c 1)" ] && echo BROKE kernel addresses',
            # Its size.
            'for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name release_agent -o -name memory.limit_in_bytes'
            '  -o -name memory.max -o -name cpu.cfs_quota_us -o -name cpu.max -o -name pids.max -o -name devices.allow 2>/dev/null); do',
            '  (echo 0 > $f) 2>/dev/null && echo BROKE cgroup $f; done',
            'mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x 2>/dev/null && echo BROKE new cgroup',
            'fallocate -l 19G /a 2>/dev/null || echo BROKE disk smaller than it should be; fallocate -l 19G /b 2>/dev/null && echo BROKE disk larger',
            'fallocate -l 2G /scratch/b 2>/dev/null && echo BROKE volume larger; df -h / | tail -1; rm -f /a /b /scratch/b; echo x > /x || echo BROKE disk dead',
            'dd if=/dev/zero of=/dev/shm/x bs=1M count=600 2>/dev/null && echo BROKE shared memory; rm -f /dev/shm/x',
            'for d in /run /etc /dev /tmp /proc /sys; do fallocate -l 30G $d/big 2>/dev/null && echo BROKE $d; rm -f $d/big; done 2>/dev/null',
            # The host, and its agent.
            f'for h in {hosts} $gateway; do for p in {services} {server} 51678 51679 51680 2375 22; do',
            '  nc -w 1 $h $p </dev/null >/dev/null 2>&1 && echo BROKE port $h:$p & done; wait; done',
            'timeout 2 wget -q -O- http://169.254.169.254/latest/meta-data/ 2>/dev/null | grep -q . && echo BROKE instance metadata',
            f'timeout 2 wget -q -O- http://169.254.170.2{credentials} 2>/dev/null | grep -q AccessKey && echo BROKE credentials',
            f'timeout 2 wget -q -O- {uri}/task 2>/dev/null | grep -q {name} && echo BROKE metadata of another task',
            # The neighbour's network.
            f'for p in 80 81; do nc -w 2 {self.address(victim)} $p </dev/null >/dev/null 2>&1 && echo BROKE closed port $p; done',
            f'ip addr add {self.address(victim)}/32 dev eth0 2>/dev/null && echo BROKE address',
            'ip link set eth0 address 02:00:00:00:00:01 2>/dev/null && echo BROKE hardware address',
            f'for a in {self.address(victim)} $gateway; do arping -U -c 3 -I eth0 -s $a $a >/dev/null 2>&1; done',
            'ip link add x type dummy 2>/dev/null && echo BROKE link; ip route add default via 127.0.0.1 2>/dev/null && echo BROKE route',
            'tc qdisc add dev eth0 root netem 2>/dev/null && echo BROKE queue',
            'for i in $(seq 100); do wget -q -O /dev/null $ECS_CONTAINER_METADATA_URI_V4 & done 2>/dev/null; wait',
            'echo done; exec sleep 7741'])

    def pid_of_victim(self):
        return self.pid_of('sleep 7731')

    def test_attacks_fail(self):
        group = self.group('victims', 80)
        victim = self.start(self.define(
            'victim', 'echo $((17*3))-secret > /secret; mkdir /www; echo victim > /www/index.html; httpd -p 80 -h /www; httpd -p 81 -h /www;'
                      'echo uri $ECS_CONTAINER_METADATA_URI_V4; echo credentials $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;'
                      'wget -q -O- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI | grep -q AccessKey && echo has credentials;'
                      'echo ready; while :; do sleep 1; timeout 5 wget -q -O /dev/null $ECS_CONTAINER_METADATA_URI_V4/task || echo starved; done & exec sleep 7731',
            taskRoleArn='arn:aws:iam::123456789012:role/victim'),
            networkConfiguration={'awsvpcConfiguration': {'subnets': [self.subnet], 'securityGroups': [group]}})
        lines = self.output(victim, 'ready')
        self.assertIn('has credentials', lines)
        self.said = dict(line.split(' ', 1) for line in lines if line.startswith(('uri ', 'credentials ')))
        # The attacker comes from an address that the group does not let in.
        self.lab.ec2.revoke_security_group_ingress(GroupId=group, IpProtocol='tcp', FromPort=80, ToPort=80, CidrIp='0.0.0.0/0')
        self.assertIn('192.0.2.7', addresses())
        services = Services()
        self.addCleanup(services.stop)
        definition = self.register(
            'attacker', {'name': 'c', 'image': self.attacker, 'memory': 2048, 'command': ['sh', '-c', self.script(victim, services.port)], 'logConfiguration': LOGS,
                         'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/scratch'}]},
            networkMode='awsvpc', requiresCompatibilities=['FARGATE'], cpu='1024', memory='2048', executionRoleArn=ROLE, volumes=[{'name': 'v'}])
        attacker = self.start(definition)
        self.patience = 90
        lines = self.output(attacker, 'done')
        self.assertEqual([], [line for line in lines if 'BROKE' in line or 'secret' in line])
        self.assertEqual([], services.reached)
        held = [line for line in lines if line.startswith('held ')]
        self.assertIn(f'attacks: {len(held)}', lines)
        if self.forks:
            self.assertLess(int(next(line for line in lines if line.startswith('forks: ')).split()[1]), 8192)
        # The victim has noticed nothing.
        self.assertEqual('RUNNING', self.lab.task(victim)['lastStatus'])
        self.assertNotIn('starved', self.output(victim, 'ready'))
        self.check_inside('sleep 7741')
        self.stop(attacker)
        self.stop(victim)
        wait_for(lambda: not self.left(['sleep 7741', 'sleep 7731']), 10, 'both to be gone')

    def test_nothing_outlives_the_stop(self):
        script = ('trap "" TERM HUP INT; (trap "" TERM HUP INT; setsid sleep 7761 & ) ; (while :; do sleep 7762; done) & '
                  '(setsid sh -c "setsid sleep 7763 &" &) ; echo ready; while :; do wait; done')
        arn = self.start(self.define('clinger', script, {'stopTimeout': 2}))
        self.output(arn, 'ready')
        self.stop(arn)
        wait_for(lambda: not self.left(['sleep 776', arn.rsplit('/', 1)[1]]), 10, 'its processes to be gone')

    def test_memory_is_a_limit(self):
        hog = self.start(self.define('hog', self.hog))
        self.assertIn('OutOfMemory', self.lab.wait_status(hog, 'STOPPED', 60)['containers'][0]['reason'])


class Sandbox(Attacks, FargateTest):
    isolation = 'sandbox'

    def check_inside(self, marker):
        """Nobody on the host, in namespaces of its own."""
        inside, victim = self.pid_of(marker), self.pid_of_victim()
        maps = []
        for pid in (inside, victim):
            with open(f'/proc/{pid}/uid_map') as f:
                maps.append(f.read().split())
        self.assertEqual([('0', '65536')] * 2, [(m[0], m[2]) for m in maps])
        self.assertNotEqual(maps[0][1], maps[1][1])
        self.assertGreaterEqual(min(int(m[1]) for m in maps), 1 << 20)
        self.assertEqual(int(maps[0][1]), os.stat(f'/proc/{inside}').st_uid)
        for space in ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'):
            self.assertEqual(3, len({os.readlink(f'/proc/{pid}/ns/{space}') for pid in (inside, victim, 'self')}), space)
        with open(f'/proc/{inside}/status') as f:
            status = f.read()
        self.assertIn('NoNewPrivs:\t1', status)
        self.assertIn('Seccomp:\t2', status)


if __name__ == '__main__':
    unittest.main()

