# SPDX-License-Identifier: Apache-2.0
"""The web console: how its files are served and how a browser is let in."""
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import boto3

from lab import GANTRY, ROOT, Process, read_env

NODE = shutil.which('node')


@unittest.skipUnless(NODE and os.path.exists(os.path.join(ROOT, 'console', 'node_modules', 'esbuild')), 'the console was not built: make console')
class Rules(unittest.TestCase):
    def test_unit_tests_of_the_console(self):
        """The rules of its forms, and an explanation of every reason for which a task stops."""
        done = subprocess.run([NODE, 'tests/unit/run.mjs'], cwd=os.path.join(ROOT, 'console'), capture_output=True, text=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


class Console(unittest.TestCase):
    """A server alone, with a console of three files."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        files = os.path.join(cls.dir, 'files')
        os.makedirs(os.path.join(files, 'assets'))
        cls.page = b'<!doctype html><p>the page</p>'
        cls.script = b'"a script"\n' * 100
        for name, content in (('index.html', cls.page), ('assets/app-1.js', cls.script), ('assets/app-1.js.gz', gzip.compress(cls.script))):
            with open(os.path.join(files, name), 'wb') as out:
                out.write(content)
        cls.server = Process('server', '--data-dir', os.path.join(cls.dir, 'data'), '--listen', '127.0.0.1:0', '--console-dir', files,
                             log=os.path.join(cls.dir, 'log')).wait_ready()
        cls.addClassCleanup(cls.server.stop)
        cls.url = cls.server.ready

    def fetch(self, path, body=None, **headers):
        request = urllib.request.Request(self.url + path, data=body, headers={k.replace('_', '-'): v for k, v in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(answer.headers.items()), answer.read()
        except urllib.error.HTTPError as e:
            return e.code, dict(e.headers.items()), e.read()

    def link(self):
        return subprocess.run([GANTRY, 'console', '--data-dir', os.path.join(self.dir, 'data')], check=True, capture_output=True,
                              text=True).stdout.strip()

    def test_pages(self):
        for path in ('/console/', '/console/clusters/default/services', '/console'):
            status, headers, body = self.fetch(path)
            self.assertEqual((200, self.page), (status, body), path)
            self.assertIn("default-src 'none'", headers['Content-Security-Policy'])
            self.assertEqual('no-cache', headers['Cache-Control'])
        self.assertEqual(304, self.fetch('/console/', If_None_Match=headers['ETag'])[0])
        for missing in ('/console/assets/none.js', '/console/none.png', '/console/assets/../../data/credentials'):
            self.assertEqual(404, self.fetch(missing)[0], missing)
        self.assertEqual(405, self.fetch('/console/', body=b'x')[0])
        self.assertEqual(404, self.fetch('/consoles')[0])

    def test_assets_are_packed_for_those_who_can_unpack(self):
        status, headers, body = self.fetch('/console/assets/app-1.js')
        self.assertEqual((200, self.script), (status, body))
        self.assertIn('immutable', headers['Cache-Control'])
        status, headers, body = self.fetch('/console/assets/app-1.js', Accept_Encoding='br, gzip')
        self.assertEqual('gzip', headers['Content-Encoding'])
        self.assertEqual('text/javascript; charset=utf-8', headers['Content-Type'])
        self.assertEqual(self.script, gzip.decompress(body))

    def test_a_link_signs_in_once(self):
        link = self.link()
        code = re.fullmatch(re.escape(self.url) + '/console/#code=([0-9a-f]{32})', link).group(1)
        status, headers, body = self.fetch('/console/session', json.dumps({'code': code}).encode(), Content_Type='application/json')
        self.assertEqual(200, status)
        self.assertEqual('no-store', headers['Cache-Control'])
        keys = json.loads(body)
        sts = boto3.client('sts', endpoint_url=self.url, region_name=keys['region'], aws_access_key_id=keys['accessKeyId'],
                           aws_secret_access_key=keys['secretAccessKey'], aws_session_token=keys['sessionToken'])
        self.assertTrue(sts.get_caller_identity()['Arn'].endswith(':user/admin'))
        status, _, body = self.fetch('/console/session', json.dumps({'code': code}).encode(), Content_Type='application/json')
        self.assertEqual(403, status)
        self.assertIn('gantry console', json.loads(body)['message'])

    def test_no_code_no_entry(self):
        for body in (b'', b'{}', b'{"code":""}', b'{"code":"%s"}' % (b'0' * 32), b'{"code":', b'"code"', b'\0' * 100, b'{"code":12}'):
            self.assertEqual(403, self.fetch('/console/session', body)[0], body)
        self.assertEqual(403, self.fetch('/console/code', b'')[0], 'codes are for those who have keys')

    def test_nodes_get_no_code(self):
        agent = os.path.join(self.dir, 'data', 'agent-credentials')
        admin = os.path.join(self.dir, 'data', 'credentials')
        other = os.path.join(self.dir, 'other')
        os.makedirs(other)
        shutil.copy(agent, os.path.join(other, os.path.basename(admin)))
        self.assertNotEqual(read_env(other)['AWS_ACCESS_KEY_ID'], read_env(os.path.join(self.dir, 'data'))['AWS_ACCESS_KEY_ID'])
        done = subprocess.run([GANTRY, 'console', '--data-dir', other], capture_output=True, text=True)
        self.assertNotEqual(0, done.returncode)
        self.assertIn('403', done.stderr)
