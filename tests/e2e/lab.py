# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a Gantry of their own, clients for it, images, patience.

The runner (tools/e2e.sh) puts all tests into network, mount and pid namespaces, so every port and every container here is
private to the run. Needs only Python's library and Debian's python3-boto3.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
# Everything takes this many times longer, e.g. under emulation.
PATIENCE = float(os.environ.get('GANTRY_PATIENCE', '1'))
GANTRY = os.environ.get('GANTRY', os.path.join(ROOT, 'build', 'gantry'))


# `aws logs tail` came with version 2, which is what Debian has.
AWS = os.environ.get('GANTRY_AWS') or ('/usr/bin/aws' if os.path.exists('/usr/bin/aws') else 'aws')


def wait_for(condition, timeout=20.0, what='the condition', interval=0.05):
    """The first true value of condition(); fails with what it was waiting for."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {timeout} s for {what}')
        time.sleep(interval)


def read_env(data_dir):
    """The variables that `gantry env` prints."""
    out = subprocess.run([GANTRY, 'env', '--data-dir', data_dir], check=True, capture_output=True, text=True).stdout
    return dict(line.removeprefix('export ').split('=', 1) for line in out.splitlines() if line.startswith('export '))


def memory(pid):
    """(RSS, PSS) of a process in MiB: all of its pages, and with those that are shared divided among who shares them."""
    with open(f'/proc/{pid}/smaps_rollup') as f:
        kib = {words[0]: int(words[1]) for words in map(str.split, f) if words[-1] == 'kB'}
    return kib['Rss:'] / 1024, kib['Pss:'] / 1024


def pids_called(name):
    """Process ids of all programs of that name (comm) in this namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/comm') as f:
                found += [int(pid)] if f.read().strip() == name else []
        except OSError:
            continue
    return found


class Process:
    """A gantry process with its log in a file; `ready` is the line it printed when it was.

    Containers whose first process is deaf to SIGTERM (a bare `sleep` is) get 2 seconds instead of 30.
    """

    def __init__(self, *words, log, env=None):
        self.words, self.log = words, log
        self.output = open(log, 'ab')
        self.process = subprocess.Popen([GANTRY, *words], stdout=subprocess.PIPE, stderr=self.output,
                                        env={**os.environ, 'GANTRY_STOP_TIMEOUT': '2', **(env or {})})
        self.ready = None

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout * PATIENCE
        os.set_blocking(self.process.stdout.fileno(), False)
        text = b''
        while time.monotonic() < deadline:
            text += self.process.stdout.read() or b''
            for line in text.decode().splitlines():
                if line.startswith('ready: '):
                    self.ready = line.removeprefix('ready: ')
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f'gantry {self.words[0]} is not ready:\n' + open(self.log).read()[-4000:])

    @property
    def pid(self):
        return self.process.pid

    def kill(self, number=signal.SIGKILL, timeout=30):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout)
        self.process.stdout.close()
        self.output.close()
        return status

    def stop(self):
        return self.kill(signal.SIGTERM)


class Clients:
    """boto3 clients of one endpoint, made when first used: lab.ecs, lab.logs, lab.sts …"""

    def __init__(self, variables):
        self.variables = variables
        self.session = boto3.session.Session(aws_access_key_id=variables['AWS_ACCESS_KEY_ID'],
                                             aws_secret_access_key=variables['AWS_SECRET_ACCESS_KEY'],
                                             region_name=variables['AWS_REGION'])
        self.made = {}

    def client(self, name, retries=2):
        if name not in self.made:
            self.made[name] = self.session.client(name, endpoint_url=self.variables['AWS_ENDPOINT_URL'],
                                                  config=Config(retries={'max_attempts': retries}, read_timeout=60, inject_host_prefix=False))
        return self.made[name]

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        return self.client(name)


