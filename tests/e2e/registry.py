# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry on loopback, for tests that pull."""
import os
import shutil
import socket
import subprocess
import unittest
import urllib.request

from lab import wait_for


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Registry:
    def __init__(self, directory, port=None):
        program = shutil.which('docker-registry')
        if program is None:
            raise unittest.SkipTest('docker-registry is not installed: tools/setup.sh installs it')
        self.host = f'127.0.0.1:{port or free_port()}'
        storage = os.path.join(directory, 'registry')
        config = os.path.join(directory, 'registry.yml')
        with open(config, 'w') as f:
            f.write(f'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {storage}\n  delete:\n    enabled: true\n'
                    f'http:\n  addr: {self.host}\nlog:\n  level: error\n')
        self.process = subprocess.Popen([program, 'serve', config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, 20, 'the registry')

    def answers(self):
        try:
            return urllib.request.urlopen(f'http://{self.host}/v2/', timeout=1).status == 200
        except OSError:
            return False

    def push(self, source, name):
        """Copies an image into the registry; its name for task definitions."""
        subprocess.run(['skopeo', 'copy', '-q', '--dest-tls-verify=false', '--insecure-policy', source, f'docker://{self.host}/{name}'],
                       check=True, stdout=subprocess.DEVNULL)
        return f'{self.host}/{name}'

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
