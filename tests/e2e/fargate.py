# SPDX-License-Identifier: Apache-2.0
"""What the tests of Fargate tasks share: definitions, starts, logs, and the host's view of what runs."""
import os
import subprocess

from farm import free_port
from lab import ROOT, LabTest, wait_for

LOGS = {'logDriver': 'awslogs', 'options': {'awslogs-group': '/far', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'far',
                                            'awslogs-create-group': 'true'}}
ROLE = 'arn:aws:iam::123456789012:role/logs'


def processes():
    """Ids of all processes, with their command lines."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline') as cmdline:
                found[int(pid)] = cmdline.read().replace('\0', ' ').strip()
        except OSError:
            continue
    return found


class FargateTest(LabTest):
    """`gantry up` is the host; `isolation` says how it keeps tasks apart."""
    isolation = 'sandbox'
    size = {'cpu': '256', 'memory': '512'}
    patience = 15

    @classmethod
    def setUpClass(cls):
        cls.options = (*cls.options, '--fargate', cls.isolation)
        super().setUpClass()
        subnets = cls.lab.ec2.describe_subnets()['Subnets']
        subnet = next(s for s in subnets if s['AvailabilityZone'] == 'us-east-1a')
        cls.subnet, cls.vpc = subnet['SubnetId'], subnet['VpcId']
        cls.network = {'awsvpcConfiguration': {'subnets': [cls.subnet], 'assignPublicIp': 'ENABLED'}}

    def define(self, family, script, container=None, **more):
        size = {**self.size, **more}
        return self.register(family, {'name': 'c', 'command': ['sh', '-c', script], 'logConfiguration': LOGS, 'memory': int(size['memory']), **(container or {})},
                             **{'networkMode': 'awsvpc', 'requiresCompatibilities': ['FARGATE'], **self.size, 'executionRoleArn': ROLE, **more})

    def start(self, definition, **more):
        arn = self.lab.run(definition, launchType='FARGATE', **{'networkConfiguration': self.network, **more})
        self.addCleanup(self.stop, arn)
        return arn

    def stop(self, arn):
        self.ecs.stop_task(task=arn)
        return self.lab.wait_status(arn, 'STOPPED')

    def output(self, arn, until):
        """What the task has logged, once a line starts with `until`."""
        def read():
            if not self.lab.logs.describe_log_groups(logGroupNamePrefix='/far')['logGroups']:
                return None
            pages = self.lab.logs.get_paginator('filter_log_events').paginate(logGroupName='/far')
            lines = [e['message'] for page in pages for e in page['events'] if e['logStreamName'].endswith(arn.rsplit('/', 1)[1])]
            return lines if any(line.startswith(until) for line in lines) else None
        try:
            return wait_for(read, self.patience, until)
        except Exception as e:
            raise AssertionError(f'{e}: {self.lab.task(arn)}\n{self.lab.tail()}') from None

    def address(self, arn):
        return next(d['value'] for a in self.lab.task(arn)['attachments'] for d in a['details'] if d['name'] == 'privateIPv4Address')

    def group(self, name, *ports):
        """A security group that lets everybody in to these TCP ports, and nobody to others."""
        group = self.lab.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)['GroupId']
        for port in ports:
            self.lab.ec2.authorize_security_group_ingress(GroupId=group, IpProtocol='tcp', FromPort=port, ToPort=port, CidrIp='0.0.0.0/0')
        return group

    def pid_of(self, marker):
        """On the host, of the process whose command line ends so; conmon's does not."""
        return wait_for(lambda: next((pid for pid, line in processes().items() if line.endswith(marker)), None), 10, marker)

    # ---- services ----

    def running(self, service):
        return [arn for arn in self.ecs.list_tasks(serviceName=service)['taskArns'] if self.lab.task(arn)['lastStatus'] == 'RUNNING']

    def balancer(self, name):
        """The ARN of a target group, and the port of a listener on loopback that forwards to it."""
        elb = self.lab.client('elbv2')
        subnets = [s['SubnetId'] for s in self.lab.ec2.describe_subnets()['Subnets']][:2]
        made = elb.create_load_balancer(Name=name, Subnets=subnets)['LoadBalancers'][0]['LoadBalancerArn']
        group = elb.create_target_group(Name=name, VpcId=self.vpc, Protocol='HTTP', Port=80, TargetType='ip', HealthCheckIntervalSeconds=5,
                                        HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2)['TargetGroups'][0]['TargetGroupArn']
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{'Key': 'deregistration_delay.timeout_seconds', 'Value': '0'}])
        port = free_port()
        elb.create_listener(LoadBalancerArn=made, Protocol='HTTP', Port=port, DefaultActions=[{'Type': 'forward', 'TargetGroupArn': group}])
        return group, port

    def web(self, text, more=''):
        """What serves the size that a task sees of itself on port 80, and the same on 81, which its security group closes."""
        return self.define('web', f'mkdir /www; (grep MemTotal /proc/meminfo; echo processors $(grep -c ^processor /proc/cpuinfo); echo {text}) '
                                  f'> /www/index.html; {more} httpd -p 81 -h /www; trap "exit 0" TERM; httpd -f -p 80 -h /www & wait',
                           {'portMappings': [{'containerPort': 80}]})

    def settled(self, service):
        shown = self.ecs.describe_services(services=[service])['services'][0]
        return shown if len(shown['deployments']) == 1 and shown['runningCount'] == shown['desiredCount'] and shown['pendingCount'] == 0 else None

    def reach(self, address, port):
        """From another task, which no rule lets in but by port."""
        probe = self.start(self.define('probe', f'nc -w 2 {address} {port} </dev/null >/dev/null 2>&1 && echo "answer open" || echo "answer closed"'))
        return next(line for line in self.output(probe, 'answer') if line.startswith('answer')).split()[1]


def image_with(directory, name, source, path):
    """The image of all tests with one more file; its name for task definitions."""
    layout = os.path.join(directory, name)
    subprocess.run([os.path.join(ROOT, 'tools', 'make-busybox-image.py'), layout, '--add', f'{source}:{path}'], check=True, stdout=subprocess.DEVNULL)
    return f'oci:{layout}:latest'
