# SPDX-License-Identifier: Apache-2.0
"""Steps in a real browser: a script of console/tests, told as it goes by lines "step: NAME [VALUE]" (console/tests/browser.mjs)."""
import os
import shutil
import subprocess
import unittest

from lab import GANTRY, PATIENCE, ROOT

NODE = shutil.which('node')
CHROMIUM = shutil.which('chromium')
PARTS = os.path.join(ROOT, 'console', 'node_modules', 'playwright-core')
FILES = os.path.join(os.path.dirname(GANTRY), 'console', 'index.html')


def needs_browser(kind):
    """A class of tests that is skipped where there is no browser, or no console."""
    kind = unittest.skipUnless(NODE and CHROMIUM, 'needs nodejs and chromium (make setup-tests installs them)')(kind)
    return unittest.skipUnless(os.path.exists(PARTS) and os.path.exists(FILES), 'the console was not built: make console')(kind)


def sign_in_link(data):
    return subprocess.run([GANTRY, 'console', '--data-dir', data], check=True, capture_output=True, text=True).stdout.strip()


def walk(test, script, data, folder, on_step=lambda name, value: None, tail=lambda: '', **env):
    """Runs console/tests/`script`, signed in to the server in `data`; calls `on_step` at each step. The test fails when the script does
    not come to its end, with the steps that it took, what it said, and what `tail` returns."""
    failed = os.environ.get('FAILED_PICTURE', os.path.join(folder, 'failed.png'))
    running = subprocess.Popen([NODE, f'tests/{script}'], cwd=os.path.join(ROOT, 'console'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **env, 'LINK': sign_in_link(data), 'CHROMIUM': CHROMIUM, 'HOME': folder,
                                    'GANTRY_PATIENCE': str(PATIENCE), 'FAILED_PICTURE': failed})
    steps = []
    try:
        for line in running.stdout:
            words = line.split()
            if words[:1] == ['step:']:
                steps.append(words[1])
                on_step(words[1], words[2] if len(words) > 2 else '')
        status = running.wait(30)
    finally:
        if running.poll() is None:
            running.kill()
        errors = running.stderr.read()
        running.stdout.close()
        running.stderr.close()
    test.assertEqual((0, 'done'), (status, steps[-1] if steps else None), f'{steps}\n{errors}\n{tail()}')
