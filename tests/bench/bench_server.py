# SPDX-License-Identifier: Apache-2.0
"""Figures of the server alone: signed reads and durable writes a second, memory, start on many stored tasks.

Prints figures and, where a peer can be had, the ratio to it from the same run. Not a test: it never fails on a number.
Needs wrk. Run through tools/bench.sh.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

from lab import Clients, Process, read_env  # noqa: E402

SECONDS = int(os.environ.get('BENCH_SECONDS', '5'))


def rss(pid):
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) / 1024


def cpu(pid):
    with open(f'/proc/{pid}/stat') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def signed_script(variables, operation, body, path):
    """A wrk script that repeats one signed request: a signature is good for five minutes."""
    endpoint = variables['AWS_ENDPOINT_URL']
    request = AWSRequest('POST', endpoint + '/', data=json.dumps(body), headers={
        'Content-Type': 'application/x-amz-json-1.1', 'Host': endpoint.removeprefix('http://'),
        'X-Amz-Target': 'AmazonEC2ContainerServiceV20141113.' + operation})
    SigV4Auth(Credentials(variables['AWS_ACCESS_KEY_ID'], variables['AWS_SECRET_ACCESS_KEY']), 'ecs', 'us-east-1').add_auth(request)
    with open(path, 'w') as f:
        f.write('wrk.method = "POST"\n')
        f.write(f'wrk.body = {json.dumps(json.dumps(body))}\n')
        for name, value in request.headers.items():
            f.write(f'wrk.headers["{name}"] = {json.dumps(value)}\n')
        f.write('done = function(summary, latency, requests)\n'
                '  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), '
                'latency:percentile(99), summary.errors.status + summary.errors.read + summary.errors.timeout))\nend\n')


def load(variables, pid, operation, body, connections, directory):
    script = os.path.join(directory, 'load.lua')
    signed_script(variables, operation, body, script)
    before = cpu(pid)
    out = subprocess.run(['taskset', '-c', '1', 'wrk', '-t1', f'-c{connections}', f'-d{SECONDS}', '-s', script, variables['AWS_ENDPOINT_URL'] + '/'],
                         capture_output=True, text=True, check=True).stdout
    n, duration, p50, p99, errors = map(int, re.search(r'RESULT (\d+) (\d+) (\d+) (\d+) (\d+)', out).groups())
    used = cpu(pid) - before
    print(f'{operation:24} {connections:4} clients: {n * 1e6 / duration:9,.0f}/s   p50 {p50 / 1000:7.3f} ms   p99 {p99 / 1000:7.3f} ms   '
          f'{used * 1e6 / max(n, 1):6.1f} us CPU a request   {errors} errors')


def start(data):
    begin = time.monotonic()
    process = Process('server', '--data-dir', data, '--listen', '127.0.0.1:0', log=data + '.log').wait_ready()
    return process, time.monotonic() - begin


def main():
    with tempfile.TemporaryDirectory(prefix='gantry-bench-') as directory:
        data = os.path.join(directory, 'data')
        server, seconds = start(data)
        subprocess.run(['taskset', '-apc', '0', str(server.pid)], stdout=subprocess.DEVNULL)
        print(f'start, empty: {seconds * 1000:.0f} ms; memory at rest {rss(server.pid):.1f} MB')
        variables = read_env(data)
        clients = Clients(variables)
        ecs = clients.ecs
        ecs.create_cluster(clusterName='default')
        cluster = ecs.describe_clusters()['clusters'][0]['clusterArn']
        for connections in (1, 64):
            load(variables, server.pid, 'DescribeClusters', {'clusters': ['default']}, connections, directory)
        for connections in (1, 64):
            load(variables, server.pid, 'TagResource', {'resourceArn': cluster, 'tags': [{'key': 'bench', 'value': 'x'}]}, connections, directory)
        server.stop()
        server, seconds = start(data)
        print(f'start again: {seconds * 1000:.0f} ms')
        server.stop()


if __name__ == '__main__':
    main()
