# SPDX-License-Identifier: Apache-2.0
"""Auto Scaling groups whose machines are made by a driver's program: they come, join, are replaced and go."""
import datetime
import glob
import os
import shutil
import socket
import subprocess
import unittest

import terraform
from lab import GANTRY, ROOT, error_code, wait_for
from machines import NETWORK, Fleet
from maker import Maker
from registry import Registry, free_port


class GroupTest(unittest.TestCase):
    """A server without nodes, and a driver that makes machines."""
    server_options = ()

    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(())
        cls.addClassCleanup(cls.fleet.stop)
        cls.maker = Maker(cls.fleet.dir)
        cls.fleet.server_options = (cls.maker.option, *cls.server_options)
        cls.addClassCleanup(cls.maker.close)
        cls.fleet.start()
        cls.maker.serve(cls.fleet.switch)
        cls.ecs, cls.ec2, cls.asg = cls.fleet.ecs, cls.fleet.ec2, cls.fleet.autoscaling
        cls.ec2.create_launch_template(LaunchTemplateName='node', LaunchTemplateData={'InstanceType': 'custom.1x512', 'ImageId': 'ami-0'})

    def group(self, name, **more):
        self.asg.create_auto_scaling_group(**{'AutoScalingGroupName': name, 'MinSize': 0, 'MaxSize': 4, 'LaunchTemplate':
                                              {'LaunchTemplateName': 'node'}, 'AvailabilityZones': ['us-east-1a', 'us-east-1b'], **more})
        return self.described(name)

    def described(self, name):
        groups = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])['AutoScalingGroups']
        return groups[0] if groups else None

    def in_service(self, name):
        return [i for i in self.described(name)['Instances'] if i['LifecycleState'] == 'InService']

    def delete(self, name):
        self.asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        wait_for(lambda: self.described(name) is None, 20, f'group {name} to be gone')

    def instances(self, cluster='default'):
        return [i for i in self.fleet.instances(cluster) if i['agentConnected']]


class Groups(GroupTest):
    def test_grow_and_shrink(self):
        self.group('pool', DesiredCapacity=2, Tags=[{'Key': 'team', 'Value': 'web', 'PropagateAtLaunch': True}])
        joined = wait_for(lambda: len(self.instances()) == 2 and self.instances(), 30, 'two machines to join')
        self.assertEqual({i['InstanceId'] for i in self.in_service('pool')}, {i['ec2InstanceId'] for i in joined})
        zones = sorted(a['value'] for i in joined for a in i['attributes'] if a['name'] == 'ecs.availability-zone')
        self.assertEqual(['us-east-1a', 'us-east-1b'], zones)
        self.assertEqual({'web'}, {order['tags']['team'] for verb, order in self.maker.orders if (verb, order['group']) == ('create', 'pool')})
        activities = self.asg.describe_scaling_activities(AutoScalingGroupName='pool')['Activities']
        self.assertEqual(['Successful'] * 2, [a['StatusCode'] for a in activities])
        self.assertIn('changing the desired capacity from 0 to 2', activities[0]['Cause'])
        self.asg.set_instance_protection(AutoScalingGroupName='pool', InstanceIds=[joined[0]['ec2InstanceId']], ProtectedFromScaleIn=True)
        self.asg.set_desired_capacity(AutoScalingGroupName='pool', DesiredCapacity=0)
        wait_for(lambda: list(self.maker.machines) == [joined[0]['ec2InstanceId']], 20, 'the machine that is not protected to go')
        self.assertEqual('ResourceInUse', error_code(self.asg.delete_auto_scaling_group, AutoScalingGroupName='pool'))
        self.delete('pool')
        self.assertEqual({}, self.maker.machines)
        wait_for(lambda: not self.fleet.instances(), 10, 'no container instance to be left')

    def test_a_machine_that_is_lost_is_replaced(self):
        self.group('lossy', MinSize=1)
        first = wait_for(self.instances, 30, 'a machine to join')[0]['ec2InstanceId']
        self.asg.set_instance_health(InstanceId=first, HealthStatus='Unhealthy', ShouldRespectGracePeriod=False)
        wait_for(lambda: self.maker.machines and first not in self.maker.machines, 20, 'another machine')
        wait_for(lambda: [i['ec2InstanceId'] for i in self.instances()] == list(self.maker.machines), 20, 'it to have joined')
        causes = [a['Cause'] for a in self.asg.describe_scaling_activities(AutoScalingGroupName='lossy')['Activities']]
        self.assertTrue(any('in response to a health check' in c for c in causes), causes)
        self.delete('lossy')

    def test_a_driver_that_fails_says_why(self):
        self.maker.fail = 'no host has room for it'
        self.addCleanup(setattr, self.maker, 'fail', None)
        self.group('unlucky', MinSize=1)
        failed = wait_for(lambda: [a for a in self.asg.describe_scaling_activities(AutoScalingGroupName='unlucky')['Activities']
                                   if a['StatusCode'] == 'Failed'], 10, 'the failure to be told')
        self.assertIn('no host has room for it', failed[0]['StatusMessage'])
        self.maker.fail = None
        wait_for(self.instances, 30, 'a machine after all')
        self.delete('unlucky')


