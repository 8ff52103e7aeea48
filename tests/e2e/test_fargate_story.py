# SPDX-License-Identifier: Apache-2.0
"""The service of docs/fargate.md, by the very commands that stand there, with the `aws` that comes first on the path."""
import os
import re
import shutil
import subprocess
import unittest

from fargate import FargateTest
from lab import GANTRY, ROOT, wait_for
from microvm import MicroVmTest, machines


def commands():
    """The page's first block for bash."""
    with open(os.path.join(ROOT, 'docs', 'fargate.md')) as page:
        return re.search(r'^```bash\n(.*?)^```', page.read(), re.M | re.S).group(1)


class Story:
    """Mixed into FargateTest."""
    free = 'free'

    def test_a_service_from_nothing(self):
        script = commands().replace('image=busybox', f'image={self.image}').replace(' free;', f' {self.free};')
        self.assertIn(self.image, script)
        variables = {**os.environ, 'PATH': f'{os.path.dirname(GANTRY)}:{os.environ["PATH"]}', 'GANTRY_DATA_DIR': self.lab.data, 'AWS_PAGER': ''}
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', script], capture_output=True, text=True, env=variables, timeout=120)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr + self.lab.tail())
        self.addCleanup(self.ecs.delete_service, cluster='shop', service='web', force=True)
        page = done.stdout[done.stdout.rindex('}\n') + 2:]  # after the last answer of the CLI
        self.assertEqual(['0'], re.findall(r'^processor\s*:\s*(\d+)$', page, re.M))
        self.assertEqual(str(512 << 10), re.search(r'^Mem: +(\d+)', page, re.M).group(1))
        self.check_kernel(page.splitlines()[0])

        service = wait_for(lambda: (s := self.ecs.describe_services(cluster='shop', services=['web'])['services'][0])['runningCount'] == 2 and s, 40, 'both')
        self.assertEqual(('FARGATE', 'ACTIVE'), (service['launchType'], service['status']))
        tasks = [self.lab.task(arn, 'shop') for arn in self.ecs.list_tasks(cluster='shop', serviceName='web')['taskArns']]
        for task in tasks:
            self.assertIn({'name': 'gantry.fargate', 'value': self.isolation}, task['attributes'])
            self.assertEqual(('256', '512'), (task['cpu'], task['memory']))
        self.check_host()
        self.ecs.delete_service(cluster='shop', service='web', force=True)
        wait_for(lambda: not self.ecs.list_tasks(cluster='shop')['taskArns'], 40, 'its tasks to be gone')


@unittest.skipUnless(shutil.which('lxcfs'), 'no lxcfs: a sandbox sees the size of the machine')
class Sandbox(Story, FargateTest):
    free = '/bin/free'  # the shell of busybox has a `free` of its own, which asks the kernel: the host's

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The `free` of procps, as most images have it, reads /proc/meminfo.
        free = shutil.which('free')
        libraries = re.findall(r'(/\S+) \(0x', subprocess.run(['ldd', free], capture_output=True, text=True, check=True).stdout)
        layout = os.path.join(cls.lab.dir, 'procps')
        words = [word for path in (free, *libraries) for word in ('--add', f'{path}:{"bin/free" if path == free else path}')]
        subprocess.run([os.path.join(ROOT, 'tools', 'make-busybox-image.py'), layout, *words], check=True, stdout=subprocess.DEVNULL)
        cls.image = f'oci:{layout}:latest'

    def check_kernel(self, release):
        self.assertEqual(os.uname().release, release)

    def check_host(self):
        self.assertEqual(set(), machines())


class MicroVm(Story, MicroVmTest):
    def check_kernel(self, release):
        self.assertNotEqual(os.uname().release, release)
        self.assertRegex(release, r'^\d+\.\d+\.\d+-\S*cloud')

    def check_host(self):
        self.assertGreaterEqual(len(machines()), 2)


if __name__ == '__main__':
    unittest.main()
