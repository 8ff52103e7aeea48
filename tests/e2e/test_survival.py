# SPDX-License-Identifier: Apache-2.0
"""What survives what: servers and agents that are killed, exits that nobody watched, things that hang or are missing."""
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from lab import ROOT, Lab, LabTest, busybox_image, wait_for
from test_run_task import container_pid

LOGS = {'logDriver': 'awslogs', 'options': {'awslogs-group': '/ecs/survival', 'awslogs-region': 'us-east-1',
                                            'awslogs-stream-prefix': 'ecs', 'awslogs-create-group': 'true'}}


class Survival(LabTest):
    def log_lines(self, arn, container):
        answer = self.lab.logs.get_log_events(logGroupName='/ecs/survival', logStreamName=f'ecs/{container}/{arn.rsplit("/", 1)[1]}',
                                              startFromHead=True)
        return [e['message'] for e in answer['events']]

    def test_server_killed_while_clients_write(self):
        """Whatever was acknowledged is there afterwards; running tasks never noticed."""
        arn = self.lab.run(self.register('steady', {'name': 'c', 'command': ['sleep', '600']}))
        task = self.lab.wait_status(arn, 'RUNNING')
        pid = container_pid(task['containers'][0]['runtimeId'])
        acknowledged, stop = [], threading.Event()

        def write(worker):
            client = self.lab.clients.session.client('ecs', endpoint_url=self.lab.variables['AWS_ENDPOINT_URL'])
            n = 0
            while not stop.is_set():
                name = f'kept-{worker}-{n}'
                try:
                    client.create_cluster(clusterName=name)
                    acknowledged.append(name)
                    n += 1
                except Exception:  # the server is away: the next name is tried when it is back
                    time.sleep(0.05)
        workers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for worker in workers:
            worker.start()
        for _ in range(5):
            time.sleep(0.4)
            server = self.lab.child_pid('server')
            if server:
                os.kill(server, signal.SIGKILL)
            wait_for(lambda: self.lab.child_pid('server') not in (None, server), 20, 'a new server')
        stop.set()
        for worker in workers:
            worker.join()
        self.assertGreater(len(acknowledged), 20)
        wait_for(self.lab.answers, 20, 'the server')
        there = {a.rsplit('/', 1)[1] for page in self.ecs.get_paginator('list_clusters').paginate() for a in page['clusterArns']}
        self.assertEqual(set(), set(acknowledged) - there)
        self.assertEqual('RUNNING', self.lab.task(arn)['lastStatus'])
        self.assertTrue(os.path.exists(f'/proc/{pid}'), 'the container ran on')
        wait_for(lambda: self.connected(), 20, 'the agent to reconnect')
        self.ecs.stop_task(task=arn)
        self.lab.wait_status(arn, 'STOPPED', 60)

    def connected(self):
        arns = self.ecs.list_container_instances()['containerInstanceArns']
        return all(i['agentConnected'] for i in self.ecs.describe_container_instances(containerInstances=arns)['containerInstances'])

    def test_agent_killed_and_containers_adopted(self):
        arn = self.lab.run(self.register('adopted', {'name': 'c', 'command': ['sleep', '600']}))
        task = self.lab.wait_status(arn, 'RUNNING')
        pid = container_pid(task['containers'][0]['runtimeId'])
        agent = self.lab.child_pid('agent')
        os.kill(agent, signal.SIGKILL)
        wait_for(lambda: self.lab.child_pid('agent') not in (None, agent), 20, 'a new agent')
        wait_for(self.connected, 20, 'the agent to reconnect')
        time.sleep(1)
        self.assertTrue(os.path.exists(f'/proc/{pid}'))
        self.assertEqual('RUNNING', self.lab.task(arn)['lastStatus'])
        self.ecs.stop_task(task=arn)
        task = self.lab.wait_status(arn, 'STOPPED', 60)
        self.assertIn(task['containers'][0].get('exitCode'), (137, 143))

    def test_exit_while_no_agent_watched(self):
        """The exit code and every line of the log are reported by the next agent."""
        script = 'i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 7'
        arn = self.lab.run(self.register('unwatched', {'name': 'c', 'command': ['sh', '-c', script], 'logConfiguration': LOGS}))
        self.lab.wait_status(arn, 'RUNNING')
        agent = self.lab.child_pid('agent')
        os.kill(self.lab.up.pid, signal.SIGSTOP)  # the supervisor may not start the next one yet
        try:
            os.kill(agent, signal.SIGKILL)
            time.sleep(5)
        finally:
            os.kill(self.lab.up.pid, signal.SIGCONT)
        task = self.lab.wait_status(arn, 'STOPPED', 60)
        self.assertEqual(7, task['containers'][0]['exitCode'])
        wait_for(lambda: len(self.log_lines(arn, 'c')) >= 200, 20, 'all lines')
        self.assertEqual([f'line {i}' for i in range(200)], self.log_lines(arn, 'c'))

    def stopped_container(self, family, timeout=60, **container):
        arn = self.lab.run(self.register(family, {'name': 'c', **container}))
        task = self.lab.wait_status(arn, 'STOPPED', timeout)
        return task, task['containers'][0]

    def test_image_that_does_not_exist(self):
        task, container = self.stopped_container('noimage', image='oci:/nowhere/at/all:latest')
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertRegex(container['reason'], '^CannotPull(Container|ImageManifest)Error: ')
        self.assertIn('/nowhere/at/all', container['reason'])

    def test_command_that_is_not_in_the_image(self):
        task, container = self.stopped_container('nocommand', command=['/no/such/program'])
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertRegex(container['reason'], '^Cannot(Start|Create)ContainerError: ')
        self.assertIn('/no/such/program', container['reason'])

    def test_registry_that_hangs_blocks_nobody(self):
        with socket.socket() as hanging:
            hanging.bind(('127.0.0.1', 0))
            hanging.listen(16)
            slow = self.lab.run(self.register('hangs', {'name': 'c', 'image': f'127.0.0.1:{hanging.getsockname()[1]}/x:1'}))
            start = time.monotonic()
            quick = self.lab.run(self.register('quick', {'name': 'c', 'command': ['sleep', '600']}))
            self.lab.wait_status(quick, 'RUNNING', 10)
            self.assertLess(time.monotonic() - start, 5)
            self.assertEqual('PENDING', self.lab.task(slow)['lastStatus'])
            self.ecs.stop_task(task=slow)
            self.lab.wait_status(slow, 'STOPPED', 30)
        self.ecs.stop_task(task=quick)

    def test_machine_is_rebooted(self):
        """Everything killed at once, volatile files gone, another boot id: what ran is reported stopped, and why."""
        others = set(os.listdir('/run/gantry'))
        lab = Lab('--metadata-port', '-1', '--introspection-port', '-1')
        self.addCleanup(lab.stop)
        lab.start()
        definition = lab.ecs.register_task_definition(family='down', containerDefinitions=[
            {'name': 'c', 'image': self.image, 'memory': 16, 'command': ['sleep', '600']}])['taskDefinition']['taskDefinitionArn']
        arn = lab.run(definition)
        lab.wait_status(arn, 'RUNNING')
        lab.up.kill(signal.SIGKILL)
        lab.stop_containers()
        for name in set(os.listdir('/run/gantry')) - others:
            # a reboot takes file systems away, too; what lxcfs shows is not to be walked through
            subprocess.run(['umount', '-l', os.path.join('/run/gantry', name, 'size')], stderr=subprocess.DEVNULL)
            subprocess.run(['rm', '-rf', '--one-file-system', os.path.join('/run/gantry', name)], check=True)
        boot_id = os.path.join(lab.dir, 'boot_id')
        with open(boot_id, 'w') as f:
            f.write('01234567-89ab-cdef-0123-456789abcdef\n')
        subprocess.run(['mount', '--bind', boot_id, '/proc/sys/kernel/random/boot_id'], check=True)
        self.addCleanup(subprocess.run, ['umount', '/proc/sys/kernel/random/boot_id'])
        time.sleep(1)
        lab.start()
        task = lab.wait_status(arn, 'STOPPED', 60)
        self.assertEqual('EssentialContainerExited', task['stopCode'])
        self.assertEqual('Host was rebooted.', task['stoppedReason'])
        self.assertIn('the machine was rebooted', task['containers'][0]['reason'])