class Capacity(GroupTest):
    """Tasks of a capacity provider make its group grow and shrink."""

    def provider(self, name, **more):
        group = self.group(name, NewInstancesProtectedFromScaleIn=True)
        self.ecs.create_capacity_provider(
            name=name, tags=[{'key': 'gantry:scale-in-ms', 'value': '1000'}],
            autoScalingGroupProvider={'autoScalingGroupArn': group['AutoScalingGroupARN'], 'managedTerminationProtection': 'ENABLED',
                                      'managedScaling': {'status': 'ENABLED', **more}})
        self.ecs.put_cluster_capacity_providers(cluster='default', capacityProviders=[name], defaultCapacityProviderStrategy=[])
        return [{'capacityProvider': name}]

    def test_a_service_that_does_not_fit_gets_machines(self):
        strategy = self.provider('burst')
        self.fleet.call('RegisterTaskDefinition', {'family': 'web', 'containerDefinitions': [
            {'name': 'c', 'image': self.fleet.image, 'cpu': 512, 'memory': 64, 'command': ['sleep', '600'], 'stopTimeout': 2}]})
        self.ecs.create_service(serviceName='web', taskDefinition='web', desiredCount=1, capacityProviderStrategy=strategy)
        waiting = [self.fleet.task(a) for a in self.ecs.list_tasks(serviceName='web')['taskArns']]
        self.assertIn(waiting[0]['lastStatus'], ('PROVISIONING', 'PENDING', 'RUNNING'))
        wait_for(lambda: len(self.fleet.running(serviceName='web')) == 1, 30, 'the task to run on a machine made for it')
        self.assertEqual(1, len(self.maker.machines))
        self.ecs.update_service(service='web', desiredCount=5)
        wait_for(lambda: len(self.fleet.running(serviceName='web')) == 5, 30, 'five tasks on three machines')
        self.assertEqual(3, len(self.maker.machines))
        joined = self.instances()
        self.assertEqual({'burst'}, {i['capacityProviderName'] for i in joined})
        self.assertTrue(all(i['ProtectedFromScaleIn'] for i in self.described('burst')['Instances']))
        # A task that must not be interrupted keeps its machine; those that are empty go.
        kept = self.fleet.running(serviceName='web')[0]
        self.fleet.call('UpdateTaskProtection', {'cluster': 'default', 'tasks': [kept['taskArn']], 'protectionEnabled': True})
        self.ecs.update_service(service='web', desiredCount=1)
        wait_for(lambda: len(self.maker.machines) == 1, 40, 'the empty machines to go')
        self.assertEqual([kept['taskArn']], [t['taskArn'] for t in self.fleet.running(serviceName='web')])
        self.assertEqual({i['containerInstanceArn'] for i in self.fleet.instances() if i['status'] == 'ACTIVE'}, {kept['containerInstanceArn']})
        self.fleet.call('UpdateTaskProtection', {'cluster': 'default', 'tasks': [kept['taskArn']], 'protectionEnabled': False})
        self.ecs.update_service(service='web', desiredCount=0)
        wait_for(lambda: not self.maker.machines and not self.fleet.instances(), 40, 'the last machine to go')
        self.ecs.delete_service(service='web', force=True)

    def test_a_machine_is_emptied_before_it_goes(self):
        """managedDraining: the machine waits until what runs there has ended by itself."""
        strategy = self.provider('drained')
        self.fleet.call('RegisterTaskDefinition', {'family': 'job', 'containerDefinitions': [
            {'name': 'c', 'image': self.fleet.image, 'memory': 32, 'command': ['sleep', '8']}]})
        arn = self.fleet.run('job', capacityProviderStrategy=strategy)
        task = self.fleet.wait_status(arn, 'RUNNING')
        machine = self.described('drained')['Instances'][0]['InstanceId']
        self.asg.terminate_instance_in_auto_scaling_group(InstanceId=machine, ShouldDecrementDesiredCapacity=True)
        wait_for(lambda: [i['status'] for i in self.fleet.instances()] == ['DRAINING'], 10, 'the machine to be drained')
        self.assertEqual('Terminating:Wait', self.described('drained')['Instances'][0]['LifecycleState'])
        stopped = self.fleet.wait_status(task['taskArn'], 'STOPPED')
        self.assertEqual(0, stopped['containers'][0]['exitCode'])
        wait_for(lambda: not self.maker.machines, 20, 'the machine to go')


