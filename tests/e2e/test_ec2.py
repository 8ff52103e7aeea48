# SPDX-License-Identifier: Apache-2.0
"""The EC2 network API as its users meet it: boto3, the AWS CLI, Terraform. The control plane alone; no node is needed."""
import os
import shutil
import subprocess
import tempfile
import unittest

import boto3

import terraform
from lab import AWS, Clients, Process, error_code, read_env

ANYWHERE = '0.0.0.0/0'


class ServerTest(unittest.TestCase):
    """Tests of one class share one `gantry server`."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.data = os.path.join(cls.dir, 'data')
        cls.server = Process('server', '--data-dir', cls.data, '--listen', '127.0.0.1:0', log=os.path.join(cls.dir, 'log')).wait_ready()
        cls.addClassCleanup(cls.server.stop)
        cls.variables = read_env(cls.data)
        cls.ec2 = Clients(cls.variables).client('ec2')

    def leftovers(self):
        """Everything that no new account has."""
        ec2 = self.ec2
        return {
            'vpcs': [v['VpcId'] for v in ec2.describe_vpcs()['Vpcs'] if not v['IsDefault']],
            'subnets': [s['SubnetId'] for s in ec2.describe_subnets()['Subnets'] if not s['DefaultForAz']],
            'groups': [g['GroupId'] for g in ec2.describe_security_groups()['SecurityGroups'] if g['GroupName'] != 'default'],
            'interfaces': [i['NetworkInterfaceId'] for i in ec2.describe_network_interfaces()['NetworkInterfaces']],
            'gateways': [g['InternetGatewayId'] for g in ec2.describe_internet_gateways()['InternetGateways']][1:],
            'tables': [t['RouteTableId'] for t in ec2.describe_route_tables()['RouteTables']][1:],
            'nats': [g['NatGatewayId'] for g in ec2.describe_nat_gateways()['NatGateways']],
            'addresses': [a['AllocationId'] for a in ec2.describe_addresses()['Addresses']],
        }

    def assert_nothing_left(self):
        self.assertEqual({}, {kind: ids for kind, ids in self.leftovers().items() if ids})


class Boto(ServerTest):
    def test_a_network_from_nothing_to_nothing(self):
        ec2 = self.ec2
        vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16', TagSpecifications=[
            {'ResourceType': 'vpc', 'Tags': [{'Key': 'Name', 'Value': 'a <b> & "c"'}]}])['Vpc']['VpcId']
        ec2.get_waiter('vpc_available').wait(VpcIds=[vpc])
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={'Value': True})
        self.assertTrue(ec2.describe_vpc_attribute(VpcId=vpc, Attribute='enableDnsHostnames')['EnableDnsHostnames']['Value'])
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f'10.0.{i}.0/24')['Subnet'] for i in range(3)]
        self.assertEqual({'us-east-1a', 'us-east-1b', 'us-east-1c'}, {s['AvailabilityZone'] for s in subnets})
        ec2.get_waiter('subnet_available').wait(SubnetIds=[s['SubnetId'] for s in subnets])
        subnet = subnets[0]['SubnetId']
        found = ec2.describe_vpcs(Filters=[{'Name': 'tag:Name', 'Values': ['a <b>*']}])['Vpcs']
        self.assertEqual([vpc], [v['VpcId'] for v in found])
        self.assertEqual('a <b> & "c"', found[0]['Tags'][0]['Value'])
        gateway = ec2.create_internet_gateway()['InternetGateway']['InternetGatewayId']
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)['RouteTable']['RouteTableId']
        self.assertTrue(ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)['Return'])
        association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)['AssociationId']
        allocation = ec2.allocate_address(Domain='vpc')['AllocationId']
        nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation)['NatGateway']['NatGatewayId']
        ec2.get_waiter('nat_gateway_available').wait(NatGatewayIds=[nat])
        interface = ec2.create_network_interface(SubnetId=subnet)['NetworkInterface']['NetworkInterfaceId']
        ec2.get_waiter('network_interface_available').wait(NetworkInterfaceIds=[interface])

        self.assertEqual('DependencyViolation', error_code(ec2.delete_vpc, VpcId=vpc))
        self.assertEqual('DependencyViolation', error_code(ec2.delete_subnet, SubnetId=subnet))
        ec2.delete_network_interface(NetworkInterfaceId=interface)
        ec2.delete_nat_gateway(NatGatewayId=nat)
        ec2.get_waiter('nat_gateway_deleted').wait(NatGatewayIds=[nat])
        ec2.release_address(AllocationId=allocation)
        ec2.disassociate_route_table(AssociationId=association)
        ec2.delete_route_table(RouteTableId=table)
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
        for s in subnets:
            ec2.delete_subnet(SubnetId=s['SubnetId'])
        ec2.delete_vpc(VpcId=vpc)
        self.assertEqual('InvalidVpcID.NotFound', error_code(ec2.describe_vpcs, VpcIds=[vpc]))
        self.assert_nothing_left()

    def test_rules(self):
        ec2 = self.ec2
        group = ec2.create_security_group(GroupName='rules', Description='d')['GroupId']
        self.addCleanup(ec2.delete_security_group, GroupId=group)
        web = {'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'IpRanges': [{'CidrIp': ANYWHERE, 'Description': 'all'}],
               'Ipv6Ranges': [{'CidrIpv6': '::/0'}], 'UserIdGroupPairs': [{'GroupId': group}]}
        rules = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[web])['SecurityGroupRules']
        self.assertEqual(3, len(rules))
        self.assertEqual('InvalidPermission.Duplicate', error_code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[web]))
        shown = ec2.describe_security_groups(GroupIds=[group])['SecurityGroups'][0]['IpPermissions']
        self.assertEqual([80], [p['ToPort'] for p in shown])
        self.assertEqual('all', shown[0]['IpRanges'][0]['Description'])
        pages = ec2.get_paginator('describe_security_group_rules').paginate(
            Filters=[{'Name': 'group-id', 'Values': [group]}], PaginationConfig={'PageSize': 5})
        self.assertEqual(4, sum(len(p['SecurityGroupRules']) for p in pages))
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rules[0]['SecurityGroupRuleId']])
        left = ec2.describe_security_group_rules(Filters=[{'Name': 'group-id', 'Values': [group]}])['SecurityGroupRules']
        self.assertEqual(2, len([r for r in left if not r['IsEgress']]))

    def test_errors(self):
        ec2 = self.ec2
        for call, arguments, code in (
                (ec2.create_vpc, {'CidrBlock': '10.0.0.0/8'}, 'InvalidVpc.Range'),
                (ec2.create_vpc, {'CidrBlock': 'x'}, 'InvalidParameterValue'),
                (ec2.create_vpc, {}, 'MissingParameter'),
                (ec2.create_vpc, {'CidrBlock': '10.0.0.0/16', 'DryRun': True}, 'DryRunOperation'),
                (ec2.create_subnet, {'VpcId': 'vpc-1', 'CidrBlock': '10.0.0.0/24'}, 'InvalidVpcID.NotFound'),
                (ec2.delete_security_group, {}, 'MissingParameter'),
                (ec2.delete_security_group, {'GroupName': 'default'}, 'CannotDelete'),
                (ec2.describe_network_interfaces, {'NetworkInterfaceIds': ['eni-1']}, 'InvalidNetworkInterfaceID.NotFound'),
                (ec2.describe_route_tables, {'RouteTableIds': ['rtb-1']}, 'InvalidRouteTableID.NotFound'),
                (ec2.describe_nat_gateways, {'NatGatewayIds': ['nat-1']}, 'NatGatewayNotFound'),
                (ec2.describe_subnets, {'Filters': [{'Name': 'nothing', 'Values': ['x']}]}, 'InvalidParameterValue'),
                (ec2.describe_subnets, {'MaxResults': 5, 'NextToken': 'x'}, 'InvalidParameterValue'),
                (ec2.run_instances, {'MinCount': 1, 'MaxCount': 1}, 'InvalidAction')):
            with self.subTest(code=code, arguments=arguments):
                self.assertEqual(code, error_code(call, **arguments))
        stranger = boto3.client('ec2', aws_access_key_id='AKIANOBODY0000000000', aws_secret_access_key='x', region_name='us-east-1',
                                endpoint_url=self.variables['AWS_ENDPOINT_URL'])
        self.assertEqual('AuthFailure', error_code(stranger.describe_vpcs))


class Cli(ServerTest):
    def aws(self, *words):
        done = subprocess.run([AWS, '--endpoint-url', self.variables['AWS_ENDPOINT_URL'], 'ec2', *words, '--output', 'text'],
                              capture_output=True, text=True, env={**os.environ, **self.variables, 'AWS_PAGER': ''})
        return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()

    def ok(self, *words):
        status, text = self.aws(*words)
        self.assertEqual(0, status, f'{words}: {text}')
        return text

    def test_the_story(self):
        vpc = self.ok('create-vpc', '--cidr-block', '10.8.0.0/16', '--query', 'Vpc.VpcId')
        subnet = self.ok('create-subnet', '--vpc-id', vpc, '--cidr-block', '10.8.1.0/24', '--query', 'Subnet.SubnetId')
        group = self.ok('create-security-group', '--group-name', 'web', '--description', 'w', '--vpc-id', vpc, '--query', 'GroupId')
        self.ok('authorize-security-group-ingress', '--group-id', group, '--protocol', 'tcp', '--port', '80-81', '--cidr', ANYWHERE)
        self.assertEqual('80\t81', self.ok('describe-security-groups', '--group-ids', group, '--query',
                                           'SecurityGroups[0].IpPermissions[0].[FromPort,ToPort]'))
        status, text = self.aws('authorize-security-group-ingress', '--group-id', group, '--protocol', 'tcp', '--port', '80-81', '--cidr',
                                ANYWHERE)
        self.assertNotEqual(0, status)
        self.assertIn('InvalidPermission.Duplicate', text)
        self.ok('create-tags', '--resources', vpc, subnet, '--tags', 'Key=team,Value=a')
        self.assertEqual(f'{subnet}\t{vpc}', self.ok('describe-tags', '--filters', 'Name=key,Values=team', '--query',
                                                     'Tags[].ResourceId'))
        self.ok('revoke-security-group-ingress', '--group-id', group, '--protocol', 'tcp', '--port', '80-81', '--cidr', ANYWHERE)
        self.ok('delete-security-group', '--group-id', group)
        self.ok('delete-subnet', '--subnet-id', subnet)
        self.ok('delete-vpc', '--vpc-id', vpc)
        self.assert_nothing_left()

    def test_the_default_network(self):
        self.assertEqual('172.31.0.0/16', self.ok('describe-vpcs', '--filters', 'Name=is-default,Values=true', '--query', 'Vpcs[].CidrBlock'))
        zones = self.ok('describe-subnets', '--query', 'sort(Subnets[].AvailabilityZone)').split()
        self.assertEqual(['us-east-1a', 'us-east-1b', 'us-east-1c'], zones)
        self.assertEqual(zones, self.ok('describe-availability-zones', '--query', 'AvailabilityZones[].ZoneName').split())


@terraform.needed
class Terraform(ServerTest):
    configuration = '''
        terraform {
          required_providers { aws = { source = "hashicorp/aws" } }
        }
        provider "aws" {
          region                  = "us-east-1"
          skip_metadata_api_check = true
          endpoints {
            ec2 = "%(url)s"
            iam = "%(url)s"
            sts = "%(url)s"
          }
        }
        variable "port" { type = number }
        data "aws_availability_zones" "all" { state = "available" }
        data "aws_vpc" "default" { default = true }
        resource "aws_vpc" "main" {
          cidr_block = "10.20.0.0/16"
          tags       = { Name = "main" }
        }
        resource "aws_subnet" "public" {
          count             = 2
          vpc_id            = aws_vpc.main.id
          cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
          availability_zone = data.aws_availability_zones.all.names[count.index]
        }
        resource "aws_default_security_group" "main" {
          vpc_id = aws_vpc.main.id
          tags   = { Name = "main-default" }
        }
        resource "aws_default_route_table" "main" {
          default_route_table_id = aws_vpc.main.default_route_table_id
          tags                   = { Name = "main-default" }
        }
        # As the usual modules adopt it.
        resource "aws_default_network_acl" "main" {
          default_network_acl_id = aws_vpc.main.default_network_acl_id
          dynamic "ingress" {
            for_each = ["0.0.0.0/0", "::/0"]
            content {
              rule_no         = 100 + ingress.key
              action          = "allow"
              protocol        = "-1"
              from_port       = 0
              to_port         = 0
              cidr_block      = ingress.key == 0 ? ingress.value : null
              ipv6_cidr_block = ingress.key == 1 ? ingress.value : null
            }
          }
          egress {
            rule_no    = 100
            action     = "allow"
            protocol   = "-1"
            from_port  = 0
            to_port    = 0
            cidr_block = "0.0.0.0/0"
          }
          lifecycle { ignore_changes = [subnet_ids] }
        }
        resource "aws_network_acl" "shut" {
          vpc_id     = aws_vpc.main.id
          subnet_ids = [aws_subnet.public[1].id]
          tags       = { Name = "shut" }
        }
        resource "aws_network_acl_rule" "web" {
          network_acl_id = aws_network_acl.shut.id
          rule_number    = 10
          protocol       = "tcp"
          rule_action    = "allow"
          cidr_block     = "10.20.0.0/16"
          from_port      = var.port
          to_port        = var.port
        }
        resource "aws_network_acl_rule" "ping" {
          network_acl_id = aws_network_acl.shut.id
          rule_number    = 20
          egress         = true
          protocol       = "icmp"
          rule_action    = "deny"
          cidr_block     = "0.0.0.0/0"
          icmp_type      = 8
          icmp_code      = -1
        }
        resource "aws_internet_gateway" "main" { vpc_id = aws_vpc.main.id }
        resource "aws_route_table" "public" {
          vpc_id = aws_vpc.main.id
          route {
            cidr_block = "0.0.0.0/0"
            gateway_id = aws_internet_gateway.main.id
          }
        }
        resource "aws_route_table_association" "public" {
          count          = 2
          subnet_id      = aws_subnet.public[count.index].id
          route_table_id = aws_route_table.public.id
        }
        resource "aws_eip" "nat" { domain = "vpc" }
        resource "aws_nat_gateway" "main" {
          allocation_id = aws_eip.nat.id
          subnet_id     = aws_subnet.public[0].id
          depends_on    = [aws_internet_gateway.main]
        }
        resource "aws_route_table" "private" { vpc_id = aws_vpc.main.id }
        resource "aws_route" "out" {
          route_table_id         = aws_route_table.private.id
          destination_cidr_block = "0.0.0.0/0"
          nat_gateway_id         = aws_nat_gateway.main.id
        }
        resource "aws_security_group" "web" {
          name   = "web"
          vpc_id = aws_vpc.main.id
          ingress {
            from_port   = var.port
            to_port     = var.port
            protocol    = "tcp"
            cidr_blocks = ["0.0.0.0/0"]
          }
          egress {
            from_port   = 0
            to_port     = 0
            protocol    = "-1"
            cidr_blocks = ["0.0.0.0/0"]
          }
        }
        resource "aws_security_group" "db" {
          name   = "db"
          vpc_id = aws_vpc.main.id
        }
        resource "aws_vpc_security_group_ingress_rule" "db" {
          security_group_id            = aws_security_group.db.id
          referenced_security_group_id = aws_security_group.web.id
          ip_protocol                  = "tcp"
          from_port                    = 5432
          to_port                      = var.port == 80 ? 5432 : 5433
          tags                         = { Name = "db" }
        }
    '''

    def test_a_network(self):
        stack = terraform.Stack(os.path.join(self.dir, 'terraform'), self.variables,
                                self.configuration % {'url': self.variables['AWS_ENDPOINT_URL']})
        stack.apply('-var=port=80')
        stack.settled('-var=port=80')
        stack.apply('-var=port=81')
        stack.destroy('-var=port=81')
        self.assert_nothing_left()


if __name__ == '__main__':
    unittest.main()