class Lab:
    """`gantry up` in a folder of its own."""

    def __init__(self, *options, listen='127.0.0.1:0'):
        self.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        self.data = os.path.join(self.dir, 'data')
        self.options = options
        self.listen = listen
        self.up = None

    def start(self):
        self.up = Process('up', '--data-dir', self.data, '--listen', self.listen, *self.options,
                          log=os.path.join(self.dir, 'log')).wait_ready()
        self.listen = self.up.ready.removeprefix('http://')  # the same port after a restart
        self.variables = read_env(self.data)
        self.clients = Clients(self.variables)
        return self

    def __getattr__(self, name):
        if name in ('clients', 'variables') or name.startswith('_'):
            raise AttributeError(name)
        return getattr(self.clients, name)

    def call(self, operation, body, service='ecs', target='AmazonEC2ContainerServiceV20141113.'):
        """One signed JSON call, for members that Debian's boto3 is too old to know."""
        request = AWSRequest('POST', self.variables['AWS_ENDPOINT_URL'] + '/', data=json.dumps(body),
                             headers={'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': target + operation})
        SigV4Auth(Credentials(self.variables['AWS_ACCESS_KEY_ID'], self.variables['AWS_SECRET_ACCESS_KEY']), service,
                  self.variables['AWS_REGION']).add_auth(request)
        sent = urllib.request.Request(request.url, data=request.data.encode(), headers=dict(request.headers.items()), method='POST')
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return json.loads(answer.read())

    def aws(self, *words, check=True):
        """The AWS CLI on this lab; its standard output, parsed when it is JSON."""
        done = subprocess.run([AWS, '--endpoint-url', self.variables['AWS_ENDPOINT_URL'], *words], capture_output=True, text=True,
                              env={**os.environ, **self.variables, 'AWS_PAGER': ''})
        if check and done.returncode != 0:
            raise AssertionError(f'aws {" ".join(words)}: {done.stderr}')
        if not check:
            return done
        try:
            return json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            return done.stdout

    def child_pid(self, verb):
        """Process id of the server or agent under `gantry up`."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/stat') as stat, open(f'/proc/{pid}/cmdline') as cmdline:
                    parent = int(stat.read().rsplit(')', 1)[1].split()[1])
                    words = cmdline.read().split('\0')
            except OSError:
                continue
            if parent == self.up.pid and len(words) > 1 and words[1] == verb:
                return int(pid)
        return None

    def answers(self):
        """Whether the server is there."""
        try:
            self.ecs.list_clusters()
            return True
        except Exception:
            return False

    def task(self, arn, cluster='default'):
        return self.call('DescribeTasks', {'cluster': cluster, 'tasks': [arn]})['tasks'][0]

    def run(self, definition, **more):
        """RunTask of one task; its ARN."""
        answer = self.ecs.run_task(taskDefinition=definition, **more)
        assert not answer['failures'], answer['failures']
        return answer['tasks'][0]['taskArn']

    def wait_status(self, arn, status, timeout=30):
        """Waits for a lastStatus (or STOPPED, which ends any wait) and returns the task."""
        def reached():
            task = self.task(arn)
            return task if task['lastStatus'] in (status, 'STOPPED') else None
        task = wait_for(reached, timeout, f'{arn} to be {status}')
        assert task['lastStatus'] == status, (task.get('stoppedReason'), [c.get('reason') for c in task['containers']], self.tail())
        return task

    def tail(self, size=6000):
        with open(os.path.join(self.dir, 'log')) as log:
            return log.read()[-size:]

    def stop(self, remove=True):
        if self.up is not None:
            self.up.stop()
            self.up = None
        found = self.sanitizer_report()
        if remove:
            self.stop_containers()
            self.remove_groups()
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not found, found

    def sanitizer_report(self):
        """What a program built with sanitizers (tools/sanitize.sh) said on its way down, or None."""
        try:
            with open(os.path.join(self.dir, 'log'), errors='replace') as log:
                text = log.read()
        except OSError:
            return None
        places = [text.find(mark) for mark in ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', ': runtime error: ') if mark in text]
        return text[min(places):][:6000] if places else None

    def stop_containers(self):
        """Ends every conmon and container of this lab that outlived it."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline') as cmdline:
                    if self.dir in cmdline.read() and int(pid) != os.getpid():
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                continue


    def remove_groups(self):
        """Control groups outlive the namespaces of a test, and those that lie about make every later start slower."""
        for state in glob.glob(os.path.join(self.dir, '**', 'containers', '*', 'state.json'), recursive=True):
            with open(state) as f:
                task = json.load(f)['taskId']
            for group in task_groups(task):
                for folder, _, _ in os.walk(group, topdown=False):
                    try:
                        wait_for(lambda: is_empty(folder), 2)
                        os.rmdir(folder)
                    except (OSError, AssertionError):
                        pass


def task_groups(task):
    """The control groups of a task, by its id."""
    return glob.glob(f'/sys/fs/cgroup/gantry/{task}') + glob.glob(f'/sys/fs/cgroup/*/gantry/{task}')


def is_empty(group):
    with open(os.path.join(group, 'cgroup.procs')) as f:
        return not f.read()


def busybox_image(directory):
    """An OCI layout with Debian's static busybox as /bin/*; its name for task definitions."""
    layout = os.path.join(directory, 'busybox')
    if not os.path.exists(os.path.join(layout, 'index.json')):
        subprocess.run([os.path.join(ROOT, 'tools', 'make-busybox-image.py'), layout], check=True, stdout=subprocess.DEVNULL)
    return f'oci:{layout}:latest'


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def error_code(call, **arguments):
    """Code of the error that a boto3 call raises, or None."""
    try:
        call(**arguments)
    except ClientError as e:
        return e.response['Error']['Code']
    return None


class LabTest(unittest.TestCase):
    """Tests of one class share one `gantry up`."""
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(*cls.options)
        cls.addClassCleanup(cls.lab.stop)
        cls.lab.start()
        cls.image = busybox_image(cls.lab.dir)
        cls.ecs = cls.lab.ecs

    def register(self, family, *containers, **more):
        defaults = {'image': self.image, 'memory': 32}
        answer = self.lab.call('RegisterTaskDefinition', {
            'family': family, 'containerDefinitions': [{**defaults, **c} for c in containers], **more})
        return answer['taskDefinition']['taskDefinitionArn'].rsplit('/', 1)[1]
