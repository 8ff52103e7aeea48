# SPDX-License-Identifier: Apache-2.0
"""Load balancers: Gantry's HAProxy against the same HAProxy configured by hand, in alternating rounds; how long changes take.

The one by hand sets the headers that targets behind an application balancer expect, so that both do the same.

Prints figures and ratios. Not a test: it never fails on a number. Needs haproxy and wrk. Run through tools/bench.sh.
"""
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
from farm import FastTargets, Load, free_port  # noqa: E402
from lab import Clients, Process, read_env, wait_for  # noqa: E402

SECONDS = int(os.environ.get('BENCH_SECONDS', '2'))
ROUNDS = int(os.environ.get('BENCH_ROUNDS', '10'))
CHANGES = 100
MANY = 1000


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def cpu_of(master):
    """Processor seconds of a HAProxy master and its workers."""
    pids = [master, *map(int, subprocess.run(['pgrep', '-P', str(master)], capture_output=True, text=True).stdout.split())]
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf('SC_CLK_TCK')


TRACE = '1-%[date,bytes(4),hex,lower]-' + 3 * '%[rand,bytes(4),hex,lower]'


def by_hand(directory, ports):
    """What an administrator would write for one service."""
    port, path = free_port(), os.path.join(directory, 'hand.cfg')
    with open(path, 'w') as f:
        f.write('defaults\n  mode http\n  timeout connect 4s\n  timeout client 60s\n  timeout server 60s\n'
                f'frontend web\n  bind 127.0.0.1:{port}\n  option forwardfor\n'
                f'  http-request set-header X-Forwarded-Proto http\n  http-request set-header X-Forwarded-Port {port}\n'
                f"  http-request add-header X-Amzn-Trace-Id 'Root={TRACE}' unless {{ req.hdr(X-Amzn-Trace-Id) -m found }}\n"
                '  default_backend tasks\n'
                'backend tasks\n  balance roundrobin\n  option httpchk GET /\n')
        f.writelines(f'  server s{p} 127.0.0.1:{p} check inter 5s\n' for p in ports)
    # In a session of its own, as Gantry's: the kernel shares processors among sessions.
    process = subprocess.Popen(['haproxy', '-W', '-db', '-f', path], stderr=subprocess.DEVNULL, start_new_session=True)
    FastTargets.wait(port)
    return port, process


