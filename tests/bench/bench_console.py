#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The console at 1,000 services and 10,000 tasks of simulated agents: time to interactive, frames a second, memory under churn.

    bench_console.py BUILD [SERVICES [SECONDS]]
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
if len(sys.argv) > 1:
    os.environ['GANTRY'] = os.path.join(os.path.abspath(sys.argv[1]), 'gantry')

from fleet import Fleet  # noqa: E402
from lab import GANTRY, ROOT, Clients, Process, read_env, wait_for  # noqa: E402

TASKS = 10  # of each service


def memory(pid):
    """Resident MB."""
    with open(f'/proc/{pid}/status') as status:
        return int(next(line for line in status if line.startswith('VmRSS')).split()[1]) // 1024


def watch(pid, samples, stop, every):
    """The server's memory, again and again."""
    while not stop.wait(every):
        samples.append(memory(pid))


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
    server = Process('server', '--data-dir', data, '--listen', '127.0.0.1:0', '--create-default-cluster', 'yes',
                     log=os.path.join(data, 'log')).wait_ready()
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
        samples = [memory(server.pid)]
        threading.Thread(target=watch, args=(server.pid, samples, stop, max(5, seconds / 10)), daemon=True).start()
        link = subprocess.run([GANTRY, 'console', '--data-dir', data], check=True, capture_output=True, text=True).stdout.strip()
        done = subprocess.run(['node', 'tests/scale.mjs'], cwd=os.path.join(ROOT, 'console'), check=True, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, 'LINK': link, 'SECONDS': str(seconds), 'GANTRY_PATIENCE': '4'})
        figures = json.loads(done.stdout.splitlines()[-1])
        print(f'services page interactive in {figures["services_ms"]} ms, {figures["services_fps"]} frames/s; '
              f'tasks page in {figures["tasks_ms"]} ms, {figures["tasks_fps"]} frames/s (goals: 1,500 ms, 50 frames/s)')
        print(f'{seconds} s of churn: {figures["churn_fps"]} frames/s; page heap {figures["heap_mb"]} MB; '
              f'server {samples + [memory(server.pid)]} MB; errors in the page: {len(figures["errors"])}')
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