MISSING = [name for name in ('qemu-system-x86_64', 'mkfs.ext4', 'cpio', 'kmod') if not shutil.which(name, path='/usr/bin:/usr/sbin:/bin:/sbin')]
IMAGE = os.path.join(os.path.dirname(GANTRY), 'machine-image')


@unittest.skipIf(MISSING, f'not installed: {MISSING}')
@unittest.skipUnless(os.path.exists(os.path.join(IMAGE, 'kernel')), f'no image: tools/machine-image.sh {IMAGE}')
class Qemu(unittest.TestCase):
    """The built-in driver: a real machine boots, joins, runs a task and goes."""

    def fleet_with(self, *options, of='vms', most=1, **provider):
        """A server whose driver is `gantry machine`, a registry, and a group with a capacity provider of its name."""
        subprocess.run([os.path.join(ROOT, 'tools', 'machine-image.sh'), IMAGE, GANTRY], check=True, capture_output=True)
        self.fleet = fleet = Fleet(())
        self.addCleanup(fleet.stop)
        self.machines = os.path.join(fleet.dir, 'machines')
        port = free_port()
        words = (GANTRY, 'machine', '--data-dir', self.machines, '--image-dir', IMAGE, f'--agent-options=--insecure-registry={NETWORK}.1:{port}',
                 *options)
        fleet.server_options = (f'--machine-driver={" ".join(words)}',)
        fleet.start()
        self.registry = Registry(fleet.dir, port, f'{NETWORK}.1')
        self.addCleanup(self.registry.stop)
        self.image = self.registry.push(fleet.image, 'busybox:1')
        fleet.ec2.create_launch_template(LaunchTemplateName='node', LaunchTemplateData={'InstanceType': 'custom.1x768'})
        fleet.autoscaling.create_auto_scaling_group(AutoScalingGroupName=of, MinSize=0, MaxSize=most, AvailabilityZones=['us-east-1a'],
                                                    NewInstancesProtectedFromScaleIn='managedTerminationProtection' in provider,
                                                    LaunchTemplate={'LaunchTemplateName': 'node'})
        group = fleet.autoscaling.describe_auto_scaling_groups()['AutoScalingGroups'][0]['AutoScalingGroupARN']
        fleet.ecs.create_capacity_provider(name=of, tags=[{'key': 'gantry:scale-in-ms', 'value': '1000'}], autoScalingGroupProvider={
            'autoScalingGroupArn': group, 'managedScaling': {'status': 'ENABLED'}, **provider})
        fleet.ecs.put_cluster_capacity_providers(cluster='default', capacityProviders=[of], defaultCapacityProviderStrategy=[])
        return fleet

    def made(self):
        """Ids of the machines that are here."""
        return sorted(os.path.basename(path) for path in glob.glob(os.path.join(self.machines, '*', 'i-*')))

    def test_a_virtual_machine_for_a_task(self):
        fleet = self.fleet_with()
        fleet.call('RegisterTaskDefinition', {'family': 'job', 'containerDefinitions': [
            {'name': 'c', 'image': self.image, 'memory': 32, 'command': ['uname', '-r']}]})
        arn = fleet.run('job', capacityProviderStrategy=[{'capacityProvider': 'vms'}])
        stopped = fleet.wait_status(arn, 'STOPPED', 60)
        self.assertEqual(0, stopped['containers'][0].get('exitCode'), (stopped, fleet.tail()))
        self.assertIn('vms', {i.get('capacityProviderName') for i in fleet.instances()})
        wait_for(lambda: not fleet.instances() and not self.made(), 30, 'the machine to be gone')

    def bridge(self):
        """The server's machine gets a bridge that is plugged into the switch, where a DHCP server answers."""
        host = self.fleet.host
        host.run(f'ip link add vms type bridge && ip addr flush dev eth0 && ip link set eth0 master vms && ip link set vms up && '
                 f'ip addr add {host.address}/24 dev vms && ip route add default via {NETWORK}.1')
        conf, leases = (os.path.join(self.fleet.dir, name) for name in ('udhcpd.conf', 'udhcpd.leases'))
        with open(conf, 'w') as f:
            f.write(f'start {NETWORK}.100\nend {NETWORK}.103\ninterface {self.fleet.switch.bridge}\nlease_file {leases}\npidfile {conf}.pid\n'
                    f'option subnet 255.255.255.0\noption router {NETWORK}.1\n')
        with open(leases, 'wb'), open(os.path.join(self.fleet.dir, 'udhcpd.log'), 'wb') as log:
            dhcp = subprocess.Popen(['busybox', 'udhcpd', '-f', conf], stdout=log, stderr=log)
        self.addCleanup(dhcp.wait)
        self.addCleanup(dhcp.kill)

    def answers(self):
        """How many machines on the bridge answer at the port that the service publishes."""
        found = 0
        for last in range(100, 104):
            with socket.socket() as s:
                s.settimeout(0.3)
                found += s.connect_ex((f'{NETWORK}.{last}', 8080)) == 0
        return found

    def test_machines_follow_a_service(self):
        """On a bridge. What does not fit makes machines; those without tasks are drained and go, never one with a protected task."""
        fleet = self.fleet_with('--bridge', 'vms', of='burst', most=2, managedTerminationProtection='ENABLED')
        self.bridge()
        fleet.call('RegisterTaskDefinition', {'family': 'web', 'containerDefinitions': [
            {'name': 'c', 'image': self.image, 'memory': 32, 'command': ['httpd', '-f', '-p', '80', '-h', '/'], 'stopTimeout': 2,
             'portMappings': [{'containerPort': 80, 'hostPort': 8080}]}]})
        fleet.call('RegisterTaskDefinition', {'family': 'job', 'containerDefinitions': [
            {'name': 'c', 'image': self.image, 'memory': 32, 'command': ['sleep', '8']}]})
        strategy = [{'capacityProvider': 'burst'}]
        fleet.ecs.create_service(serviceName='web', taskDefinition='web', desiredCount=1, capacityProviderStrategy=strategy)
        wait_for(lambda: len(fleet.running(serviceName='web')) == 1, 60, 'the task on a machine made for it')
        first = self.made()
        self.assertEqual(1, len(first))
        # One host has one port 8080: the second does not fit.
        fleet.ecs.update_service(service='web', desiredCount=2)
        wait_for(lambda: len(fleet.running(serviceName='web')) == 2, 60, 'the second task on a second machine')
        self.assertEqual(2, len(self.made()))
        wait_for(lambda: self.answers() == 2, 10, 'both to answer over the bridge')
        # The load ends: the machine without a protected task goes.
        hosts = {i['containerInstanceArn']: i['ec2InstanceId'] for i in fleet.instances()}
        kept = next(t for t in fleet.running(serviceName='web') if hosts[t['containerInstanceArn']] not in first)
        fleet.call('UpdateTaskProtection', {'cluster': 'default', 'tasks': [kept['taskArn']], 'protectionEnabled': True})
        fleet.ecs.update_service(service='web', desiredCount=0)
        wait_for(lambda: self.made() == [hosts[kept['containerInstanceArn']]], 60, 'the first machine to go, and the second to stay')
        self.assertEqual([kept['taskArn']], [t['taskArn'] for t in fleet.running(serviceName='web')])
        self.assertEqual(self.made(), [i['ec2InstanceId'] for i in fleet.instances()])
        # A machine that somebody takes away is emptied before: the job on it ends by itself.
        job = fleet.wait_status(fleet.run('job', capacityProviderStrategy=strategy), 'RUNNING')
        self.assertEqual(kept['containerInstanceArn'], job['containerInstanceArn'])
        fleet.call('UpdateTaskProtection', {'cluster': 'default', 'tasks': [kept['taskArn']], 'protectionEnabled': False})
        fleet.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=self.made()[0], ShouldDecrementDesiredCapacity=True)
        wait_for(lambda: [i['status'] for i in fleet.instances()] == ['DRAINING'], 10, 'the machine to be drained')
        self.assertEqual(0, fleet.wait_status(job['taskArn'], 'STOPPED', 20)['containers'][0]['exitCode'])
        wait_for(lambda: not fleet.instances() and not self.made(), 30, 'the last machine to be gone')
        self.check_what_people_see()
        fleet.ecs.delete_service(service='web', force=True)

    def check_what_people_see(self):
        cluster = self.fleet.ecs.describe_clusters(clusters=['default'], include=['ATTACHMENTS'])['clusters'][0]
        self.assertEqual('UPDATE_COMPLETE', cluster['attachmentsStatus'])
        self.assertEqual(['as_policy', 'managed_draining'], [a['type'] for a in cluster['attachments']])
        items = self.fleet.cloudwatch.describe_alarm_history(HistoryItemType='StateUpdate', MaxRecords=100)['AlarmHistoryItems']
        moved = {(i['AlarmName'].split('-')[2], i['HistorySummary'].split()[-1]) for i in items}
        self.assertTrue({('AlarmHigh', 'ALARM'), ('AlarmHigh', 'OK'), ('AlarmLow', 'ALARM')} <= moved, items)
        now = datetime.datetime.now(datetime.timezone.utc)
        points = self.fleet.cloudwatch.get_metric_statistics(
            Namespace='AWS/ECS/ManagedScaling', MetricName='CapacityProviderReservation', StartTime=now - datetime.timedelta(minutes=5), EndTime=now,
            Dimensions=[{'Name': 'CapacityProviderName', 'Value': 'burst'}, {'Name': 'ClusterName', 'Value': 'default'}],
            Period=1, Statistics=['Maximum'])['Datapoints']
        self.assertEqual(200, max(p['Maximum'] for p in points))


