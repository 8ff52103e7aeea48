# SPDX-License-Identifier: Apache-2.0
"""Simulated agents that join a real server over real sockets: each task that they are told to run runs at once, each that they are
told to stop has stopped. For tests and benches that need many nodes and tasks and no containers."""
import base64
import collections
import json
import os
import selectors
import socket
import threading
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TARGET = 'AmazonEC2ContainerServiceV20141113.'


class Line:
    """One connection: bytes in, bytes out."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b''

    def answer(self):
        """The next HTTP answer: status line and body."""
        while b'\r\n\r\n' not in self.buffer:
            self.read()
        head, _, rest = self.buffer.partition(b'\r\n\r\n')
        headers = dict(line.lower().split(': ', 1) for line in head.decode().split('\r\n')[1:])
        size = int(headers.get('content-length', 0))
        while len(rest) < size:
            self.read()
            rest = self.buffer.partition(b'\r\n\r\n')[2]
        self.buffer = rest[size:]
        return head.decode().split('\r\n')[0], rest[:size]

    def read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError('the server has closed a connection')
        self.buffer += data


class Agent:
    """One container instance with its control channel."""

    def __init__(self, fleet, number):
        self.fleet = fleet
        answer = fleet.call('RegisterContainerInstance', {
            'cluster': fleet.cluster,
            'attributes': [{'name': 'com.amazonaws.ecs.capability.docker-remote-api.1.18'},
                           {'name': 'com.amazonaws.ecs.capability.logging-driver.awslogs'},
                           {'name': 'ecs.availability-zone', 'value': f'{fleet.region}{"abc"[number % 3]}'}],
            'totalResources': [{'name': name, 'type': 'INTEGER', 'integerValue': fleet.size} for name in ('CPU', 'MEMORY')]})
        self.arn = answer['containerInstance']['containerInstanceArn']
        self.line = Line(fleet.host, fleet.port)
        query = urllib.parse.urlencode({
            'agentHash': 'fleet', 'agentVersion': '1.0.0', 'clusterArn': fleet.cluster, 'containerInstanceArn': self.arn,
            'dockerVersion': 'none', 'protocolVersion': '2', 'sendCredentials': 'true', 'seqNum': '1'})
        request = AWSRequest('GET', f'{fleet.url}/acs/ws?{query}')
        fleet.sign(request)
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {'Host': f'{fleet.host}:{fleet.port}', 'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Key': key,
                   'Sec-WebSocket-Version': '13', **dict(request.headers.items())}
        self.line.socket.sendall((f'GET /acs/ws?{query} HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in headers.items()) + '\r\n').encode())
        status, body = self.line.answer()
        if ' 101 ' not in status:
            raise ConnectionError(f'{status}: {body.decode()}')

    def send(self, opcode, payload):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else b'\xfe' + size.to_bytes(2, 'big'))
        self.line.socket.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))

    def frames(self):
        """Opcode and payload of each whole frame that is there."""
        data = self.line.buffer
        while len(data) >= 2:
            size, at = data[1] & 127, 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size, at = int.from_bytes(data[2:2 + width], 'big'), 2 + width
            if len(data) < at + size:
                break
            yield data[0] & 15, data[at:at + size]
            data = data[at + size:]
            self.line.buffer = data

    def receive(self):
        self.line.read()
        for opcode, payload in self.frames():
            if opcode == 9:
                self.send(10, payload)
            elif opcode == 1:
                self.message(json.loads(payload))

    def message(self, frame):
        message = frame['message']
        if frame['type'] in ('HeartbeatMessage', 'PayloadMessage', 'TaskManifestMessage'):
            ack = {'type': 'HeartbeatAckRequest' if frame['type'] == 'HeartbeatMessage' else 'AckRequest',
                   'message': {'cluster': self.fleet.cluster, 'containerInstance': self.arn, 'messageId': message['messageId']}}
            self.send(1, json.dumps(ack).encode())
        for task in message.get('tasks') or []:
            if frame['type'] == 'PayloadMessage':
                self.fleet.wanted.append((task['arn'], task['desiredStatus'], [c['name'] for c in task.get('containers') or []]))


class Fleet:
    """`n` agents in `cluster` of the server that `variables` (lab.read_env) name."""

    def __init__(self, variables, cluster='default', n=50, size=10_000_000):
        self.url = variables['AWS_ENDPOINT_URL']
        self.region = variables['AWS_REGION']
        self.credentials = Credentials(variables['AWS_ACCESS_KEY_ID'], variables['AWS_SECRET_ACCESS_KEY'])
        self.host, port = self.url.split('//')[1].split(':')
        self.port, self.cluster, self.size, self.n = int(port), cluster, size, n
        self.wanted = collections.deque()
        self.stopping = threading.Event()
        self.error = None

    def sign(self, request):
        SigV4Auth(self.credentials, 'ecs', self.region).add_auth(request)

    def request(self, operation, body):
        request = AWSRequest('POST', f'{self.url}/', data=json.dumps(body),
                             headers={'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': TARGET + operation})
        self.sign(request)
        headers = {'Host': f'{self.host}:{self.port}', 'Content-Length': str(len(request.data)), **dict(request.headers.items())}
        return ('POST / HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in headers.items()) + '\r\n').encode() + request.data.encode()

    def call(self, operation, body):
        self.line.socket.sendall(self.request(operation, body))
        status, answer = self.line.answer()
        if ' 200 ' not in status:
            raise RuntimeError(f'{operation}: {status}: {answer.decode()}')
        return json.loads(answer)

    def start(self):
        self.line = Line(self.host, self.port)
        self.agents = [Agent(self, i) for i in range(self.n)]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        selector = selectors.DefaultSelector()
        for agent in self.agents:
            selector.register(agent.line.socket, selectors.EVENT_READ, agent)
        try:
            while not self.stopping.is_set():
                for key, _ in selector.select(0.05):
                    key.data.receive()
                self.report()
        except (OSError, RuntimeError) as e:
            if not self.stopping.is_set():
                self.error = e

    def report(self):
        """Says of each task that was wanted otherwise that it is so; many requests on the way at once."""
        while self.wanted:
            some = [self.wanted.popleft() for _ in range(min(64, len(self.wanted)))]
            self.line.socket.sendall(b''.join(self.request('SubmitTaskStateChange', {
                'cluster': self.cluster, 'task': arn, 'status': status,
                'containers': [{'containerName': name, 'status': status, 'runtimeId': 'simulated', **({'exitCode': 0} if status == 'STOPPED' else {})}
                               for name in names]}) for arn, status, names in some))
            for _ in some:
                status, answer = self.line.answer()
                if ' 200 ' not in status:
                    raise RuntimeError(f'SubmitTaskStateChange: {status}: {answer.decode()}')

    def stop(self):
        self.stopping.set()
        self.thread.join(10)
        for agent in self.agents:
            agent.line.socket.close()
        self.line.socket.close()
