# SPDX-License-Identifier: Apache-2.0
"""awsvpc tasks on two nodes: who reaches whom, what follows a change within a second, and what is left when processes die."""
import json
import os
import random
import time
import unittest

from lab import wait_for
from machines import Fleet, NETWORK, sh

PORT = 8080
# Kills of the agent or the server at some moment of an interface's life: some in a run of all tests, more where somebody asks.
KILLS = int(os.environ.get('GANTRY_NETWORK_KILLS', '8'))


class NetworkTest(unittest.TestCase):
    """Tests of one class share a server and two nodes in one zone."""

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(('us-east-1a', 'us-east-1a'))
        cls.addClassCleanup(cls.fleet.stop)
        cls.fleet.start()
        cls.ecs, cls.ec2 = cls.fleet.ecs, cls.fleet.ec2
        cls.vpc = cls.ec2.describe_vpcs(Filters=[{'Name': 'is-default', 'Values': ['true']}])['Vpcs'][0]['VpcId']
        cls.subnet = cls.ec2.describe_subnets(Filters=[{'Name': 'availability-zone', 'Values': ['us-east-1a']}])['Subnets'][0]['SubnetId']
        serve = f'echo $HOSTNAME >/tmp/index.html; exec httpd -f -p {PORT} -h /tmp'
        cls.fleet.call('RegisterTaskDefinition', {'family': 'net', 'networkMode': 'awsvpc', 'containerDefinitions': [
            {'name': 'c', 'image': cls.fleet.image, 'memory': 16, 'command': ['sh', '-c', serve], 'stopTimeout': 2,
             'portMappings': [{'containerPort': PORT}]}]})
        cls.tasks = []

    def tearDown(self):
        for arn in self.tasks:
            self.ecs.stop_task(task=arn)
        for arn in self.tasks:
            self.fleet.wait_status(arn, 'STOPPED', 60)
        self.tasks.clear()

    def group(self, name):
        return self.ec2.create_security_group(GroupName=f'{name}-{time.monotonic_ns()}', Description=name, VpcId=self.vpc)['GroupId']

    def place(self, node, *groups, subnet=None, wait=True):
        """Starts a task on a node."""
        answer = self.ecs.run_task(taskDefinition='net', placementConstraints=[
            {'type': 'memberOf', 'expression': f'attribute:machine == {self.fleet.nodes[node].name}'}],
            networkConfiguration={'awsvpcConfiguration': {'subnets': [subnet or self.subnet], 'securityGroups': list(groups)}})
        self.assertEqual([], answer['failures'])
        self.tasks.append(answer['tasks'][0]['taskArn'])
        return Task(self, node, self.tasks[-1]).running() if wait else Task(self, node, self.tasks[-1])

    def rule(self, group, peer):
        """Opens the port to a group or a range; returns what `revoke` needs."""
        rule = {'IpProtocol': 'tcp', 'FromPort': PORT, 'ToPort': PORT}
        rule.update({'UserIdGroupPairs': [{'GroupId': peer}]} if peer.startswith('sg-') else {'IpRanges': [{'CidrIp': peer}]})
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        return lambda: self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])

    def within(self, seconds, condition, what):
        began = time.monotonic()
        wait_for(condition, 10, what, 0.02)
        self.assertLess(time.monotonic() - began, seconds, what)


class Task:
    """An awsvpc task; `reaches` and `run` act in its network namespace."""

    def __init__(self, test, node, arn):
        self.fleet, self.node, self.arn, self.id = test.fleet, test.fleet.nodes[node], arn, arn.rsplit('/', 1)[1]

    def running(self):
        self.state = self.fleet.wait_status(self.arn, 'RUNNING')
        details = {d['name']: d['value'] for d in self.state['attachments'][0]['details']}
        self.address = details['privateIPv4Address']
        self.pid = next(pid for name, pid in self.node.containers().items() if self.id in name)
        return self

    def run(self, command):
        return sh(f'nsenter -t {self.pid} -n sh -c "{command}"')

    def file(self, path):
        with open(f'/proc/{self.pid}/root{path}') as f:
            return f.read()

    def reaches(self, address, port=PORT, timeout=0.4):
        return answers(f'nsenter -t {self.pid} -n', address, port, timeout)


def answers(prefix, address, port=PORT, timeout=0.4):
    code = f'import socket; socket.create_connection(("{address}", {port}), {timeout}).close()'
    try:
        sh(f"{prefix} python3 -c '{code}' 2>&1")
        return True
    except AssertionError:
        return False