class Bench:
    def __init__(self, directory):
        self.directory = directory
        self.data = os.path.join(directory, 'data')
        self.server = Process('server', '--data-dir', self.data, '--listen', '127.0.0.1:0', '--balancer',
                              log=os.path.join(directory, 'log')).wait_ready()
        clients = Clients(read_env(self.data))
        self.elb = clients.elbv2
        subnets = clients.ec2.describe_subnets()['Subnets']
        self.vpc, self.subnets = subnets[0]['VpcId'], [s['SubnetId'] for s in subnets][:2]

    def group(self, name):
        arn = self.elb.create_target_group(Name=name, Protocol='HTTP', Port=80, VpcId=self.vpc, TargetType='ip', HealthCheckIntervalSeconds=5,
                                           HealthCheckTimeoutSeconds=2)['TargetGroups'][0]['TargetGroupArn']
        return arn

    def serve(self, name, group):
        balancer = self.elb.create_load_balancer(Name=name, Subnets=self.subnets)['LoadBalancers'][0]['LoadBalancerArn']
        port = free_port()
        self.elb.create_listener(LoadBalancerArn=balancer, Protocol='HTTP', Port=port,
                                 DefaultActions=[{'Type': 'forward', 'TargetGroupArn': group}])
        FastTargets.wait(port)
        return port

    def register(self, group, targets):
        self.elb.register_targets(TargetGroupArn=group, Targets=[{'Id': i, 'Port': p} for i, p in targets])

    def healthy(self, group):
        health = self.elb.describe_target_health(TargetGroupArn=group)['TargetHealthDescriptions']
        return sum(h['TargetHealth']['State'] == 'healthy' for h in health)

    def proxy(self):
        with open(os.path.join(self.data, 'balancer', 'haproxy.pid')) as f:
            return int(f.read())

    def throughput(self, ports):
        group = self.group('fast')
        port = self.serve('fast', group)
        self.register(group, [('127.0.0.1', p) for p in ports])
        wait_for(lambda: self.healthy(group) == len(ports), 10, 'healthy targets')
        hand_port, hand = by_hand(self.directory, ports)
        results = {'by hand': [], 'gantry': []}
        both = [('by hand', hand_port, hand.pid), ('gantry', port, self.proxy())]
        for number in range(ROUNDS):
            for name, at, master in both if number % 2 == 0 else reversed(both):
                before = cpu_of(master)
                load = Load(f'http://127.0.0.1:{at}/', SECONDS, connections=64, threads=1).finish()
                p99 = re.search(r'99%\s+([\d.]+)(us|ms|s)', load.text)
                micros = float(p99.group(1)) * {'us': 1, 'ms': 1e3, 's': 1e6}[p99.group(2)]
                results[name].append((load.per_second, micros, (cpu_of(master) - before) / load.requests * 1e6, load.failed))
        hand.terminate()
        hand.wait()
        for name, rows in results.items():
            rate, p99, cpu, failed = (statistics.median(column) for column in zip(*rows))
            print(f'requests through HAProxy, {name}: {rate:,.0f}/s, p99 {p99:,.0f} us, {cpu:.1f} us CPU each, {failed:.0f} failed')
        # Of neighbouring rounds: what else the machine does changes over time.
        rate, p99, cpu = (statistics.median(a[i] / b[i] for a, b in zip(results['gantry'], results['by hand'])) for i in range(3))
        print(f'ratio gantry : by hand: {rate:.3f} requests, {p99:.3f} p99, {cpu:.3f} CPU')
        return group, port

    def changes(self, group, port, spare):
        """Under load: register → first answer of the new target; deregister → last answer of it."""
        added, drained, stop = [], [], threading.Event()
        seen = {}

        def watch():
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
            while not stop.is_set():
                connection.request('GET', '/')
                body = connection.getresponse().read().decode()
                seen.setdefault(body, time.monotonic())
                seen[body + ' last'] = time.monotonic()

        watcher = threading.Thread(target=watch)
        load = Load(f'http://127.0.0.1:{port}/', 12, connections=16, threads=1)
        watcher.start()
        name = str(spare)
        while load.running() and len(added) < CHANGES:
            seen.pop(name, None)
            began = time.monotonic()
            self.register(group, [('127.0.0.1', spare)])
            wait_for(lambda: name in seen, 10, 'the new target', interval=0.0005)
            added.append(seen[name] - began)
            began = time.monotonic()
            self.elb.deregister_targets(TargetGroupArn=group, Targets=[{'Id': '127.0.0.1', 'Port': spare}])
            answered = time.monotonic()
            time.sleep(0.05)
            drained.append(max(seen[name + ' last'] - answered, 0))
            wait_for(lambda: spare not in [h['Target']['Port'] for h in self.elb.describe_target_health(TargetGroupArn=group)[
                'TargetHealthDescriptions']], 10, 'the target to be gone', interval=0.002)
        stop.set()
        watcher.join()
        load.finish()
        print(f'registered → first balanced request, under load: p50 {percentile(added, 50) * 1e3:.1f} ms, p99 {percentile(added, 99) * 1e3:.1f} ms')
        print(f'DeregisterTargets answered → last request there: p50 {percentile(drained, 50) * 1e3:.1f} ms, p99 {percentile(drained, 99) * 1e3:.1f} ms; '
              f'{load.failed} requests failed')

    def many(self, port_of_targets):
        group = self.group('many')
        self.serve('many', group)
        targets = [(f'127.1.{i // 250}.{i % 250 + 1}', port_of_targets) for i in range(MANY)]
        began = time.monotonic()
        for i in range(0, MANY, 250):
            self.register(group, targets[i:i + 250])
        registered = time.monotonic() - began
        wait_for(lambda: self.healthy(group) == MANY, 60, 'all targets to be healthy')
        print(f'{MANY} targets: registered in {registered * 1e3:.0f} ms, all healthy after {(time.monotonic() - began) * 1e3:.0f} ms')
        began = time.monotonic()
        self.elb.deregister_targets(TargetGroupArn=group, Targets=[{'Id': i, 'Port': p} for i, p in targets])
        wait_for(lambda: not self.elb.describe_target_health(TargetGroupArn=group)['TargetHealthDescriptions'], 60, 'all targets to be gone')
        print(f'{MANY} targets: deregistered, drained and gone after {(time.monotonic() - began) * 1e3:.0f} ms')


def any_address_target(directory):
    """One HAProxy that answers on every loopback address."""
    port, path = free_port(), os.path.join(directory, 'any.cfg')
    with open(path, 'w') as f:
        f.write('defaults\n  mode http\n  timeout client 60s\n'
                f'frontend any\n  bind 0.0.0.0:{port}\n  http-request return status 200 content-type text/plain string any\n')
    process = subprocess.Popen(['haproxy', '-db', '-f', path], stderr=subprocess.DEVNULL)
    FastTargets.wait(port)
    return port, process


def main():
    with tempfile.TemporaryDirectory(prefix='gantry-bench-') as directory:
        farm = FastTargets(directory, 4)
        anywhere, any_process = any_address_target(directory)
        bench = Bench(directory)
        try:
            group, port = bench.throughput(farm.ports[:3])
            bench.changes(group, port, farm.ports[3])
            bench.many(anywhere)
        finally:
            proxy = bench.proxy()
            bench.server.stop()
            os.kill(proxy, 15)
            farm.stop()
            any_process.terminate()
            any_process.wait()


if __name__ == '__main__':
    main()
