# SPDX-License-Identifier: Apache-2.0
"""Many machines on one: each is a set of namespaces (network, mounts, processes, control groups, host name) with an address on a common
switch, its own /run, /proc, /sys and boot id, and may be cut off, killed and booted again.

    with Fleet(zones=['us-east-1a', 'us-east-1b']) as fleet:      # a server and a node per zone, each on a machine of its own
        arn = fleet.run(definition)
        fleet.nodes[0].cut()                                      # no packet in or out
        fleet.nodes[0].heal()

`Switch` and `Machine` know nothing of Gantry: other suites use them for clients, balancers, name servers. Needs root and namespaces
made by tools/e2e.sh: the switch's bridge is made in the namespace of the caller, who reaches every machine by its address.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from lab import GANTRY, Clients, Lab, Process, busybox_image, read_env, wait_for

NETWORK = '10.99.0'
# The control group above those of all machines; tools/e2e.sh names it and removes what is left of it.
GROUP = os.environ.get('GANTRY_E2E_GROUP', f'gantry-e2e-{os.getpid()}')


def sh(command, **more):
    """Runs a shell command; fails with what it printed."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f'{command}: {done.stderr}')
    return done.stdout


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def cgroup_mounts():
    """Control group hierarchies: (mount point, options to mount the same one again); of version 2 alone: one without options."""
    mounts = []
    with open('/proc/self/mountinfo') as f:
        for line in f:
            head, tail = line.split(' - ')
            point, kind, options = head.split()[4], tail.split()[0], tail.split()[2]
            if kind == 'cgroup2':
                mounts.append((point, None))
            elif kind == 'cgroup':
                mounts.append((point, ','.join(o for o in options.split(',') if o not in ('rw', 'ro'))))
    return mounts


class Switch:
    """The network between machines. Packets of each machine can be dropped, either way."""

    def __init__(self, bridge='machines'):
        self.bridge = bridge
        self.machines = []
        self.last = 1
        sh(f'ip link add {bridge} type bridge && ip link set {bridge} up && ip addr add {NETWORK}.1/24 dev {bridge}')
        # What a machine sends or is sent passes here, whether to another one or to the caller.
        sh('nft -f -', input=f'''table bridge {bridge} {{
            set from {{ type ifname; }}
            set to {{ type ifname; }}
            chain forward {{ type filter hook forward priority 0; iifname @from drop; oifname @to drop; }}
            chain input {{ type filter hook input priority 0; iifname @from drop; }}
            chain output {{ type filter hook output priority 0; oifname @to drop; }}
        }}''')

    def drop(self, port, which):
        sh(f'nft add element bridge {self.bridge} {which} "{{ {port} }}"')

    def pass_on(self, port, which):
        subprocess.run(['nft', 'delete', 'element', 'bridge', self.bridge, which, f'{{ {port} }}'], stderr=subprocess.DEVNULL)

    def address(self):
        self.last += 1
        return f'{NETWORK}.{self.last}'

    def remove(self):
        for machine in list(self.machines):
            machine.remove()
        sh(f'nft delete table bridge {self.bridge}; ip link delete {self.bridge}')