STACK = '''
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

variable "endpoint" { type = string }
variable "image" { type = string }

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
  endpoints {
    autoscaling = var.endpoint
    ec2         = var.endpoint
    ecs         = var.endpoint
    iam         = var.endpoint
    sts         = var.endpoint
  }
}

resource "aws_launch_template" "node" {
  name_prefix   = "node-"
  image_id      = "ami-0"
  instance_type = "custom.1x512"
  user_data     = base64encode("#!/bin/sh\\necho ECS_CLUSTER=stack >>/etc/ecs/ecs.config\\n")
  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "node" }
  }
}

resource "aws_autoscaling_group" "nodes" {
  name                  = "nodes"
  min_size              = 0
  max_size              = 3
  availability_zones    = ["us-east-1a", "us-east-1b"]
  protect_from_scale_in = true
  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }
  tag {
    key                 = "AmazonECSManaged"
    value               = ""
    propagate_at_launch = true
  }
}

resource "aws_ecs_cluster" "main" { name = "stack" }

resource "aws_ecs_capacity_provider" "nodes" {
  name = "nodes"
  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.nodes.arn
    managed_termination_protection = "ENABLED"
    managed_scaling {
      status          = "ENABLED"
      target_capacity = 100
    }
  }
  tags = { "gantry:scale-in-ms" = "1000" }
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  cluster_name       = aws_ecs_cluster.main.name
  capacity_providers = [aws_ecs_capacity_provider.nodes.name]
  default_capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.nodes.name
    weight            = 1
  }
}

resource "aws_ecs_task_definition" "web" {
  family                = "stack"
  container_definitions = jsonencode([{ name = "c", image = var.image, memory = 64, command = ["sleep", "600"], stopTimeout = 2 }])
}

resource "aws_ecs_service" "web" {
  name                  = "stack"
  cluster               = aws_ecs_cluster.main.id
  task_definition       = aws_ecs_task_definition.web.arn
  desired_count         = 1
  wait_for_steady_state = true
  capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.nodes.name
    weight            = 1
  }
  depends_on = [aws_ecs_cluster_capacity_providers.main]
}
'''


