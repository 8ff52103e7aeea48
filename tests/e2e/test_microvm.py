# SPDX-License-Identifier: Apache-2.0
"""Fargate tasks in micro-VMs of their own: real machines, emulated where KVM does not work, and attacks on them, each of which has to fail."""
import os
import shutil
import time
import unittest


import test_fargate
from lab import GANTRY, LabTest, wait_for
from test_fargate import processes

MISSING = [name for name in ('qemu-system-x86_64', 'mkfs.erofs', 'mkfs.ext4')
           if not shutil.which(name, path='/usr/bin:/usr/sbin')]


def machines():
    """Process ids of QEMU."""
    return [pid for pid, line in processes().items() if line.startswith('/usr/bin/qemu-system')]


@unittest.skipIf(MISSING, f'not installed: {MISSING}')
@unittest.skipUnless(os.path.exists(os.path.join(os.path.dirname(GANTRY), 'src/guest/gantry-init')), 'this build has no gantry-init (sanitizers)')
class MicroVm(LabTest):
    options = ('--fargate', 'microvm')
    define, start, output = test_fargate.Fargate.define, test_fargate.Fargate.start, test_fargate.Fargate.output
    size, patience = test_fargate.Fargate.size, test_fargate.Fargate.patience

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subnets = cls.lab.ec2.describe_subnets()['Subnets']
        cls.subnet = next(s['SubnetId'] for s in subnets if s['AvailabilityZone'] == 'us-east-1a')
        cls.network = {'awsvpcConfiguration': {'subnets': [cls.subnet]}}

    def stop(self, arn):
        self.ecs.stop_task(task=arn)
        return self.lab.wait_status(arn, 'STOPPED')

    def test_what_a_server_is(self):
        script = ('uname -r; grep -c ^processor /proc/cpuinfo; sed -n 1p /proc/meminfo; df -P / | tail -n 1; echo to-err >&2; hostname;'
                  'wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task | grep -o "\\"LaunchType\\":\\"[A-Z]*\\""; ls /sys/class/net | tr "\\n" " "; echo;'
                  'echo ready; exec sleep 7801')
        arn = self.start(self.define('shown', script))
        began = time.monotonic()
        task = self.lab.wait_status(arn, 'RUNNING', 60)
        print(f'RUNNING after {time.monotonic() - began:.2f} s')
        lines = self.output(arn, 'ready')
        print(lines)
        self.assertEqual([], [line for line in processes().values() if line.endswith('sleep 7801')])  # it is not on the host
        print(self.stop(arn)['stoppedReason'])
        wait_for(lambda: len(machines()) <= 2, 10, 'machines to go')
