# SPDX-License-Identifier: Apache-2.0
"""Services that find one another by name: AWS Cloud Map, the tasks of ECS services in it, and the name server of each node."""
import os
import re
import shutil
import signal
import unittest

import terraform
from lab import LabTest, wait_for
from machines import Fleet, sh

PORT = 8080


def namespace_of(client, name, vpc):
    operation = client.create_private_dns_namespace(Name=name, Vpc=vpc)['OperationId']
    operation = client.get_operation(OperationId=operation)['Operation']
    assert operation['Status'] == 'SUCCESS', operation
    return operation['Targets']['NAMESPACE']


@unittest.skipUnless(shutil.which('unbound', path='/usr/sbin:/usr/bin'), 'needs unbound, the name server of the nodes')
class Discovery(unittest.TestCase):
    """Two services on two nodes."""

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(('us-east-1a', 'us-east-1a'))
        cls.addClassCleanup(cls.fleet.stop)
        cls.fleet.start()
        cls.ecs, cls.map = cls.fleet.ecs, cls.fleet.clients.servicediscovery
        cls.vpc = cls.fleet.ec2.describe_vpcs(Filters=[{'Name': 'is-default', 'Values': ['true']}])['Vpcs'][0]['VpcId']
        subnets = cls.fleet.ec2.describe_subnets(Filters=[{'Name': 'availability-zone', 'Values': ['us-east-1a']}])['Subnets']
        cls.network = {'awsvpcConfiguration': {'subnets': [subnets[0]['SubnetId']]}}
        serve = f'echo $HOSTNAME >/tmp/index.html; exec httpd -f -p {PORT} -h /tmp'
        cls.fleet.call('RegisterTaskDefinition', {'family': 'web', 'networkMode': 'awsvpc', 'containerDefinitions': [
            {'name': 'c', 'image': cls.fleet.image, 'memory': 16, 'command': ['sh', '-c', serve], 'portMappings': [{'containerPort': PORT}]}]})
        cls.namespace = namespace_of(cls.map, 'internal', cls.vpc)

    def service(self, name, records, count, node=None, **registry):
        arn = self.map.create_service(Name=name, NamespaceId=self.namespace, DnsConfig={
            'DnsRecords': [{'Type': kind, 'TTL': 1} for kind in records]})['Service']['Arn']
        where = [{'type': 'memberOf', 'expression': f'attribute:machine == {self.fleet.nodes[node].name}'}] if node is not None else []
        self.ecs.create_service(serviceName=name, taskDefinition='web', desiredCount=count, networkConfiguration=self.network,
                                placementConstraints=where, placementStrategy=[{'type': 'spread', 'field': 'instanceId'}],
                                serviceRegistries=[{'registryArn': arn, **registry}])
        self.addCleanup(self.ecs.delete_service, service=name, force=True)
        return arn

    def addresses(self, name):
        tasks = self.fleet.running(serviceName=name)
        return sorted(next(d['value'] for d in t['attachments'][0]['details'] if d['name'] == 'privateIPv4Address') for t in tasks)

    def inside(self, name, command):
        """Runs a command in the only container of a service's first task, as its programs do."""
        task = self.fleet.running(serviceName=name)[0]['taskArn'].rsplit('/', 1)[1]
        pid = next(pid for node in self.fleet.nodes for container, pid in node.containers().items() if task in container)
        return sh(f"nsenter -t {pid} -n -m -r -w -- /bin/sh -c '{command}'")

    def answers(self, client, name):
        said = self.inside(client, f'nslookup {name} 2>&1 || true').split('Name:', 1)
        return sorted(set(re.findall(r'Address(?: \d+)?: ([\d.]+)', said[1]))) if len(said) == 2 else []

    def finds(self, client, name, wanted, what):
        wait_for(lambda: self.answers(client, name) == wanted(), 20, what, 0.1)

    def test_services_find_one_another(self):
        """By name, from the other node; who dies leaves, who comes joins."""
        self.service('web', ['A'], 2)
        self.service('client', ['A'], 1, node=0)
        wait_for(lambda: len(self.addresses('web')) == 2 and len(self.addresses('client')) == 1, 30, 'three tasks')
        self.finds('client', 'web.internal', lambda: self.addresses('web'), 'both tasks under the name')
        self.assertIn('ip-', self.inside('client', f'wget -qO- http://web.internal:{PORT}/'))
        found = self.map.discover_instances(NamespaceName='internal', ServiceName='web')['Instances']
        self.assertEqual(self.addresses('web'), sorted(i['Attributes']['AWS_INSTANCE_IPV4'] for i in found))
        self.assertEqual({'web'}, {i['Attributes']['ECS_SERVICE_NAME'] for i in found})
        before = self.addresses('web')
        victim = self.fleet.running(serviceName='web')[0]
        gone = next(d['value'] for d in victim['attachments'][0]['details'] if d['name'] == 'privateIPv4Address')
        self.ecs.stop_task(task=victim['taskArn'])
        wait_for(lambda: gone not in self.answers('client', 'web.internal'), 20, 'the stopped task to leave', 0.1)
        wait_for(lambda: len(self.addresses('web')) == 2 and self.addresses('web') != before, 30, 'its replacement')
        self.finds('client', 'web.internal', lambda: self.addresses('web'), 'the replacement under the name')
        self.ecs.update_service(service='web', desiredCount=4)
        wait_for(lambda: len(self.addresses('web')) == 4, 30, 'four tasks')
        self.finds('client', 'web.internal', lambda: self.addresses('web'), 'all four under the name')
        self.assertEqual([], self.answers('client', 'none.internal'))
        self.ecs.update_service(service='web', desiredCount=0)
        self.finds('client', 'web.internal', lambda: [], 'nobody under the name')

    def test_ports_and_registered_instances(self):
        """SRV records lead to a name of the task's own; an instance that was registered by hand is found too."""
        arn = self.service('srv', ['A', 'SRV'], 1, node=1, containerName='c', containerPort=PORT)
        wait_for(lambda: len(self.addresses('srv')) == 1, 30, 'the task')
        task = self.fleet.running(serviceName='srv')[0]['taskArn'].rsplit('/', 1)[1]
        self.finds('srv', f'{task}.srv.internal', lambda: self.addresses('srv'), 'the name of the task itself')
        said = self.inside('srv', 'nslookup -type=srv srv.internal 2>&1 || true')
        self.assertIn(f'1 1 {PORT} {task}.srv.internal', said)
        self.map.register_instance(ServiceId=arn.rsplit('/', 1)[1], InstanceId='mine', Attributes={
            'AWS_INSTANCE_IPV4': '192.0.2.9', 'AWS_INSTANCE_PORT': '99'})
        self.finds('srv', 'mine.srv.internal', lambda: ['192.0.2.9'], 'the registered instance')
        self.map.deregister_instance(ServiceId=arn.rsplit('/', 1)[1], InstanceId='mine')
        self.finds('srv', 'mine.srv.internal', lambda: [], 'it to leave')

    def test_name_server_that_dies(self):
        """It is started again, and an agent that dies leaves it alone."""
        self.service('steady', ['A'], 1, node=0)
        wait_for(lambda: len(self.addresses('steady')) == 1, 30, 'the task')
        self.finds('steady', 'steady.internal', lambda: self.addresses('steady'), 'the name')
        node = self.fleet.nodes[0]
        server = node.run('pgrep -x unbound').strip()
        node.kill_agent()
        self.assertEqual(self.addresses('steady'), self.answers('steady', 'steady.internal'))
        node.start_agent().joined()
        self.assertEqual(server, node.run('pgrep -x unbound').strip())
        node.run(f'kill -{int(signal.SIGKILL)} {server}')
        self.finds('steady', 'steady.internal', lambda: self.addresses('steady'), 'another name server')
        self.assertNotEqual(server, node.run('pgrep -x unbound').strip())


