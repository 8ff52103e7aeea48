#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The console at 1,000 services and 10,000 tasks of simulated agents: time to interactive, frames a second, memory under churn.

    bench_console.py BUILD [SERVICES [SECONDS]]

Stopped tasks are remembered for a minute instead of a day, so that a minute later as many are forgotten as stop: from then on nothing
may grow but what is kept by design, which is printed with its size (points of metrics, up to a hundred events of each service).
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
if len(sys.argv) > 1:
    os.environ['GANTRY'] = os.path.join(os.path.abspath(sys.argv[1]), 'gantry')

from fleet import Fleet  # noqa: E402
from lab import GANTRY, ROOT, Clients, Process, read_env, wait_for  # noqa: E402

TASKS = 10  # of each service
EVENT_BYTES = 345  # what one event of a service takes: the slope of the heap over their number while nothing else grows


KEPT_S = 60  # stopped tasks
EVERY_S = 5
STEADY = 1.0  # MB a minute: what a line through the second half of the samples may rise by


def memory(pid):
    """Resident MB."""
    with open(f'/proc/{pid}/status') as status:
        return int(next(line for line in status if line.startswith('VmRSS')).split()[1]) // 1024


def server_figures(url):
    """What the server has in its memory: MB, and how many of what."""
    with urllib.request.urlopen(f'{url}/metrics', timeout=10) as answer:
        found = {name: float(value) for name, value in re.findall(r'^(\w+(?:{[^}]*})?) (\S+)$', answer.read().decode(), re.M)}
    return {'resident': found['process_resident_memory_bytes'] / 1e6, 'heap': found['gantry_heap_bytes{state="used"}'] / 1e6,
            'points': found['gantry_metric_bytes'] / 1e6, 'tasks': found['gantry_objects{kind="task"}'],
            'events': found['gantry_objects{kind="service-event"}']}


def watch(url, samples, stop):
    """The server's memory, again and again."""
    start = time.monotonic()
    while not stop.wait(EVERY_S):
        samples.append((time.monotonic() - start, server_figures(url)))


def slope(samples):
    """MB a minute, of the line through the second half of (seconds, MB)."""
    half = samples[len(samples) // 2:]
    return 60 * statistics.linear_regression(*zip(*half)).slope if len(half) > 2 else 0.0


def verdict(samples):
    rise = slope(samples)
    if samples[-1][0] < 3 * KEPT_S:  # in the second half as many tasks have to be forgotten as stop
        said = f'too short to tell, {3 * KEPT_S} s are needed'
    else:
        said = 'steady' if rise < STEADY else 'NOT STEADY'
    return f'{rise:+.2f} MB a minute in the second half: {said}'


def tell_memory(samples, page):
    """What grew, and whether anything did that is not kept by design."""
    half = samples[len(samples) // 2:]
    (begin, first), (end, last) = half[0], half[-1]
    print(f'page: {page[0][1]:.1f} -> {page[-1][1]:.1f} MB of script and data, {verdict(page)}')
    print(f'server: resident {samples[0][1]["resident"]:.0f} -> {last["resident"]:.0f} MB, heap in use {samples[0][1]["heap"]:.1f} -> {last["heap"]:.1f} MB')
    print(f'  kept by design in the last {end - begin:.0f} s: points of metrics {last["points"] - first["points"]:+.1f} MB, '
          f'service events {last["events"] - first["events"]:+.0f}, tasks {last["tasks"] - first["tasks"]:+.0f}')
    events = EVENT_BYTES / 1e6
    print(f'  the rest: {verdict([(at, s["heap"] - s["points"] - s["events"] * events) for at, s in samples])}')


def churn(fleet, clients, stop):
    """Ten tasks a second end by themselves and are replaced."""
    ecs = clients.session.client('ecs', endpoint_url=clients.variables['AWS_ENDPOINT_URL'])
    while not stop.wait(1):
        for arn in ecs.list_tasks(maxResults=10)['taskArns']:
            fleet.wanted.append((arn, 'STOPPED', ['web']))


def main():
    services = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    missing = [what for what, there in (('nodejs', shutil.which('node')), ('chromium', shutil.which('chromium')),
                                        ('the console (make console)', os.path.exists(os.path.join(os.path.dirname(GANTRY), 'console'))))
               if not there]
    if missing:
        print(f'console: skipped: {", ".join(missing)} missing')
        return
    data = tempfile.mkdtemp(prefix='gantry-bench-')
    server = Process('server', '--data-dir', data, '--listen', '127.0.0.1:0', '--create-default-cluster',
                     '--keep-stopped', str(KEPT_S), log=os.path.join(data, 'log')).wait_ready()
    fleet, stop = None, threading.Event()
    try:
        clients = Clients(read_env(data))
        fleet = Fleet(read_env(data)).start()
        clients.ecs.register_task_definition(family='web', containerDefinitions=[{'name': 'web', 'image': 'none', 'cpu': 10, 'memory': 16}])
        start = time.monotonic()
        for i in range(services):
            clients.ecs.create_service(serviceName=f'service-{i:04}', taskDefinition='web', desiredCount=TASKS)
        wait_for(lambda: clients.ecs.describe_clusters(clusters=['default'])['clusters'][0]['runningTasksCount'] == services * TASKS, 120,
                 'all tasks to run')
        print(f'{services} services, {services * TASKS} tasks on {fleet.n} simulated agents: RUNNING {time.monotonic() - start:.1f} s after the '
              f'first CreateService (one client); server {memory(server.pid)} MB')
        threading.Thread(target=churn, args=(fleet, clients, stop), daemon=True).start()
        samples = []
        threading.Thread(target=watch, args=(clients.variables['AWS_ENDPOINT_URL'], samples, stop), daemon=True).start()
        link = subprocess.run([GANTRY, 'console', '--data-dir', data], check=True, capture_output=True, text=True).stdout.strip()
        done = subprocess.run(['node', 'tests/scale.mjs'], cwd=os.path.join(ROOT, 'console'), check=True, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, 'LINK': link, 'SECONDS': str(seconds), 'GANTRY_PATIENCE': '4'})
        figures = json.loads(done.stdout.splitlines()[-1])
        print(f'services page interactive in {figures["services_ms"]} ms, {figures["services_fps"]}; '
              f'tasks page in {figures["tasks_ms"]} ms, {figures["tasks_fps"]} (goals: 1,500 ms, 50 frames/s)')
        print(f'after {seconds} s of churn: {figures["churn_fps"]}; errors in the page: {len(figures["errors"])}')
        tell_memory(samples, figures['heap'])
        if fleet.error:
            raise fleet.error
    finally:
        stop.set()
        if fleet:
            fleet.stop()
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == '__main__':
    main()