class Machine:
    """One machine, running. Its processes see only each other; its files are this machine's, but for /run and /tmp/NAME.run."""

    def __init__(self, switch, name):
        self.switch, self.name = switch, name
        self.port = f'm-{name}'[:15]  # its plug on the switch
        self.address = switch.address()
        self.groups = [os.path.join(point, GROUP, name) for point, _ in cgroup_mounts()]
        self.processes = []
        self.boot_id = tempfile.NamedTemporaryFile('w', prefix='gantry-boot-')
        self.init = self.unshare = None
        switch.machines.append(self)
        self.boot()

    # ---- power ----

    def setup_script(self):
        """What the first process of a machine does before it waits for others to end."""
        lines = [f'hostname {self.name}', 'mount --make-rprivate /', 'mount -t tmpfs tmpfs /run', 'mount -t sysfs sysfs /sys',
                 f'mount --bind {self.boot_id.name} /proc/sys/kernel/random/boot_id']
        mounts = cgroup_mounts()
        if len(mounts) == 1:
            # Version 2: a group that gives resources to others holds no processes itself.
            lines += ['mount -t cgroup2 cgroup2 /sys/fs/cgroup', 'mkdir -p /sys/fs/cgroup/system', 'echo $$ >/sys/fs/cgroup/system/cgroup.procs',
                      'for c in cpuset cpu io memory pids; do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null || true']
        else:
            lines += ['mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup']
            for point, options in mounts:
                kind = f'-t cgroup -o {"none," if options.startswith("name=") else ""}{options}' if options else '-t cgroup2'
                lines.append(f'mkdir -p {point} && mount {kind} cgroup {point}')
        lines += ['ip link set lo up', 'echo up', 'trap : TERM INT', 'while :; do sleep 1000000 & wait $!; done']
        return '\n'.join(lines)

    def enter_groups(self):
        for group in self.groups:
            inner = os.path.join(group, 'system')
            with open(os.path.join(inner if os.path.isdir(inner) else group, 'cgroup.procs'), 'w') as f:
                f.write(str(os.getpid()))

    def make_groups(self):
        for group in self.groups:
            os.makedirs(group, exist_ok=True)
            for level in (os.path.dirname(os.path.dirname(group)), os.path.dirname(group)) if len(self.groups) == 1 else ():
                for controller in ('cpuset', 'cpu', 'io', 'memory', 'pids'):
                    subprocess.run(f'echo +{controller} >{level}/cgroup.subtree_control', shell=True, stderr=subprocess.DEVNULL)
            for own in ('cpuset.cpus', 'cpuset.mems'):  # a new group of version 1 has none
                above = os.path.join(os.path.dirname(group), own)
                if len(self.groups) > 1 and os.path.exists(above):
                    for at in (above, os.path.join(group, own)):
                        sh(f'cat {os.path.dirname(os.path.dirname(at))}/{own} >{at}')

    def boot(self):
        """Starts the machine; after `kill` once more, with the files that it had and nothing running."""
        assert self.init is None
        self.boot_id.seek(0)
        self.boot_id.write(str(uuid.uuid4()) + '\n')
        self.boot_id.flush()
        self.make_groups()
        self.unshare = subprocess.Popen(
            ['unshare', '--net', '--mount', '--pid', '--cgroup', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc', '--',
             'sh', '-ec', self.setup_script()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=self.enter_groups)
        if self.unshare.stdout.readline() != 'up\n':
            raise AssertionError(f'machine {self.name} does not start: {self.unshare.communicate()[1]}')
        self.init = children(self.unshare.pid)[0]
        sh(f'ip link add {self.port} type veth peer name eth0 netns {self.init} && ip link set {self.port} master {self.switch.bridge} up')
        self.run(f'ip addr add {self.address}/24 dev eth0 && ip link set eth0 up && ip route add default via {NETWORK}.1')
        self.heal()

    def kill(self):
        """The power fails: nobody hears a last word. `boot` starts it again."""
        if self.init is None:
            return
        self.cut()
        os.kill(self.init, signal.SIGKILL)
        self.init = None
        self.unshare.communicate()
        for process in self.processes:
            process.reap()
        self.processes.clear()
        subprocess.run(['ip', 'link', 'delete', self.port], stderr=subprocess.DEVNULL)  # it goes by itself, but late
        for group in self.groups:
            wait_for(lambda: remove_groups(group), 10, f'{group} to be empty')

    def remove(self):
        self.kill()
        self.heal()
        self.boot_id.close()
        self.switch.machines.remove(self)

    # ---- network ----

    def cut(self, which='both'):
        """Drops every packet: 'both' ways, only those 'to' it, or only those 'from' it."""
        for direction in ('to', 'from'):
            if which in (direction, 'both'):
                self.switch.drop(self.port, direction)

    def heal(self):
        for direction in ('to', 'from'):
            self.switch.pass_on(self.port, direction)

    # ---- processes ----

    def words(self, *words):
        return ['nsenter', '-t', str(self.init), '-n', '-m', '-p', '-u', '-i', '-C', '--', *words]

    def run(self, command, check=True, timeout=60):
        """A shell command on the machine; its output."""
        done = subprocess.run(self.words('sh', '-c', command), capture_output=True, text=True, timeout=timeout, preexec_fn=self.enter_groups)
        if check and done.returncode != 0:
            raise AssertionError(f'{self.name}: {command}: {done.stderr}')
        return done.stdout if check else done

    def start(self, *words, log, env=None):
        """`gantry WORDS` on the machine. `pid` is as the caller sees it; `kill` and `stop` as of any Process."""
        process = MachineProcess(self, *words, log=log, env=env)
        self.processes.append(process)
        return process


def remove_groups(top):
    for path, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            return False
    return True


class MachineProcess(Process):
    """nsenter stays between us and the process: signals go to the process itself."""

    def __init__(self, machine, *words, log, env=None):
        self.machine, self.words, self.log, self.ready = machine, words, log, None
        self.output = open(log, 'ab')
        self.process = subprocess.Popen(machine.words(GANTRY, *words), stdout=subprocess.PIPE, stderr=self.output,
                                        env={**os.environ, **(env or {})}, preexec_fn=machine.enter_groups)
        self.inner = None

    @property
    def pid(self):
        if self.inner is None:
            self.inner = wait_for(lambda: children(self.process.pid) or self.process.poll() is not None, 10, 'the process', 0.005)[0]
        return self.inner

    def running(self):
        return self.process.poll() is None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self, number=signal.SIGKILL, timeout=30):
        if self.running():
            self.send_signal(number)
        self.process.wait(timeout)
        if self in self.machine.processes:
            self.machine.processes.remove(self)
        return self.reap()

    def reap(self):
        status = self.process.wait(30)
        self.process.stdout.close()
        self.output.close()
        return status


