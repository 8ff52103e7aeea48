# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry, for tests that pull."""
import os
import shutil
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

from lab import wait_for


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Registry:
    """One on `host`; with `passwords` (a file as htpasswd -B makes it) only who logs in may read and write."""

    def __init__(self, directory, port=None, host='127.0.0.1', passwords=None):
        program = shutil.which('docker-registry')
        if program is None:
            raise unittest.SkipTest('docker-registry is not installed: make setup-tests installs it')
        port = port or free_port()
        self.host = f'{host}:{port}'
        storage = os.path.join(directory, f'registry-{port}')
        config = os.path.join(directory, f'registry-{port}.yml')
        with open(config, 'w') as f:
            f.write(f'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {storage}\n  delete:\n    enabled: true\n'
                    f'http:\n  addr: {self.host}\nlog:\n  level: error\n')
            if passwords:
                f.write(f'auth:\n  htpasswd:\n    realm: test\n    path: {passwords}\n')
        self.process = subprocess.Popen([program, 'serve', config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, 20, 'the registry')

    def answers(self):
        try:
            return urllib.request.urlopen(f'http://{self.host}/v2/', timeout=1).status == 200
        except urllib.error.HTTPError as e:
            return e.code == 401
        except OSError:
            return False

    def push(self, source, name, login=None):
        """Copies an image into the registry; its name for task definitions. With login=(user, password, file) it logs in into that file."""
        more = []
        if login:
            user, password, path = login
            subprocess.run(['skopeo', 'login', '--tls-verify=false', '--authfile', path, '-u', user, '-p', password, self.host],
                           check=True, stdout=subprocess.DEVNULL)
            more = ['--authfile', path]
        subprocess.run(['skopeo', 'copy', '-q', '--dest-tls-verify=false', '--insecure-policy', *more, source, f'docker://{self.host}/{name}'],
                       check=True, stdout=subprocess.DEVNULL)
        return f'{self.host}/{name}'

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
