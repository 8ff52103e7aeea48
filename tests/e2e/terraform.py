# SPDX-License-Identifier: Apache-2.0
"""Terraform with the AWS provider, as the end-to-end tests use it."""
import os
import shutil
import signal
import subprocess
import unittest

from lab import PATIENCE

# Where `terraform init` finds the AWS provider: a folder such as `terraform providers mirror` makes.
PLUGINS = os.environ.get('GANTRY_TF_PLUGINS', '')
needed = unittest.skipUnless(shutil.which('terraform') and os.path.isdir(PLUGINS),
                             'needs terraform and a folder with the AWS provider (GANTRY_TF_PLUGINS)')


class Stack:
    """A folder with a configuration, initialised; `variables` are those that `gantry env` prints. Words are -var=NAME=VALUE.

    A command that does not end in time is ended with all that it has started, and told with what it said. Its output goes to a
    file: a pipe would stay open for as long as a provider that outlives Terraform holds it.
    """

    def __init__(self, folder, variables, configuration=None, more=lambda: ''):
        self.folder, self.variables, self.more = folder, variables, more
        os.makedirs(folder, exist_ok=True)
        if configuration is not None:
            with open(os.path.join(folder, 'main.tf'), 'w') as f:
                f.write(configuration)
        self.run('init', '-no-color', f'-plugin-dir={PLUGINS}')

    def run(self, *words, expect=(0,), timeout=240):
        """Its output, without its warnings; fails when the status is not one of those expected, with `more()` besides."""
        said, warned = (os.path.join(self.folder, name) for name in ('said', 'warned'))
        with open(said, 'w') as out, open(warned, 'w') as err:
            process = subprocess.Popen(['terraform', *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       start_new_session=True,
                                       env={**os.environ, **self.variables, 'TF_IN_AUTOMATION': '1', 'CHECKPOINT_DISABLE': '1'})
            try:
                status = process.wait(timeout * PATIENCE)
            except subprocess.TimeoutExpired:
                status = f'not ended after {timeout * PATIENCE:.0f} s'
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        with open(said) as out, open(warned) as err:
            output, warnings = out.read(), err.read()
        if status not in expect:
            raise AssertionError(f'terraform {" ".join(words)}: {status}\n{output}{warnings}{self.more()}')
        return output

    def apply(self, *words):
        self.run('apply', '-auto-approve', '-no-color', *words)

    def settled(self, *words):
        """Another plan wants no change."""
        self.run('plan', '-detailed-exitcode', '-no-color', *words)

    def destroy(self, *words):
        self.run('destroy', '-auto-approve', '-no-color', *words)
