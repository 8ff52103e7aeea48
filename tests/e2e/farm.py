# SPDX-License-Identifier: Apache-2.0
"""Targets for load balancers on loopback: slow ones that can be told what to answer, and fast ones for load; and a load."""
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Target:
    """An HTTP server in a thread that answers with its name and what it saw, as JSON. `status` and `delay` can be set."""

    def __init__(self, name, status=200):
        self.name, self.status, self.delay, self.checks, self.requests = name, status, 0, 0, 0
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                if self.headers.get('User-Agent', '').startswith('ELB-HealthChecker'):
                    target.checks += 1
                else:
                    target.requests += 1
                    time.sleep(target.delay)
                body = json.dumps({'name': target.name, 'path': self.path, 'headers': dict(self.headers)}).encode()
                self.send_response(target.status)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a health check hangs up as soon as it has seen the status
                pass

        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class FastTargets:
    """Ports that answer at once with their own number, from one HAProxy of the test's own."""

    def __init__(self, directory, count):
        self.ports = [free_port() for _ in range(count)]
        path = os.path.join(directory, 'farm.cfg')
        with open(path, 'w') as f:
            f.write('defaults\n  mode http\n  timeout client 60s\n  timeout http-keep-alive 60s\n')
            for port in self.ports:
                f.write(f'frontend f{port}\n  bind 127.0.0.1:{port}\n'
                        f'  http-request return status 200 content-type text/plain string {port}\n')
        self.process = subprocess.Popen(['haproxy', '-db', '-f', path], stderr=subprocess.DEVNULL)
        for port in self.ports:
            self.wait(port)

    @staticmethod
    def wait(port):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f'nothing listens on port {port}')

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Load:
    """wrk against an URL for some seconds; `failed` counts whatever was not a good answer."""

    def __init__(self, url, seconds, connections=32, threads=2, headers=(), script=None):
        self.process = subprocess.Popen(['wrk', '-t', str(threads), '-c', str(connections), '-d', str(seconds), '--timeout', '5', '--latency',
                                         *(word for h in headers for word in ('-H', h)), *(['-s', script] if script else []), url],
                                        stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def finish(self):
        self.text, _ = self.process.communicate()
        self.requests = int(re.search(r'(\d+) requests in', self.text).group(1))
        self.per_second = float(re.search(r'Requests/sec:\s+([\d.]+)', self.text).group(1))
        bad = re.search(r'Non-2xx or 3xx responses: (\d+)', self.text)
        errors = re.search(r'Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)', self.text)
        self.failed = (int(bad.group(1)) if bad else 0) + (sum(map(int, errors.groups())) if errors else 0)
        return self
