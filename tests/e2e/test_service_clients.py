# SPDX-License-Identifier: Apache-2.0
"""Services as their users meet them: the AWS CLI's five commands, Terraform, and a task that protects itself."""
import json
import os
import time
import unittest
import urllib.request

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import terraform
from lab import LabTest, wait_for


class Services(LabTest):
    def service(self, name):
        return self.lab.aws('ecs', 'describe-services', '--services', name)['services'][0]

    def images_of(self, name):
        """Definitions that the service's tasks run."""
        arns = self.ecs.list_tasks(serviceName=name)['taskArns']
        return sorted(t['taskDefinitionArn'].rsplit('/', 1)[1] for t in self.ecs.describe_tasks(tasks=arns)['tasks']) if arns else []

    def test_the_story_of_five_commands(self):
        aws = self.lab.aws
        for text in ('one', 'two'):
            self.register('site', {'name': 'web', 'command': ['sh', '-c', f'trap "exit 0" TERM; echo {text}; sleep 600 & wait']})
        made = aws('ecs', 'create-service', '--service-name', 'site', '--task-definition', 'site:1', '--desired-count', '2',
                   '--enable-ecs-managed-tags', '--propagate-tags', 'SERVICE', '--tags', 'key=team,value=a')['service']
        self.assertEqual(('ACTIVE', 2, 0), (made['status'], made['desiredCount'], made['runningCount']))
        aws('ecs', 'wait', 'services-stable', '--services', 'site')
        now = self.service('site')
        self.assertEqual((2, 0, 1), (now['runningCount'], now['pendingCount'], len(now['deployments'])))
        self.assertEqual('COMPLETED', now['deployments'][0]['rolloutState'])
        self.assertEqual(['site:1'] * 2, self.images_of('site'))
        self.assertIn('(service site) has reached a steady state.', [e['message'] for e in now['events']])
        tasks = self.ecs.describe_tasks(tasks=self.ecs.list_tasks(serviceName='site')['taskArns'], include=['TAGS'])['tasks']
        for task in tasks:
            self.assertEqual('service:site', task['group'])
            self.assertEqual(now['deployments'][0]['id'], task['startedBy'])
            self.assertLessEqual({'team': 'a', 'aws:ecs:serviceName': 'site', 'aws:ecs:clusterName': 'default'}.items(),
                                 {t['key']: t['value'] for t in task['tags']}.items())
        aws('ecs', 'update-service', '--service', 'site', '--task-definition', 'site:2', '--desired-count', '3')
        aws('ecs', 'wait', 'services-stable', '--services', 'site')
        self.assertEqual(['site:2'] * 3, self.images_of('site'))
        deployments = self.lab.call('ListServiceDeployments', {'service': 'site'})['serviceDeployments']
        self.assertEqual(['SUCCESSFUL', 'SUCCESSFUL'], [d['status'] for d in deployments])
        aws('ecs', 'delete-service', '--service', 'site', '--force')
        aws('ecs', 'wait', 'services-inactive', '--services', 'site')
        self.assertEqual([], self.ecs.list_tasks(family='site')['taskArns'])
        self.assertEqual('INACTIVE', self.service('site')['status'])

    def test_a_task_protects_itself(self):
        """The agent's endpoint, with the task role's credentials."""
        put = (r"""body='{"ProtectionEnabled":true,"ExpiresInMinutes":5}'; { printf 'PUT %s/task-protection/v1/state HTTP/1.1\r\n'"""
               r"""'Host: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "${ECS_AGENT_URI#http://169.254.170.2}" "${#body}" "$body"; sleep 1; } """
               r"""| nc 169.254.170.2 80; trap 'exit 0' TERM; sleep 600 & wait""")
        self.register('worker', {'name': 'w', 'command': ['sh', '-c', put]}, taskRoleArn='arn:aws:iam::123456789012:role/worker')
        self.ecs.create_service(serviceName='worker', taskDefinition='worker', desiredCount=1)
        self.addCleanup(self.ecs.delete_service, service='worker', force=True)

        def protected():
            tasks = self.ecs.list_tasks(serviceName='worker')['taskArns']
            found = self.ecs.get_task_protection(cluster='default', tasks=tasks)['protectedTasks'] if tasks else []
            return found and found[0]['protectionEnabled'] and found[0]
        kept = wait_for(protected, 20, 'the task to have protected itself')
        self.ecs.update_service(service='worker', desiredCount=0)
        with self.assertRaises(AssertionError):
            wait_for(lambda: not self.ecs.list_tasks(serviceName='worker')['taskArns'], 3, 'a protected task to be stopped')
        self.ecs.update_task_protection(cluster='default', tasks=[kept['taskArn']], protectionEnabled=False)
        wait_for(lambda: not self.ecs.list_tasks(serviceName='worker')['taskArns'], 20, 'the task to be stopped')


