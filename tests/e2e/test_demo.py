# SPDX-License-Identifier: Apache-2.0
"""What `make run` does after the build: the demonstration answers, and is found again the next time."""
import os
import subprocess
import unittest

from lab import ROOT, Lab, GANTRY
from registry import free_port


class Demo(unittest.TestCase):
    def test_make_run(self):
        lab = Lab()  # not started: a folder, and what cleans up after it
        self.addCleanup(lab.stop)
        variables = {'GANTRY_DATA_DIR': lab.data, 'GANTRY_LISTEN': f'127.0.0.1:{free_port()}', 'GANTRY_DEMO_PORT': str(free_port()),
                     'GANTRY_DEMO_EXIT': '1'}
        for started in (True, False):
            done = subprocess.run([os.path.join(ROOT, 'tools', 'run-demo.sh'), GANTRY], capture_output=True, text=True, timeout=120,
                                  env={**os.environ, **variables})
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            self.assertIn(f'answers at   http://127.0.0.1:{variables["GANTRY_DEMO_PORT"]}/', done.stdout)
            self.assertIn('<h1>It runs.</h1>', done.stdout)
            self.assertEqual(started, 'started arn:' in done.stdout, 'the second time it runs already')


if __name__ == '__main__':
    unittest.main()
