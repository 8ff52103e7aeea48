# SPDX-License-Identifier: Apache-2.0
"""Registries as the operator of a node sets them up: logins, mirrors, plain HTTP, and one that does not answer."""
import crypt
import os
import socket
import subprocess
import unittest

from lab import Lab, LabTest, busybox_image
from registry import Registry, free_port

# Not loopback, so nothing is taken for granted; the network namespace is the test run's own.
ADDRESS = '10.77.0.1'


class Registries(LabTest):
    @classmethod
    def setUpClass(cls):
        lab = cls.lab = Lab()
        cls.addClassCleanup(lab.stop)
        cls.image = busybox_image(lab.dir)
        subprocess.run(['ip', 'address', 'replace', ADDRESS + '/32', 'dev', 'lo'], check=True)
        cls.addClassCleanup(subprocess.run, ['ip', 'address', 'del', ADDRESS + '/32', 'dev', 'lo'])
        passwords = os.path.join(lab.dir, 'passwords')
        with open(passwords, 'w') as f:
            f.write('reader:' + crypt.crypt('secret', crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)) + '\n')
        cls.open = Registry(lab.dir, host=ADDRESS)
        cls.addClassCleanup(cls.open.stop)
        cls.closed = Registry(lab.dir, host=ADDRESS, passwords=passwords)
        cls.addClassCleanup(cls.closed.stop)
        cls.other = Registry(lab.dir, host=ADDRESS, passwords=passwords)  # the same images, but nobody logged in to it
        cls.addClassCleanup(cls.other.stop)
        cls.hub = cls.open.push(cls.image, 'hub/library/web:1')
        login = os.path.join(lab.dir, 'auth.json')
        cls.private = cls.closed.push(cls.image, 'team/private:1', login=('reader', 'secret', login))
        config = os.path.join(lab.dir, 'gantry.conf')
        with open(config, 'w') as f:
            f.write(f'# one file for all processes\nregistry-auth = {login}\nregistry-mirror = docker.io={cls.open.host}/hub\n'
                    f'insecure-registry = {cls.open.host},{cls.closed.host},{cls.other.host}\npull-inactivity-timeout = 1\n')
        lab.options = ('--config', config)
        lab.start()
        cls.ecs = lab.ecs

    def pull(self, family, image, status):
        arn = self.lab.run(self.register(family, {'name': 'c', 'image': image, 'command': ['sleep', '600']}))
        task = self.lab.wait_status(arn, status, 60)
        if status == 'RUNNING':
            self.ecs.stop_task(task=arn)
        return task['stopCode'] if status == 'STOPPED' else None, task['containers'][0]

    def test_plain_http(self):
        self.assertRegex(self.pull('plain', self.hub, 'RUNNING')[1]['imageDigest'], '^sha256:')

    def test_mirror(self):
        self.assertRegex(self.pull('mirror', 'web:1', 'RUNNING')[1]['imageDigest'], '^sha256:')

    def test_login(self):
        self.assertRegex(self.pull('login', self.private, 'RUNNING')[1]['imageDigest'], '^sha256:')

    def test_no_login(self):
        code, container = self.pull('nologin', f'{self.other.host}/team/private:1', 'STOPPED')
        self.assertEqual('TaskFailedToStart', code)
        self.assertRegex(container['reason'], '^CannotPull[A-Za-z]*Error: ')
        self.assertRegex(container['reason'], 'log in|login')

    def test_one_that_does_not_answer(self):
        with socket.socket() as silent:
            silent.bind((ADDRESS, free_port()))
            silent.listen(16)
            code, container = self.pull('silent', f'{ADDRESS}:{silent.getsockname()[1]}/x:1', 'STOPPED')
        self.assertEqual('TaskFailedToStart', code)
        self.assertRegex(container['reason'], '^CannotPull[A-Za-z]*Error: ')
        self.assertIn('check that the registry is well', container['reason'])


if __name__ == '__main__':
    unittest.main()
