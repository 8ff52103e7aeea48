# SPDX-License-Identifier: Apache-2.0
"""What the program says to a wrong command: once, with what would be right, and nothing is left running."""
import os
import socket
import subprocess
import tempfile
import unittest

from lab import GANTRY


class CommandLine(unittest.TestCase):
    def refused(self, *words, status):
        done = subprocess.run([GANTRY, *words], capture_output=True, text=True, timeout=20)
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stderr

    def test_words(self):
        self.assertIn('Do you mean gantry up?', self.refused('upp', status=2))
        self.assertIn('do you mean --listen?', self.refused('server', '--lisen=127.0.0.1:1', status=2))
        self.assertIn("what is 'foo'? It goes: gantry up [OPTIONS]", self.refused('up', 'foo', status=2))

    def test_up_ends_at_once(self):
        with tempfile.TemporaryDirectory() as folder, socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            place = ['--data-dir', os.path.join(folder, 'a', 'b'), '--introspection-port=-1', '--metadata-port=-1']
            for option, says in ((f'--listen=127.0.0.1:{port}', 'address already in use'), ('--account-id=12', 'not 12 digits'),
                                 ('--region=x y', 'no name of a region'), ('--balancer-address=here', 'is no address'),
                                 ('--fargate=yes', 'is not sandbox, microvm or auto')):
                words = [*place, option] if option.startswith('--listen') else [*place, '--listen=127.0.0.1:0', option]
                said = self.refused('up', *words, status=1)
                self.assertEqual(1, said.count(says), said)
                self.assertIn('its message above says why', said)
                self.assertNotIn('started again', said)


if __name__ == '__main__':
    unittest.main()