class Groups(NetworkTest):
    def check(self, client, server, other):
        self.assertTrue(client.reaches(server.address), self.fleet.tail())
        self.assertFalse(other.reaches(server.address))
        self.assertFalse(server.reaches(client.address))
        self.assertFalse(answers(f'nsenter -t {client.node.init} -n', server.address), 'the client\'s machine')
        self.assertFalse(answers(f'nsenter -t {server.node.init} -n', server.address), 'its own machine')

    def test_only_the_allowed_direction(self):
        front, back = self.group('front'), self.group('back')
        self.rule(back, front)
        client, server, other = self.place(0, front), self.place(1, back), self.place(0)
        self.check(client, server, other)
        for node in self.fleet.nodes:
            node.kill_agent()
        self.check(client, server, other)
        for node in self.fleet.nodes:
            node.start_agent()
        for node in self.fleet.nodes:
            node.joined()
        self.check(client, server, other)
        # A member of the group anywhere may: beside the server, and after it moved.
        near = self.place(1, front)
        self.within(1, lambda: near.reaches(server.address), 'the new member on the server\'s node')
        self.ecs.stop_task(task=client.arn)
        moved = self.place(1, front)
        self.within(1, lambda: moved.reaches(server.address), 'the task that moved')

    def test_open_and_close(self):
        group = self.group('shut')
        server, caller = self.place(1, group), self.place(0)
        host = f'nsenter -t {server.node.init} -n'
        self.assertFalse(caller.reaches(server.address))
        revoke = self.rule(group, '0.0.0.0/0')
        self.within(1, lambda: caller.reaches(server.address), 'the port to be open to a task on another node')
        self.within(1, lambda: answers(host, server.address), 'the port to be open to the machine')
        revoke()
        self.within(1.5, lambda: not caller.reaches(server.address), 'the port to be closed')
        self.assertFalse(answers(host, server.address))
        self.rule(group, f'{NETWORK}.0/24')
        self.within(1, lambda: answers(host, server.address), 'the port to be open to the machines')
        self.assertFalse(caller.reaches(server.address))

    def test_default_group(self):
        a, b, outsider = self.place(0), self.place(1), self.place(1, self.group('outsider'))
        self.assertTrue(a.reaches(b.address))
        self.assertTrue(b.reaches(a.address))
        self.assertFalse(outsider.reaches(a.address))

    def test_names(self):
        task = self.place(0)
        self.assertIn('nameserver 172.31.0.2', task.file('/etc/resolv.conf'))
        name = 'ip-' + task.address.replace('.', '-') + '.ec2.internal'
        self.assertIn(f'{task.address}\t{name}', task.file('/etc/hosts').replace(' ', '\t'))
        with open(f'/proc/{task.pid}/environ') as f:
            uri = next(v for v in f.read().split('\0') if v.startswith('ECS_CONTAINER_METADATA_URI_V4=')).split('=', 1)[1]
        network = json.loads(task.run(f'curl -s {uri}'))['Networks'][0]
        self.assertEqual('awsvpc', network['NetworkMode'])
        self.assertEqual([task.address], network['IPv4Addresses'])
        self.assertEqual('172.31.0.1/20', network['SubnetGatewayIpv4Address'])
        self.assertEqual('172.31.0.0/20', network['IPv4SubnetCIDRBlock'])
        self.assertEqual(name, network['PrivateDNSName'])
        self.assertEqual('ATTACHED', task.state['attachments'][0]['status'])

    def test_ways_out(self):
        """The caller of the tests is outside: an internet gateway leads there, and where no route leads nobody comes."""
        shut = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock='172.31.200.0/24', AvailabilityZone='us-east-1a')['Subnet']['SubnetId']
        table = self.ec2.create_route_table(VpcId=self.vpc)['RouteTable']['RouteTableId']
        association = self.ec2.associate_route_table(RouteTableId=table, SubnetId=shut)['AssociationId']
        # Python's server asks a name server for this machine's name before it listens, in vain and for up to ten seconds.
        outside = self.fleet.host.run(f'busybox httpd -f -p {PORT} -h /run >/dev/null 2>&1 & echo $!').strip()
        try:
            there = self.fleet.host.address
            open_task, shut_task = self.place(0), self.place(0, subnet=shut)
            wait_for(lambda: answers('', there), 10, 'the server outside')
            self.assertTrue(open_task.reaches(there))
            self.assertFalse(shut_task.reaches(there))
            self.assertTrue(open_task.reaches(shut_task.address), 'inside all reach each other')
            gateway = self.ec2.describe_internet_gateways()['InternetGateways'][0]['InternetGatewayId']
            self.ec2.create_route(RouteTableId=table, DestinationCidrBlock='0.0.0.0/0', GatewayId=gateway)
            time.sleep(0.5)
            self.assertFalse(shut_task.reaches(there), 'an internet gateway needs a public address')
            self.ec2.modify_subnet_attribute(SubnetId=shut, MapPublicIpOnLaunch={'Value': True})
            self.within(1, lambda: shut_task.reaches(there), 'the way out')
        finally:
            self.fleet.host.run(f'kill {outside}', check=False)
            self.tearDown()
            self.ec2.disassociate_route_table(AssociationId=association)
            self.ec2.delete_route_table(RouteTableId=table)
            self.ec2.delete_subnet(SubnetId=shut)

    def test_network_acl(self):
        """It has no state: what it shuts ends established connections too, and both directions have to be open."""
        shut = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock='172.31.201.0/24', AvailabilityZone='us-east-1a')['Subnet']['SubnetId']
        acl = self.ec2.create_network_acl(VpcId=self.vpc)['NetworkAcl']['NetworkAclId']

        def associate(to):
            found = self.ec2.describe_network_acls(Filters=[{'Name': 'association.subnet-id', 'Values': [shut]}])['NetworkAcls'][0]
            association = next(a['NetworkAclAssociationId'] for a in found['Associations'] if a['SubnetId'] == shut)
            self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=to)
            return found['NetworkAclId']

        def entry(egress, first, last):
            self.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=10, Egress=egress, Protocol='6', RuleAction='allow',
                                              CidrBlock='172.31.0.0/16', PortRange={'From': first, 'To': last})
        standard = associate(acl)
        try:
            caller, server, near = self.place(0), self.place(1, subnet=shut), self.place(0, subnet=shut)
            self.assertTrue(near.reaches(server.address), 'an ACL is for what leaves or comes into the subnet')
            self.assertFalse(caller.reaches(server.address))
            entry(False, PORT, PORT)
            time.sleep(0.3)
            self.assertFalse(caller.reaches(server.address), 'the answer has no way back')
            entry(True, 1024, 65535)
            self.within(1, lambda: caller.reaches(server.address), 'both ways to be open')
            self.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=10, Egress=False)
            self.within(1.5, lambda: not caller.reaches(server.address), 'the port to be closed')
        finally:
            associate(standard)
            self.tearDown()
            self.ec2.delete_network_acl(NetworkAclId=acl)
            self.ec2.delete_subnet(SubnetId=shut)

    def test_spoofing(self):
        """Somebody with all rights in a task's network namespace gains nothing."""
        front, back = self.group('front'), self.group('back')
        self.rule(back, front)
        client, server, thief = self.place(0, front), self.place(1, back), self.place(0)
        thief.run(f'ip addr add {client.address}/32 dev eth0; ip route change default via 172.31.0.1 dev eth0 src {client.address}')
        self.assertFalse(thief.reaches(server.address))
        thief.run('ip link set eth0 address 02:00:00:00:00:99; ip route replace 172.31.0.1 dev eth0; '
                  'ip neigh replace 172.31.0.1 lladdr 02:67:00:00:00:01 dev eth0; ip route replace default via 172.31.0.1')
        self.assertFalse(thief.reaches(server.address))
        self.assertTrue(client.reaches(server.address))