class FullDisk(unittest.TestCase):
    def test_node_on_a_full_disk(self):
        """An image that does not fit is refused with a reason; what fits runs; nothing is left over."""
        lab = Lab('--metadata-port', '-1', '--introspection-port', '-1')
        self.addCleanup(lab.stop)
        image, large = busybox_image(lab.dir), os.path.join(lab.dir, 'large')
        with open(os.path.join(lab.dir, 'noise'), 'wb') as f:
            f.write(os.urandom(24 << 20))
        os.makedirs(os.path.join(lab.dir, 'tree'))
        os.rename(os.path.join(lab.dir, 'noise'), os.path.join(lab.dir, 'tree', 'noise'))
        subprocess.run([os.path.join(ROOT, 'tools', 'make-busybox-image.py'), large, '--add', os.path.join(lab.dir, 'tree') + ':/big'],
                       check=True, stdout=subprocess.DEVNULL)
        images = os.path.join(lab.data, 'agent', 'images')
        os.makedirs(images)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', images], check=True)
        self.addCleanup(subprocess.run, ['umount', '-l', images])
        lab.start()

        def run(family, name):
            lab.ecs.register_task_definition(family=family, containerDefinitions=[
                {'name': 'c', 'image': name, 'memory': 16, 'command': ['sleep', '600']}])
            return lab.run(family)
        small = run('small', image)
        task = lab.wait_status(run('large', f'oci:{large}:latest'), 'STOPPED', 60)
        self.assertEqual('TaskFailedToStart', task['stopCode'])
        self.assertRegex(task['containers'][0]['reason'], '^CannotPullContainerError: ')
        self.assertIn('no space left on the disk', task['containers'][0]['reason'])
        lab.wait_status(small, 'RUNNING')
        self.assertLess(os.statvfs(images).f_blocks - os.statvfs(images).f_bfree, (8 << 20) // os.statvfs(images).f_frsize)
        lab.ecs.stop_task(task=small)
        lab.wait_status(small, 'STOPPED')

    def test_server_on_a_full_disk(self):
        """Nothing is acknowledged that was not stored; with space again everything acknowledged is there."""
        lab = Lab('--metadata-port', '-1', '--introspection-port', '-1')
        self.addCleanup(lab.stop)
        os.makedirs(lab.data)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', lab.data], check=True)
        self.addCleanup(subprocess.run, ['umount', '-l', lab.data])
        lab.start()
        filler = os.path.join(lab.data, 'filler')
        with open(filler, 'wb') as f:
            try:
                while True:
                    f.write(b'x' * 65536)
                    f.flush()
            except OSError:
                pass
        acknowledged = []
        for i in range(300):
            try:
                lab.clients.client('ecs', retries=0).create_cluster(clusterName=f'full-{i}', tags=[{'key': 'pad', 'value': 'y' * 250}])
                acknowledged.append(f'full-{i}')
            except Exception:
                break
        self.assertLess(len(acknowledged), 300, 'the disk was really full')
        os.remove(filler)
        wait_for(lab.answers, 60, 'the server')
        there = {a.rsplit('/', 1)[1] for page in lab.ecs.get_paginator('list_clusters').paginate() for a in page['clusterArns']}
        self.assertEqual(set(), set(acknowledged) - there)


if __name__ == '__main__':
    unittest.main()
