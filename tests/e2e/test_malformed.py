# SPDX-License-Identifier: Apache-2.0
"""2,000 malformed, oversized, wrongly signed and half-sent requests: each gets its 4xx (or its end), the server lives and does not grow."""
import datetime
import json
import os
import random
import socket
import unittest

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lab import LabTest

TARGET = 'AmazonEC2ContainerServiceV20141113.'


class Malformed(LabTest):
    def setUp(self):
        self.host = self.lab.variables['AWS_ENDPOINT_URL'].removeprefix('http://')
        self.address = (self.host.split(':')[0], int(self.host.split(':')[1]))
        self.random = random.Random(20141113)

    def exchange(self, data, timeout=15, half=False):
        """Status code of the answer, or None when the server just closed."""
        with socket.create_connection(self.address, timeout=timeout) as s:
            try:
                s.sendall(data)
                if half:
                    s.shutdown(socket.SHUT_WR)
                answer = b''
                while b'\r\n' not in answer:
                    chunk = s.recv(65536)
                    if not chunk:
                        return None
                    answer += chunk
            except (ConnectionResetError, BrokenPipeError):
                return None
        return int(answer.split()[1])

    def signed(self, body, operation='ListClusters', secret=None, key=None, region='us-east-1', service='ecs', date=None, drop=()):
        v = self.lab.variables
        request = AWSRequest('POST', f'http://{self.host}/', data=body, headers={
            'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': TARGET + operation, 'Host': self.host})
        auth = SigV4Auth(Credentials(key or v['AWS_ACCESS_KEY_ID'], secret or v['AWS_SECRET_ACCESS_KEY']), service, region)
        auth.add_auth(request)
        headers = dict(request.headers.items())
        if date:
            headers['X-Amz-Date'] = date
        for name in drop:
            headers.pop(name, None)
        head = ''.join(f'{k}: {v}\r\n' for k, v in headers.items())
        body = body.encode() if isinstance(body, str) else body
        return f'POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n'.encode() + body

    def rss(self):
        with open(f'/proc/{self.lab.child_pid("server")}/statm') as f:
            return int(f.read().split()[1]) * 4096

    def cases(self):
        r = self.random
        old = (datetime.datetime.utcnow() - datetime.timedelta(hours=1)).strftime('%Y%m%dT%H%M%SZ')
        garbage = bytes(r.randrange(256) for _ in range(r.randrange(1, 300)))
        deep = '{"a":' * 500 + '1' + '}' * 500
        body = json.dumps({'maxResults': r.choice([0, 101, -1, 'x', 1e99, None, [], {}])})
        return [
            (garbage + b'\r\n\r\n', 'garbage'),
            (b'GET / HTTP/1.1\r\n\r\n', 'no host'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'two lengths'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'length and chunked'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 'negative length'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 100000 + b'\r\n\r\n', 'large header'),
            (b'POST / HTTP/1.1\r\nHost: x\r\n' + b''.join(b'H%d: v\r\n' % i for i in range(500)) + b'\r\n', 'many headers'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n', 'oversized'),
            (b'POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: ' + TARGET.encode() + b'ListClusters\r\nContent-Length: 2\r\n\r\n{}', 'unsigned'),
            (self.signed('{}', secret='wrong' * 8), 'wrong secret'),
            (self.signed('{}', key='AKIAUNKNOWN'), 'unknown key'),
            (self.signed('{}', date=old), 'date not the signed one'),
            (self.signed('{}', drop=('X-Amz-Date',)), 'no date'),
            (self.signed('{}').replace(b'Signature=', b'Signature=0'), 'long signature'),
            (self.signed('{}').replace(b'\r\n\r\n{}', b'\r\n\r\n[]'), 'body not the signed one'),
            (self.signed('{', 'ListClusters'), 'broken JSON'),
            (self.signed(deep), 'deep JSON'),
            (self.signed(b'{"clusters": ["\xff\xfe"]}', 'DescribeClusters'), 'not UTF-8'),
            (self.signed('{"clusters": ["a\\u0000b"]}', 'DescribeClusters'), 'NUL'),
            (self.signed(body, 'ListClusters') if body not in ('{"maxResults": null}',) else self.signed('[]'), 'range'),
            (self.signed('{}', 'NoSuchOperation'), 'unknown operation'),
            (self.signed('{}', 'DescribeTasks'), 'missing member'),
            (self.signed('{"cluster": 5, "tasks": []}', 'DescribeTasks'), 'wrong type'),
            (self.signed(json.dumps({'clusterName': 'x' * 300}), 'CreateCluster'), 'long name'),
            (self.signed(json.dumps({'clusterName': '../../etc'}), 'CreateCluster'), 'bad name'),
        ]

    def test_two_thousand(self):
        sent, wrong = 0, []
        for data, name in self.cases():  # warm up: caches, arenas
            self.exchange(data)
        pid, before = self.lab.child_pid('server'), self.rss()
        while sent < 2000:
            for data, name in self.cases():
                status = self.exchange(data)
                sent += 1
                if status is not None and not 400 <= status < 500:
                    wrong.append((name, status))
        self.assertEqual([], wrong[:10])
        self.assertEqual(pid, self.lab.child_pid('server'), 'the server did not crash')
        room = 64 if 'ASAN_OPTIONS' in os.environ else 8  # AddressSanitizer keeps what was freed for a while
        self.assertLess(self.rss() - before, room << 20, 'the server does not grow')
        self.ecs.list_clusters()

    def test_half_sent_requests_are_given_up(self):
        whole = self.signed('{}')
        sockets = []
        for length in range(1, len(whole) - 1, 37):
            s = socket.create_connection(self.address)
            s.sendall(whole[:length])
            sockets.append(s)
        self.ecs.list_clusters()
        for s in sockets:
            s.settimeout(45)
            answer = s.recv(4096)
            self.assertTrue(answer == b'' or answer.split()[1] == b'408', answer[:80])
            s.close()


if __name__ == '__main__':
    unittest.main()