class Events(LabTest):
    """`GET /events` with a presigned URL, as a browser's EventSource reads it."""

    def follow(self, query=''):
        v = self.lab.variables
        request = AWSRequest('GET', f'{v["AWS_ENDPOINT_URL"]}/events{query}')
        SigV4QueryAuth(Credentials(v['AWS_ACCESS_KEY_ID'], v['AWS_SECRET_ACCESS_KEY']), 'ecs', v['AWS_REGION'], expires=60).add_auth(request)
        answer = urllib.request.urlopen(request.url, timeout=20)
        self.addCleanup(answer.close)
        return answer

    @staticmethod
    def until(answer, *words):
        """The fields of the first event whose lines hold all the words; None at the end of the stream."""
        fields = {}
        for line in answer:
            name, _, value = line.decode().rstrip('\n').partition(': ')
            if name:
                fields[name] = value
            elif all(word in str(fields) for word in words):
                return fields
            else:
                fields = {}
        return None

    def test_follow_a_service(self):
        self.register('app', {'name': 'a', 'command': ['sh', '-c', 'trap "exit 0" TERM; sleep 600 & wait']})
        answer = self.follow('?kind=task,service')
        self.assertTrue(self.until(answer, 'ready'))
        self.ecs.create_service(serviceName='app', taskDefinition='app', desiredCount=1)
        self.assertIn('"change":"created"', self.until(answer, '"kind":"service"')['data'])
        running = self.until(answer, '"kind":"task"', '"status":"RUNNING"')
        self.assertEqual('app', json.loads(running['data'])['service'])
        self.assertIn(json.loads(running['data'])['arn'], self.ecs.list_tasks()['taskArns'])
        answer.close()
        self.ecs.delete_service(service='app', force=True)
        answer = self.follow('?kind=service&lastEventId=' + running['id'])
        self.assertTrue(self.until(answer, '"change":"changed"', 'service/default/app'))
        began = time.monotonic()
        self.lab.stop(remove=False)  # nobody waits for the reader
        self.assertLess(time.monotonic() - began, 5)
        self.assertIsNone(self.until(answer, 'nothing more'))


@terraform.needed
class Terraform(LabTest):
    configuration = '''
        terraform {
          required_providers { aws = { source = "hashicorp/aws" } }
        }
        provider "aws" {
          region                      = "us-east-1"
          skip_metadata_api_check     = true
          endpoints {
            ecs = "%(url)s"
            iam = "%(url)s"
            sts = "%(url)s"
          }
        }
        variable "text" { type = string }
        variable "count_of" { type = number }
        data "aws_ecs_cluster" "main" { cluster_name = "default" }
        resource "aws_ecs_cluster" "other" { name = "other" }
        resource "aws_ecs_cluster_capacity_providers" "other" {
          cluster_name       = aws_ecs_cluster.other.name
          capacity_providers = ["FARGATE", "FARGATE_SPOT"]
        }
        resource "aws_ecs_task_definition" "site" {
          family                = "tf-site"
          container_definitions = jsonencode([{ name = "web", image = "%(image)s", memory = 32, command = ["sh", "-c", "trap 'exit 0' TERM; echo ${var.text}; sleep 600 & wait"] }])
        }
        resource "aws_ecs_service" "site" {
          name                  = "site"
          cluster               = data.aws_ecs_cluster.main.id
          task_definition       = aws_ecs_task_definition.site.arn
          desired_count         = var.count_of
          launch_type           = "EC2"
          wait_for_steady_state = true
          enable_ecs_managed_tags = true
          propagate_tags        = "SERVICE"
          deployment_circuit_breaker {
            enable   = true
            rollback = true
          }
          tags = { team = "a" }
        }
        resource "aws_ecs_service" "daemon" {
          name                = "daemon"
          cluster             = data.aws_ecs_cluster.main.id
          task_definition     = aws_ecs_task_definition.site.arn
          scheduling_strategy = "DAEMON"
          deployment_maximum_percent = 100
          deployment_minimum_healthy_percent = 0
        }
        resource "aws_ecs_service" "external" {
          name          = "external"
          cluster       = data.aws_ecs_cluster.main.id
          desired_count = 1
          deployment_controller { type = "EXTERNAL" }
        }
        resource "aws_ecs_task_set" "blue" {
          service         = aws_ecs_service.external.id
          cluster         = data.aws_ecs_cluster.main.id
          task_definition = aws_ecs_task_definition.site.arn
          launch_type     = "EC2"
          force_delete    = true
          scale { value = 100.0 }
        }
    '''

    def test_a_service(self):
        stack = terraform.Stack(os.path.join(self.lab.dir, 'terraform'), self.lab.variables,
                                self.configuration % {'url': self.lab.variables['AWS_ENDPOINT_URL'], 'image': self.image})
        one, two = ('-var=text=one', '-var=count_of=1'), ('-var=text=two', '-var=count_of=2')
        stack.apply(*one)
        stack.settled(*one)
        self.assertEqual(1, len(self.ecs.list_tasks(serviceName='site')['taskArns']))
        stack.apply(*two)
        service = self.ecs.describe_services(services=['site'])['services'][0]
        self.assertEqual((2, 1), (service['runningCount'], len(service['deployments'])))
        stack.destroy(*two)
        self.assertEqual([], self.ecs.list_services()['serviceArns'])
        self.assertEqual([], self.ecs.list_tasks()['taskArns'])


if __name__ == '__main__':
    unittest.main()
