# SPDX-License-Identifier: Apache-2.0
"""A Docker daemon of the bench's own, as the peer to measure against: started here, with its files in a folder that goes with it. Nothing
of this machine's own is touched. Needs `dockerd` and `docker` on the path (Debian: docker.io), root, and a network namespace to itself."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from lab import wait_for  # noqa: E402

IMAGE = 'bench:1'


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('docker')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Dockerd:
    """Running, with the image `IMAGE`, which holds Debian's busybox, until `stop`. Use `start`, which says why there is none."""

    def __init__(self, *options):
        self.dir = tempfile.mkdtemp(prefix='bench-dockerd-')
        self.path = os.path.join(self.dir, 'docker.sock')
        self.log = open(os.path.join(self.dir, 'log'), 'wb')
        self.daemon = subprocess.Popen(
            ['dockerd', '--host', 'unix://' + self.path, '--data-root', self.dir + '/data', '--exec-root', self.dir + '/exec', '--pidfile',
             self.dir + '/pid', '--iptables=false', '--ip6tables=false', *options], stdout=self.log, stderr=self.log)
        try:
            wait_for(lambda: self.answers() or self.daemon.poll() is not None, 60, 'dockerd')
            if self.daemon.poll() is not None:
                with open(self.log.name, errors='replace') as log:
                    raise RuntimeError(f'dockerd does not start: {log.read()[-400:]}')
            self.import_image()
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(cls, *options):
        """A daemon; None, having said so, where it is not installed or does not start."""
        if not shutil.which('dockerd') or not shutil.which('docker'):
            print('no dockerd on this machine (Debian: docker.io): no figures of Docker, no ratios')
            return None
        try:
            return cls(*options)
        except (RuntimeError, AssertionError) as e:
            print(f'{e}: no figures of Docker, no ratios')
            return None

    def stop(self):
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(60)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- its API ----

    def call(self, method, path, body=None, raw=None):
        connection = UnixConnection(self.path)
        try:
            connection.request(method, path, raw if raw is not None else json.dumps(body) if body is not None else None,
                               {'Content-Type': 'application/x-tar' if raw is not None else 'application/json'})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status < 400, (method, path, answer.status, text)
        return json.loads(text) if text and answer.getheader('Content-Type', '').startswith('application/json') and raw is None else text or b'ok'

    def answers(self):
        try:
            return self.call('GET', '/_ping')
        except OSError:
            return False

    def import_image(self):
        path = os.path.join(self.dir, 'image.tar')
        with tarfile.open(path, 'w') as tar:
            tar.add('/bin/busybox', 'bin/busybox')
            for name in ('sh', 'sleep'):
                link = tarfile.TarInfo('bin/' + name)
                link.type, link.linkname = tarfile.SYMTYPE, 'busybox'
                tar.addfile(link)
        with open(path, 'rb') as f:
            repository, tag = IMAGE.split(':')
            self.call('POST', f'/images/create?fromSrc=-&repo={repository}&tag={tag}', raw=f.read())

    # ---- its command ----

    def run(self, network='bridge'):
        """Milliseconds of `docker run -d` of a program that sleeps; the container is removed again."""
        docker = ['docker', '--host', 'unix://' + self.path]
        environment = {**os.environ, 'DOCKER_CONFIG': self.dir}
        begin = time.monotonic()
        done = subprocess.run([*docker, 'run', '-d', '--network', network, IMAGE, '/bin/sleep', '600'], capture_output=True, text=True, env=environment)
        elapsed = (time.monotonic() - begin) * 1000
        assert done.returncode == 0, done.stderr
        self.call('DELETE', f'/containers/{done.stdout.strip()}?force=1')
        return elapsed
