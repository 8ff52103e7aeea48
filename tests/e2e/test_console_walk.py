# SPDX-License-Identifier: Apache-2.0
"""A person's way through the console, in a real browser, on a real `gantry up` (the steps are in console/tests/walk.mjs)."""
import os
import shutil
import signal
import subprocess
import unittest

from lab import GANTRY, PATIENCE, ROOT, LabTest, get
from test_run_task import container_pid

NODE = shutil.which('node')
CHROMIUM = shutil.which('chromium')
PARTS = os.path.join(ROOT, 'console', 'node_modules', 'playwright-core')
FILES = os.path.join(os.path.dirname(GANTRY), 'console', 'index.html')


@unittest.skipUnless(NODE and CHROMIUM, 'needs nodejs and chromium (make setup installs them)')
@unittest.skipUnless(os.path.exists(PARTS) and os.path.exists(FILES), 'the console was not built: make console')
class Walk(LabTest):
    def kill_a_container(self):
        """SIGKILL to the first process of a container of the service."""
        arn = self.ecs.list_tasks(serviceName='web')['taskArns'][0]
        task = self.lab.task(arn)
        os.kill(container_pid(task['containers'][0]['runtimeId']), signal.SIGKILL)

    def test_from_the_wizard_to_the_end(self):
        link = subprocess.run([GANTRY, 'console', '--data-dir', self.lab.data], check=True, capture_output=True, text=True).stdout.strip()
        walk = subprocess.Popen([NODE, 'tests/walk.mjs'], cwd=os.path.join(ROOT, 'console'), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**os.environ, 'LINK': link, 'IMAGE': self.image, 'CHROMIUM': CHROMIUM, 'HOME': self.lab.dir,
                                                'GANTRY_PATIENCE': str(PATIENCE), 'FAILED_PICTURE': os.environ.get('FAILED_PICTURE', os.path.join(self.lab.dir, 'failed.png'))})
        steps = []
        try:
            for line in walk.stdout:
                words = line.split()
                if words[:1] != ['step:']:
                    continue
                steps.append(words[1])
                if words[1] == 'address':
                    self.assertEqual('first\n', get(words[2]))
                elif words[1] == 'balancer':
                    # Python asks the C library for names; curl and browsers know what localhost means.
                    said = subprocess.run(['curl', '-sS', words[2]], check=True, capture_output=True, text=True)
                    self.assertEqual('first\n', said.stdout)
                elif words[1] == 'kill-a-container':
                    self.kill_a_container()
            status = walk.wait(30)
        finally:
            if walk.poll() is None:
                walk.kill()
            errors = walk.stderr.read()
            walk.stdout.close()
            walk.stderr.close()
        self.assertEqual((0, 'done'), (status, steps[-1] if steps else None), f'{steps}\n{errors}\n{self.lab.tail(3000)}')