class WithoutNameServer(unittest.TestCase):
    def test_it_is_said(self):
        """Tasks run, and the node's log says what is missing, once."""
        fleet = Fleet(('us-east-1a',))
        self.addCleanup(fleet.stop)
        fleet.start()
        if shutil.which('unbound', path='/usr/sbin:/usr/bin'):
            fleet.nodes[0].run('mount --bind /dev/null $(PATH=/usr/sbin:/usr/bin command -v unbound)')
        vpc = fleet.ec2.describe_vpcs(Filters=[{'Name': 'is-default', 'Values': ['true']}])['Vpcs'][0]['VpcId']
        subnet = fleet.ec2.describe_subnets(Filters=[{'Name': 'availability-zone', 'Values': ['us-east-1a']}])['Subnets'][0]['SubnetId']
        namespace_of(fleet.clients.servicediscovery, 'internal', vpc)
        fleet.call('RegisterTaskDefinition', {'family': 'web', 'networkMode': 'awsvpc', 'containerDefinitions': [
            {'name': 'c', 'image': fleet.image, 'memory': 16, 'command': ['sleep', '600'], 'stopTimeout': 0}]})
        arns = []
        for _ in range(2):
            arns.append(fleet.ecs.run_task(taskDefinition='web', networkConfiguration={'awsvpcConfiguration': {'subnets': [subnet]}})
                        ['tasks'][0]['taskArn'])
            fleet.wait_status(arns[-1], 'RUNNING')
        log = fleet.tail(20000)
        self.assertIn('apt-get install unbound', log)
        self.assertEqual(1, log.count("left to the machine's own name server"), log)
        for arn in arns:
            fleet.ecs.stop_task(task=arn)