class Node(Machine):
    """A machine with an agent."""

    def __init__(self, fleet, name, zone, *options):
        self.fleet, self.zone, self.options = fleet, zone, options
        self.log = os.path.join(fleet.dir, name + '.log')
        self.agent = None
        super().__init__(fleet.switch, name)

    def start_agent(self):
        """Returns at once; `joined` waits."""
        keys = self.fleet.agent_keys
        self.agent = self.start('agent', '--data-dir', os.path.join(self.fleet.dir, self.name), '--server', self.fleet.url, '--zone', self.zone,
                                '--attribute', f'machine={self.name}', '--cpu', '4096', '--memory', '4096', *self.options, log=self.log,
                                env={'GANTRY_ACCESS_KEY': keys[0], 'GANTRY_SECRET_KEY': keys[1]})
        return self

    def stop_agent(self):
        """In an orderly way, as for an upgrade; containers run on."""
        return self.agent.stop()

    def kill_agent(self):
        self.agent.kill()

    def instance(self):
        """Its container instance as the API shows it, or None."""
        for instance in self.fleet.instances():
            if any(a['name'] == 'machine' and a.get('value') == self.name for a in instance['attributes']):
                return instance
        return None

    def connected(self):
        instance = self.instance()
        return instance is not None and instance['agentConnected']

    def joined(self):
        wait_for(self.connected, 30, f'{self.name} to join')
        return self

    @property
    def arn(self):
        return self.instance()['containerInstanceArn']

    def containers(self):
        """Names (as far as the control groups tell) of what runs here now, whatever the server believes: {runtime id: pid}."""
        found = {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cgroup') as groups, open(f'/proc/{pid}/comm') as comm, open(f'/proc/{pid}/stat') as stat:
                    path = next((line.strip() for line in groups if f'{GROUP}/{self.name}/gantry/' in line), None)
                    if path and comm.read().strip() not in ('conmon', 'crun', 'lxcfs') and stat.read().rsplit(')', 1)[1].split()[0] != 'Z':
                        found.setdefault(path.rsplit('/', 1)[1], int(pid))
            except OSError:
                continue
        return found


class Fleet(Lab):
    """A server on one machine and an agent on each of the others. All that `Lab` offers works on it.

    With `beside`, a zone, the server's machine `host` has an agent too, which is not among `nodes`: its load balancers reach networks.
    """

    def __init__(self, zones=('us-east-1a', 'us-east-1b'), server_options=(), node_options=(), beside=None, cluster='default'):
        super().__init__()
        self.zones, self.server_options, self.node_options, self.beside = zones, server_options, node_options, beside
        self.cluster = cluster  # of the nodes
        self.switch = self.clients = None
        self.nodes = []

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        self.switch = Switch()
        self.host = Node(self, 'server', self.beside) if self.beside else Machine(self.switch, 'server')
        self.url = f'http://{self.host.address}:4327'
        self.start_server()
        self.image = busybox_image(self.dir)
        for i, zone in enumerate(self.zones):
            self.add(f'node{i + 1}', zone)
        if self.beside:
            self.host.start_agent().joined()
        for node in self.nodes:
            node.joined()
        return self

    def add(self, name, zone, *options):
        """One more node; does not wait until it has joined."""
        node = Node(self, name, zone, *self.node_options, *options)
        self.nodes.append(node)
        return node.start_agent()

    def start_server(self, wait=True):
        self.server = self.host.start('server', '--data-dir', self.data, '--listen', f'{self.host.address}:4327', '--create-default-cluster',
                                      *self.server_options, log=os.path.join(self.dir, 'server.log'))
        if wait:
            self.server.wait_ready()
        if wait and self.clients is None:  # address and keys outlive the process
            self.variables = read_env(self.data)
            self.clients = Clients(self.variables)
            self.agent_keys = read_agent_keys(self.data)
        return self.server

    def instances(self, cluster=None):
        cluster = cluster or self.cluster
        try:
            arns = self.ecs.list_container_instances(cluster=cluster)['containerInstanceArns']
        except self.ecs.exceptions.ClusterNotFoundException:  # the pool's, before its first host
            return []
        return self.ecs.describe_container_instances(cluster=cluster, containerInstances=arns)['containerInstances'] if arns else []

    def running(self, **filters):
        """Tasks whose lastStatus is RUNNING and that are meant to go on."""
        arns = [a for page in self.ecs.get_paginator('list_tasks').paginate(**filters) for a in page['taskArns']]
        tasks = [t for i in range(0, len(arns), 100) for t in self.call('DescribeTasks', {'tasks': arns[i:i + 100]})['tasks']]
        return [t for t in tasks if t['lastStatus'] == 'RUNNING' and t['desiredStatus'] == 'RUNNING']

    def containers(self):
        """All containers that really run, by node."""
        return {node.name: node.containers() for node in self.nodes if node.init is not None}

    def node_of(self, task):
        return next(n for n in self.nodes if n.instance() and n.arn == task['containerInstanceArn'])

    def tail(self, size=3000):
        out = ''
        for name in sorted(os.listdir(self.dir)):
            if name.endswith('.log'):
                with open(os.path.join(self.dir, name)) as f:
                    out += f'---- {name}\n{f.read()[-size:]}\n'
        return out

    def stop(self, remove=True):
        if self.switch is not None:
            self.switch.remove()
            self.switch = None
            self.nodes.clear()
        if remove:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def read_agent_keys(data_dir):
    """Access key and secret that nodes join with."""
    values = {}
    with open(os.path.join(data_dir, 'agent-credentials')) as f:
        for line in f:
            key, _, value = line.strip().partition('=')
            values[key.strip()] = value.strip()
    return values['access-key-id'], values['secret-access-key']
