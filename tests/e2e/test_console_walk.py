# SPDX-License-Identifier: Apache-2.0
"""A person's way through the console, in a real browser, on a real `gantry up` (the steps are in console/tests/walk.mjs)."""
import os
import signal
import subprocess

from browser import needs_browser, walk
from lab import LabTest, get
from test_run_task import container_pid


@needs_browser
class Walk(LabTest):
    def kill_a_container(self):
        """SIGKILL to the first process of a container of the service."""
        arn = self.ecs.list_tasks(serviceName='web')['taskArns'][0]
        task = self.lab.task(arn)
        os.kill(container_pid(task['containers'][0]['runtimeId']), signal.SIGKILL)

    def on_step(self, name, value):
        if name == 'address':
            self.assertEqual('first\n', get(value))
        elif name == 'balancer':
            # Python asks the C library for names; curl and browsers know what localhost means.
            said = subprocess.run(['curl', '-sS', value], check=True, capture_output=True, text=True)
            self.assertEqual('first\n', said.stdout)
        elif name == 'kill-a-container':
            self.kill_a_container()

    def test_from_the_wizard_to_the_end(self):
        walk(self, 'walk.mjs', self.lab.data, self.lab.dir, self.on_step, lambda: self.lab.tail(3000), IMAGE=self.image)