@terraform.needed
class Terraform(GroupTest):
    """The AWS provider's resources of groups and capacity providers: applied, stay as they are, destroyed."""

    def test_apply_plan_destroy(self):
        stack = terraform.Stack(os.path.join(self.fleet.dir, 'stack'), self.fleet.variables, STACK, more=self.fleet.tail)
        variables = [f'-var=endpoint={self.fleet.variables["AWS_ENDPOINT_URL"]}', f'-var=image={self.fleet.image}']
        stack.apply(*variables)
        self.assertEqual(1, len(self.maker.machines), self.asg.describe_scaling_activities()['Activities'])
        stack.settled(*variables)
        cluster = self.ecs.describe_clusters(clusters=['stack'], include=['ATTACHMENTS'])['clusters'][0]
        self.assertEqual('UPDATE_COMPLETE', cluster['attachmentsStatus'])
        self.assertEqual(2, len(self.fleet.cloudwatch.describe_alarms()['MetricAlarms']))
        stack.destroy(*variables)
        self.assertEqual({}, self.maker.machines)
        self.assertEqual([], self.asg.describe_auto_scaling_groups()['AutoScalingGroups'])
        self.assertEqual([], self.fleet.cloudwatch.describe_alarms()['MetricAlarms'])
        self.assertEqual({'FARGATE', 'FARGATE_SPOT'}, {p['name'] for p in self.ecs.describe_capacity_providers()['capacityProviders']})
        self.assertEqual(['node'], [t['LaunchTemplateName'] for t in self.ec2.describe_launch_templates()['LaunchTemplates']])


if __name__ == '__main__':
    unittest.main()