@terraform.needed
class Terraform(LabTest):
    """apply, an empty second plan, a change, destroy."""
    configuration = '''
        terraform {
          required_providers { aws = { source = "hashicorp/aws" } }
        }
        provider "aws" {
          region                  = "us-east-1"
          skip_metadata_api_check = true
          endpoints {
            ec2              = "%(url)s"
            ecs              = "%(url)s"
            servicediscovery = "%(url)s"
            sts              = "%(url)s"
          }
        }
        variable "ttl" { type = number }
        data "aws_vpc" "main" { default = true }
        data "aws_subnets" "main" {
          filter {
            name   = "vpc-id"
            values = [data.aws_vpc.main.id]
          }
        }
        resource "aws_service_discovery_private_dns_namespace" "internal" {
          name        = "internal"
          description = "ours"
          vpc         = data.aws_vpc.main.id
          tags        = { team = "x" }
        }
        resource "aws_service_discovery_http_namespace" "apis" { name = "apis" }
        resource "aws_service_discovery_service" "web" {
          name = "web"
          dns_config {
            namespace_id   = aws_service_discovery_private_dns_namespace.internal.id
            routing_policy = "MULTIVALUE"
            dns_records {
              ttl  = var.ttl
              type = "A"
            }
          }
          tags = { team = "x" }
        }
        resource "aws_service_discovery_service" "api" {
          name         = "api"
          namespace_id = aws_service_discovery_http_namespace.apis.id
        }
        resource "aws_service_discovery_instance" "one" {
          instance_id = "one"
          service_id  = aws_service_discovery_service.api.id
          attributes  = { AWS_INSTANCE_IPV4 = "192.0.2.1", color = "red" }
        }
        resource "aws_ecs_task_definition" "web" {
          family                = "web"
          network_mode          = "awsvpc"
          container_definitions = jsonencode([{ name = "web", image = "busybox", memory = 16 }])
        }
        resource "aws_ecs_service" "web" {
          name            = "web"
          cluster         = "default"
          task_definition = aws_ecs_task_definition.web.arn
          desired_count   = 0
          network_configuration { subnets = data.aws_subnets.main.ids }
          service_registries { registry_arn = aws_service_discovery_service.web.arn }
        }
    '''

    def test_apply_and_destroy(self):
        stack = terraform.Stack(os.path.join(self.lab.dir, 'terraform'), self.lab.variables, 
                                self.configuration % {'url': self.lab.variables['AWS_ENDPOINT_URL']})
        stack.apply('-var=ttl=10')
        stack.settled('-var=ttl=10')
        stack.apply('-var=ttl=20')
        stack.settled('-var=ttl=20')
        client = self.lab.clients.servicediscovery
        self.assertEqual(['one'], [i['InstanceId'] for i in client.discover_instances(NamespaceName='apis', ServiceName='api')['Instances']])
        stack.destroy('-var=ttl=20')
        self.assertEqual([], client.list_namespaces()['Namespaces'])
