# SPDX-License-Identifier: Apache-2.0
"""What the tests of micro-VMs share: when they can run, starts that take seconds, and the host's view of the machines."""
import glob
import os
import re
import shutil
import unittest

from fargate import FargateTest, processes
from lab import GANTRY

NEEDED = [name for name in ('qemu-system-x86_64', 'mkfs.erofs', 'mkfs.ext4') if not shutil.which(name, path='/usr/bin:/usr/sbin')]
INIT = os.path.join(os.path.dirname(GANTRY), 'src/guest/gantry-init')
IMAGE = os.path.join(os.path.dirname(GANTRY), 'microvm')
MISSING = (f'not installed: {NEEDED}' if NEEDED
           else 'this build has no gantry-init (sanitizers)' if not os.path.exists(INIT)
           else f'no image: tools/microvm-image.sh {IMAGE}' if not os.path.exists(os.path.join(IMAGE, 'initramfs')) else None)

# Emulated machines boot for seconds, and longer with others beside them.
MINUTES = unittest.skipUnless('GANTRY_MACHINES' in os.environ, 'make soak-microvm: minutes')


def machines():
    """Process ids of QEMU."""
    return {pid for pid, line in processes().items() if line.startswith('/usr/bin/qemu-system')}


class MicroVmTest(FargateTest):
    isolation = 'microvm'
    patience = 40

    @classmethod
    def setUpClass(cls):
        if MISSING:
            raise unittest.SkipTest(MISSING)
        super().setUpClass()

    def start(self, definition, until='RUNNING', network=None, **more):
        """Runs it and waits; the first machine of all has to boot."""
        arn = self.lab.run(definition, launchType='FARGATE', **{'networkConfiguration': network or self.network, **more})
        self.addCleanup(self.stop, arn)
        self.lab.wait_status(arn, until, 60)
        return arn

    def task_machine(self, arn):
        """Process id of the machine of the task."""
        for path in glob.glob('/run/gantry/*/vm/*/machine.json'):
            with open(path) as machine, open(path.replace('machine.json', 'process.json')) as process:
                if arn.rsplit('/', 1)[1] in machine.read():
                    return int(re.search(r'"pid":(\d+)', process.read()).group(1))
        return None