class Kills(NetworkTest):
    def count(self, node):
        """What a node has of networks: links, rules, addresses, routes, files that hold namespaces."""
        data = os.path.join(self.fleet.dir, node.name, 'network')
        return {'links': node.run('ip -o link | grep -cE "gantry-v|vxlan" || true').strip(),
                'rules': node.run('nft list ruleset | wc -l').strip(),
                'addresses': node.run('ip -o -4 addr | wc -l').strip(),
                'routes': node.run('ip route | wc -l').strip(),
                'routers': len(os.listdir(os.path.join(data, 'routers'))),
                'interfaces': node.run(f'grep -l "mode interface" {data}/records/* 2>/dev/null | wc -l').strip()}

    def test_nothing_is_left(self):
        rng = random.Random(int(os.environ.get('GANTRY_SEED', '4')))
        before = [self.count(node) for node in self.fleet.nodes]
        for _ in range(KILLS):
            tasks = [self.place(rng.randrange(2), wait=False) for _ in range(2)]
            time.sleep(rng.random() * 0.15)
            victim = rng.randrange(3)
            if rng.random() < 0.5:
                for task in tasks:
                    self.fleet.ecs.stop_task(task=task.arn)
                time.sleep(rng.random() * 0.1)
            if victim == 2:
                self.fleet.server.kill()
                self.fleet.start_server()
            else:
                self.fleet.nodes[victim].kill_agent()
                self.fleet.nodes[victim].start_agent()
            for node in self.fleet.nodes:
                node.joined()
            self.tearDown()
        for node, was in zip(self.fleet.nodes, before):
            wait_for(lambda: self.count(node) == was, 30, f'{node.name} to be as before: {was}, {self.count(node)}', 0.5)
        self.assertEqual([], self.ec2.describe_network_interfaces()['NetworkInterfaces'])


if __name__ == '__main__':
    unittest.main()
