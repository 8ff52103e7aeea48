# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts where: the program runs from there, units and man page are of it, a changed configuration stays."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from lab import GANTRY

MESON = shutil.which('meson', path='/usr/bin:/usr/local/bin')


@unittest.skipUnless(MESON, 'needs meson (make setup installs it)')
class Installation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def install(self):
        subprocess.run([MESON, 'install', '-C', os.path.dirname(GANTRY), '--no-rebuild', '--quiet', '--destdir', self.root], check=True,
                       capture_output=True)

    def read(self, path):
        with open(self.root + path) as f:
            return f.read()

    def test_install(self):
        self.install()
        program = self.root + '/usr/local/bin/gantry'
        says = subprocess.run([program, 'help'], check=True, capture_output=True, text=True).stdout
        for unit in ('server', 'agent'):
            text = self.read(f'/usr/local/lib/systemd/system/gantry-{unit}.service')
            started = re.search(rf'^ExecStart=(\S+) {unit}', text, re.M).group(1)
            self.assertTrue(os.access(self.root + started, os.X_OK), started)
            self.assertTrue(os.path.exists(self.root + re.search(r'^Documentation=file://(\S+)', text, re.M).group(1)), text)
        page = self.read('/usr/local/share/man/man1/gantry.1')
        for verb in re.findall(r'^  gantry (\S+)', says, re.M):
            self.assertIn(f'\n.SS gantry {verb}', page)
        self.assertIn('\n.B \\-\\-data\\-dir DIR\n', page)

    def test_a_changed_configuration_stays(self):
        self.install()
        with open(self.root + '/etc/gantry/gantry.conf', 'a') as f:
            f.write('region = eu-west-1\n')
        self.install()
        self.assertIn('\nregion = eu-west-1\n', self.read('/etc/gantry/gantry.conf'))


if __name__ == '__main__':
    unittest.main()
