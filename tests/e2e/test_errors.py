# SPDX-License-Identifier: Apache-2.0
"""Every documented error of the operations that are built, provoked once with boto3, its code compared.

What is documented is what api/*.idl lists; the last test of a full run compares that with what was provoked.
"""
import json
import os
import re
import subprocess
import time
import unittest
import urllib.error

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lab import GANTRY, ROOT, LabTest, error_code

NO = {'parameter_validation': False}
ID = '0123456789abcdef0123456789abcdef'
ARN = 'arn:aws:ecs:us-east-1:123456789012:'
GROUP = 'arn:aws:logs:us-east-1:123456789012:log-group:'
# Nouns that have tests of their own.
ELSEWHERE = r'ExpressGateway|Daemon|ExecuteCommand|ServerCertificate'
# Errors that are documented and not provoked here: (operation or *, code): why.
UNPROVOKED = {
    ('*', 'AccessDeniedException'): 'test_access_denied, for one operation of each kind',
    ('*', 'ServerException'): 'the server itself fails: test_survival.FullDisk',
    ('*', 'ClientException'): 'a more exact code is answered, except where a row of the tables has it',
    ('*', 'ServiceUnavailableException'): 'AWS\'s own overload',
    ('*', 'OperationAbortedException'): 'two changes of one log group at once cannot happen: one thread owns the state',
    ('*', 'UpdateInProgressException'): 'changes of a cluster are done when they are answered',
    ('*', 'RegionDisabledException'): 'there is one region',
    ('*', 'ServiceFailure'): 'AWS\'s own failure',
    ('DeleteCluster', 'ClusterContainsTasksException'): 'tests/unit/test_api_clusters.c: only tasks that were never placed are left without instances',
    ('PutClusterCapacityProviders', 'ResourceInUseException'): 'tests/unit/test_api_clusters.c',
    ('RegisterTaskDefinition', 'LimitExceededException'): 'takes a million revisions',
    ('UpdateContainerAgent', 'MissingVersionException'): 'tests/unit/test_api_instances.c: an agent without a version',
    ('RunTask', 'BlockedException'): 'AWS blocks accounts; there is nobody to block here',
    ('CreateLogGroup', 'LimitExceededException'): 'tests/unit/test_api_logs.c: takes too many groups',
    ('CreateAccessKey', 'LimitExceeded'): 'takes too many keys',
    ('DeleteAccessKey', 'LimitExceeded'): 'deleting makes fewer',
    ('CreateAccessKey', 'NoSuchEntity'): 'a user comes with its first key',
    ('ListAccessKeys', 'NoSuchEntity'): 'a user without keys has an empty list',
    ('AssumeRole', 'ExpiredTokenException'): 'test_signatures: that of every operation',
    ('AssumeRole', 'PackedPolicyTooLargeException'): 'policies are refused altogether',
    ('DiscoverPollEndpoint', 'InvalidParameterException'): 'an agent is shown the way whatever it says',
    ('DescribeCapacityProviders', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('RegisterContainerInstance', 'ClusterNotFoundException'): 'agents wait for ClientException, as AWS answers',
    ('PutLogGroupDeletionProtection', 'InvalidOperationException'): 'every class of group can be protected',
    ('PutLogEvents', 'InvalidSequenceTokenException'): 'AWS ignores sequence tokens since 2023',
    ('PutLogEvents', 'UnrecognizedClientException'): 'test_signatures',
    ('*', 'NamespaceNotFoundException'): 'test_services, for those that take a namespace',
    ('DeleteCluster', 'ClusterContainsCapacityProviderException'): 'providers do not belong to a cluster',
    ('RunTask', 'PlatformTaskDefinitionIncompatibilityException'): 'test_services, for CreateService: one rule',
    ('UpdateService', 'PlatformUnknownException'): 'there are no Fargate services yet',
    ('UpdateService', 'PlatformTaskDefinitionIncompatibilityException'): 'there are no Fargate services yet',
    ('CreateTaskSet', 'PlatformTaskDefinitionIncompatibilityException'): 'test_services, for CreateService: one rule',
    ('CreateTaskSet', 'LimitExceededException'): 'AWS answers InvalidParameterException to a sixth task set',
    ('UpdateTaskSet', 'LimitExceededException'): 'there is no limit to reach',
    ('DeleteTaskSet', 'LimitExceededException'): 'there is no limit to reach',
    ('UpdateTaskSet', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('DeleteTaskSet', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('DescribeTaskSets', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('UpdateServicePrimaryTaskSet', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('DescribeServiceDeployments', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('DescribeServiceRevisions', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('StopServiceDeployment', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('ContinueServiceDeployment', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('DescribeServiceDeployments', 'ServiceNotFoundException'): 'what is not there is in the failures of the answer',
    ('DescribeServiceRevisions', 'ServiceNotFoundException'): 'what is not there is in the failures of the answer',
    ('DescribeServiceDeployments', 'ClusterNotFoundException'): 'what is not there is in the failures of the answer',
    ('DescribeServiceRevisions', 'ClusterNotFoundException'): 'what is not there is in the failures of the answer',
    ('GetTaskProtection', 'ResourceNotFoundException'): 'what is not there is in the failures of the answer',
    ('UpdateTaskProtection', 'ResourceNotFoundException'): 'what is not there is in the failures of the answer',
    ('GetTaskProtection', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('UpdateTaskProtection', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('CreateCapacityProvider', 'LimitExceededException'): 'there is no limit to reach',
    ('CreateCapacityProvider', 'ClusterNotFoundException'): 'only Managed Instances belong to a cluster',
    ('UpdateCapacityProvider', 'ClusterNotFoundException'): 'only Managed Instances belong to a cluster',
    ('DeleteCapacityProvider', 'ClusterNotFoundException'): 'only Managed Instances belong to a cluster',
    ('DeleteCapacityProvider', 'UnsupportedFeatureException'): 'nothing in it is unsupported',
    ('PutLogEvents', 'DataAlreadyAcceptedException'): 'AWS ignores sequence tokens since 2023',
}


class Errors(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        v = cls.lab.variables
        # The client's own checks are off: the server's are what is tested.
        cls.raw = {name: cls.lab.clients.session.client(name, endpoint_url=v['AWS_ENDPOINT_URL'],
                                                        config=Config(retries={'max_attempts': 0}, **NO)) for name in ('ecs', 'logs', 'sts', 'iam')}
        cls.provoked, cls.ran = set(), set()
        cls.ecs = cls.raw['ecs']
        cls.logs = cls.raw['logs']
        cls.ecs.register_task_definition(family='good', containerDefinitions=[cls.container()])
        cls.instance = cls.ecs.list_container_instances()['containerInstanceArns'][0]

    def setUp(self):
        self.ran.add(self._testMethodName)

    @staticmethod
    def container(**more):
        return {'name': 'c', 'image': 'x', 'memory': 16, **more}

    def check(self, table):
        for code, call, arguments in table:
            with self.subTest(code=code, operation=call.__name__, arguments=str(arguments)[:160]):
                try:
                    call(**arguments)
                    self.fail('it was accepted')
                except ClientError as e:
                    self.assertEqual(code, e.response['Error']['Code'], e.response['Error']['Message'])
                    self.assertGreater(len(e.response['Error']['Message']), 8, 'the message says something')
                    self.assertTrue(e.response['ResponseMetadata']['RequestId'])
                    service = call.__self__
                    self.provoked.add((service.meta.service_model.service_name, service.meta.method_to_api_mapping[call.__name__], code))

    def refusal(self, operation, body, *service):
        """Code of the error for a call that Debian's boto3 cannot make. `service`: its name and target prefix, of another than ECS."""
        try:
            self.lab.call(operation, body, *service)
        except urllib.error.HTTPError as e:
            code = json.loads(e.read())['__type'].rsplit('#', 1)[-1]
            self.provoked.add((service[0] if service else 'ecs', operation, code))
            return code
        return None

    def test_signatures(self):
        def client(key=None, secret=None, token=None, region='us-east-1'):
            v = self.lab.variables
            return boto3.client('ecs', endpoint_url=v['AWS_ENDPOINT_URL'], region_name=region, config=Config(retries={'max_attempts': 0}),
                                aws_access_key_id=key or v['AWS_ACCESS_KEY_ID'], aws_secret_access_key=secret or v['AWS_SECRET_ACCESS_KEY'],
                                aws_session_token=token)

        def code(**credentials):
            c = client(**credentials)
            self.addCleanup(c.close)
            return error_code(c.list_clusters)
        self.assertEqual('UnrecognizedClientException', code(key='AKIANOSUCHKEY0000000'))
        self.assertEqual('InvalidSignatureException', code(secret='wrong'))
        self.assertIn(code(token='made-up'), ('UnrecognizedClientException', 'InvalidSignatureException'))
        agent = self.raw['iam'].create_access_key(UserName='agent')['AccessKey']
        agent = {'key': agent['AccessKeyId'], 'secret': agent['SecretAccessKey']}
        self.assertEqual('AccessDeniedException', code(**agent))
        self.raw['iam'].delete_access_key(AccessKeyId=agent['key'])
        self.assertEqual('UnrecognizedClientException', code(**agent))

    def test_access_denied(self):
        """What a node's key opens is what nodes call, and nothing else."""
        key = self.raw['iam'].create_access_key(UserName='agent')['AccessKey']
        self.addCleanup(self.raw['iam'].delete_access_key, AccessKeyId=key['AccessKeyId'])

        def client(name):
            c = boto3.client(name, endpoint_url=self.lab.variables['AWS_ENDPOINT_URL'], region_name='us-east-1',
                             aws_access_key_id=key['AccessKeyId'], aws_secret_access_key=key['SecretAccessKey'],
                             config=Config(retries={'max_attempts': 0}, **NO))
            self.addCleanup(c.close)
            return c
        ecs, logs, iam = client('ecs'), client('logs'), client('iam')
        self.assertTrue(ecs.discover_poll_endpoint()['endpoint'])
        denied = 'AccessDeniedException'
        self.check([(denied, call, arguments) for call, arguments in [
            (ecs.delete_cluster, {'cluster': 'default'}), (ecs.describe_clusters, {}), (ecs.register_task_definition, {'family': 'f', 'containerDefinitions': [self.container()]}),
            (ecs.run_task, {'taskDefinition': 'good'}), (ecs.start_task, {'taskDefinition': 'good', 'containerInstances': [self.instance]}),
            (ecs.stop_task, {'task': ID}), (ecs.describe_tasks, {'tasks': [ID]}), (ecs.list_tasks, {}),
            (ecs.deregister_container_instance, {'containerInstance': self.instance}), (ecs.put_attributes, {'attributes': [{'name': 'a'}]}),
            (ecs.tag_resource, {'resourceArn': ARN + 'cluster/default', 'tags': []}), (ecs.put_account_setting, {'name': 'x', 'value': 'y'}),
            (logs.delete_log_group, {'logGroupName': '/there'}), (logs.filter_log_events, {'logGroupName': '/there'})]] + [
            ('AccessDenied', iam.create_access_key, {'UserName': 'admin'})])

    def test_clusters(self):
        e = self.ecs
        e.create_cluster(clusterName='gone')
        e.delete_cluster(cluster='gone')
        self.check([
            ('InvalidParameterException', e.create_cluster, {'clusterName': 'bad name!'}),
            ('InvalidParameterException', e.create_cluster, {'clusterName': 'x' * 256}),
            ('InvalidParameterException', e.create_cluster, {'clusterName': 'tags', 'tags': [{'key': 'aws:x', 'value': 'y'}]}),
            ('InvalidParameterException', e.create_cluster, {'clusterName': 'setting', 'settings': [{'name': 'containerInsights', 'value': 'perhaps'}]}),
            ('ClusterNotFoundException', e.delete_cluster, {'cluster': 'never'}),
            ('ClusterContainsContainerInstancesException', e.delete_cluster, {'cluster': 'default'}),
            ('ClusterNotFoundException', e.update_cluster, {'cluster': 'never'}),
            ('ClusterNotFoundException', e.update_cluster_settings, {'cluster': 'never', 'settings': [{'name': 'containerInsights', 'value': 'enabled'}]}),
            ('InvalidParameterException', e.update_cluster_settings, {'cluster': 'default', 'settings': [{'name': 'nothing', 'value': 'enabled'}]}),
            ('ClusterNotFoundException', e.put_cluster_capacity_providers, {'cluster': 'never', 'capacityProviders': [], 'defaultCapacityProviderStrategy': []}),
            ('InvalidParameterException', e.put_cluster_capacity_providers, {'cluster': 'default', 'capacityProviders': ['nobody'], 'defaultCapacityProviderStrategy': []}),
            ('InvalidParameterException', e.list_clusters, {'maxResults': 101}),
            ('InvalidParameterException', e.list_clusters, {'nextToken': 'not one of ours'}),
            ('NamespaceNotFoundException', e.create_cluster, {'clusterName': 'n', 'serviceConnectDefaults': {'namespace': ARN + 'namespace/ns-1'}}),
            ('NamespaceNotFoundException', e.update_cluster, {'cluster': 'default', 'serviceConnectDefaults': {'namespace': ARN + 'namespace/ns-1'}}),
            ('InvalidParameterException', e.delete_cluster, {'cluster': 'bad name!'}),
            ('InvalidParameterException', e.describe_clusters, {'clusters': ['x'] * 101}),
            ('InvalidParameterException', e.update_cluster, {'cluster': 'default', 'settings': [{'name': 'containerInsights', 'value': 'perhaps'}]}),
            ('InvalidParameterException', e.describe_capacity_providers, {'maxResults': 11}),
        ])

    def test_task_definitions(self):
        e, c = self.ecs, self.container

        def refused(code='ClientException', containers=None, **more):
            return (code, e.register_task_definition, {'family': 'bad', 'containerDefinitions': [c()] if containers is None else containers, **more})
        self.check([
            refused(family='bad family!'),
            refused(containers=[]),
            refused(containers=[c(name='bad name!')]),
            refused(containers=[c(), c()]),
            refused(containers=[c(essential=False)]),
            refused(containers=[{'name': 'c', 'image': 'x'}]),
            refused(containers=[{'name': 'c', 'memory': 16}]),
            refused(containers=[c(memory=1)]),
            refused(containers=[c(memory=16, memoryReservation=32)]),
            refused(containers=[c(name=f'c{i}') for i in range(11)]),
            refused(containers=[c(dependsOn=[{'containerName': 'nobody', 'condition': 'START'}])]),
            refused(containers=[c(dependsOn=[{'containerName': 'd', 'condition': 'START'}]), c(name='d', dependsOn=[{'containerName': 'c', 'condition': 'START'}])]),
            refused(containers=[c(dependsOn=[{'containerName': 'd', 'condition': 'HEALTHY'}]), c(name='d')]),
            refused(containers=[c(dependsOn=[{'containerName': 'd', 'condition': 'COMPLETE'}]), c(name='d')]),
            refused(containers=[c(mountPoints=[{'sourceVolume': 'none', 'containerPath': '/x'}])]),
            refused(containers=[c(healthCheck={'command': ['CMD', 'true'], 'interval': 1})]),
            refused(containers=[c(healthCheck={'command': []})]),
            refused(containers=[c(links=['nobody'])]),
            refused(networkMode='host', containers=[c(portMappings=[{'containerPort': 80, 'hostPort': 81}])]),
            refused(requiresCompatibilities=['FARGATE'], networkMode='awsvpc', cpu='256', memory='64'),
            refused(cpu='banana'),
            refused('InvalidParameterException', containers=[c(portMappings=[{'containerPort': 70000}])]),
            refused('InvalidParameterException', networkMode='token-ring'),
            refused('InvalidParameterException', placementConstraints=[{'type': 'memberOf', 'expression': 'attribute:x =='}]),
            ('ClientException', e.describe_task_definition, {'taskDefinition': 'nothing'}),
            ('ClientException', e.deregister_task_definition, {'taskDefinition': 'nothing:1'}),
            ('InvalidParameterException', e.list_task_definitions, {'status': 'SLEEPING'}),
        ])
        self.check([
            ('InvalidParameterException', e.describe_task_definition, {}),
            ('InvalidParameterException', e.deregister_task_definition, {'taskDefinition': 'good'}),
            ('InvalidParameterException', e.list_task_definition_families, {'status': 'SLEEPING'}),
        ])
        self.assertEqual('ClusterNotFoundException', self.refusal('DescribeCapacityProviders', {'cluster': 'never'}))
        self.assertEqual('InvalidParameterException', self.refusal('DeleteTaskDefinitions', {'taskDefinitions': []}))
        answer = self.lab.call('DeleteTaskDefinitions', {'taskDefinitions': ['good:1']})
        self.assertEqual(1, len(answer['failures']))

    def test_tasks(self):
        e = self.ecs
        self.check([
            ('ClusterNotFoundException', e.run_task, {'cluster': 'never', 'taskDefinition': 'good'}),
            ('ClientException', e.run_task, {'taskDefinition': 'nothing'}),
            ('InvalidParameterException', e.run_task, {'taskDefinition': 'good', 'count': 11}),
            ('InvalidParameterException', e.run_task, {'taskDefinition': 'good', 'startedBy': 'x' * 129}),
            ('InvalidParameterException', e.run_task, {'taskDefinition': 'good', 'placementConstraints': [{'type': 'memberOf', 'expression': 'attribute:'}]}),
            ('InvalidParameterException', e.run_task, {'taskDefinition': 'good', 'placementStrategy': [{'type': 'binpack', 'field': 'moonlight'}]}),
            ('InvalidParameterException', e.run_task, {'taskDefinition': 'good', 'overrides': {'containerOverrides': [{'name': 'nobody'}]}}),
            ('ClusterNotFoundException', e.start_task, {'cluster': 'never', 'taskDefinition': 'good', 'containerInstances': [ID]}),
            ('InvalidParameterException', e.start_task, {'taskDefinition': 'good', 'containerInstances': [ID] * 11}),
            ('ClusterNotFoundException', e.stop_task, {'cluster': 'never', 'task': ID}),
            ('InvalidParameterException', e.stop_task, {'task': ID}),
            ('ClusterNotFoundException', e.describe_tasks, {'cluster': 'never', 'tasks': [ID]}),
            ('InvalidParameterException', e.describe_tasks, {'tasks': [ID] * 101}),
            ('InvalidParameterException', e.describe_tasks, {}),
            ('ClusterNotFoundException', e.list_tasks, {'cluster': 'never'}),
            ('InvalidParameterException', e.list_tasks, {'desiredStatus': 'SLEEPING'}),
            ('PlatformUnknownException', e.run_task, {'taskDefinition': 'good', 'launchType': 'FARGATE', 'platformVersion': '9.9.9'}),
            ('UnsupportedFeatureException', e.run_task, {'taskDefinition': 'good', 'overrides': {'inferenceAcceleratorOverrides': [{'deviceName': 'a'}]}}),
            ('UnsupportedFeatureException', e.start_task, {'taskDefinition': 'good', 'containerInstances': [self.instance],
                                                           'overrides': {'inferenceAcceleratorOverrides': [{'deviceName': 'a'}]}}),
            ('ServiceNotFoundException', e.list_tasks, {'serviceName': 'never'}),
            ('ClientException', e.start_task, {'taskDefinition': 'nothing', 'containerInstances': [self.instance]}),
        ])
        self.assertEqual('MISSING', e.describe_tasks(tasks=[ID])['failures'][0]['reason'])
        self.assertEqual('RESOURCE:MEMORY', self.failure(containerDefinitions=[self.container(memory=10_000_000)]))
        self.assertEqual('RESOURCE:CPU', self.failure(containerDefinitions=[self.container(cpu=100_000)]))
        self.assertEqual('MemberOf placement constraint unsatisfied.', self.failure(
            containerDefinitions=[self.container()], placementConstraints=[{'type': 'memberOf', 'expression': 'attribute:color == blue'}]))

    def failure(self, **definition):
        self.ecs.register_task_definition(family='misfit', **definition)
        answer = self.ecs.run_task(taskDefinition='misfit')
        self.assertEqual([], answer['tasks'])
        return answer['failures'][0]['reason']

    def test_client_tokens(self):
        first = self.lab.call('RunTask', {'taskDefinition': 'good', 'clientToken': 'once'})
        again = self.lab.call('RunTask', {'taskDefinition': 'good', 'clientToken': 'once'})
        self.assertEqual(first['tasks'][0]['taskArn'], again['tasks'][0]['taskArn'])
        self.assertEqual('ConflictException', self.refusal('RunTask', {'taskDefinition': 'good', 'clientToken': 'once', 'count': 2}))

    def test_instances(self):
        e = self.ecs
        self.check([
            ('ClusterNotFoundException', e.list_container_instances, {'cluster': 'never'}),
            ('InvalidParameterException', e.list_container_instances, {'filter': 'attribute:x =~'}),
            ('InvalidParameterException', e.describe_container_instances, {}),
            ('ClusterNotFoundException', e.describe_container_instances, {'cluster': 'never', 'containerInstances': [ID]}),
            ('InvalidParameterException', e.update_container_instances_state, {'containerInstances': [self.instance], 'status': 'ASLEEP'}),
            ('InvalidParameterException', e.deregister_container_instance, {'containerInstance': ID}),
            # ClientException and this text are what the agent waits for before it makes the cluster itself.
            ('ClientException', e.register_container_instance, {'cluster': 'never'}),
            ('ClusterNotFoundException', e.submit_task_state_change, {'cluster': 'never', 'task': ID, 'status': 'RUNNING'}),
            ('InvalidParameterException', e.register_container_instance, {'totalResources': [{'name': 'CPU', 'type': 'INTEGER', 'integerValue': -5}]}),
            ('ClientException', e.register_container_instance, {'containerInstanceArn': 'nothing'}),
            ('ClusterNotFoundException', e.deregister_container_instance, {'cluster': 'never', 'containerInstance': ID}),
            ('ClusterNotFoundException', e.update_container_instances_state, {'cluster': 'never', 'containerInstances': [ID], 'status': 'DRAINING'}),
            ('ClusterNotFoundException', e.update_container_agent, {'cluster': 'never', 'containerInstance': ID}),
            ('InvalidParameterException', e.update_container_agent, {'containerInstance': ID}),
            ('InvalidParameterException', e.submit_task_state_change, {'task': ID, 'status': 'SLEEPING'}),
            ('ClusterNotFoundException', e.submit_container_state_change, {'cluster': 'never', 'task': ID}),
            ('InvalidParameterException', e.submit_container_state_change, {'task': ID}),
            ('ClusterNotFoundException', e.submit_attachment_state_changes, {'cluster': 'never', 'attachments': [{'attachmentArn': 'x', 'status': 'y'}]}),
            ('InvalidParameterException', e.submit_attachment_state_changes, {}),
            ('NoUpdateAvailableException', e.update_container_agent, {'containerInstance': self.instance}),
        ])
        self.assertEqual('MISSING', e.describe_container_instances(containerInstances=[ID])['failures'][0]['reason'])

    def test_attributes_and_tags(self):
        e = self.ecs
        arn = e.describe_clusters(clusters=['default'])['clusters'][0]['clusterArn']
        self.check([
            ('TargetNotFoundException', e.put_attributes, {'attributes': [{'name': 'a', 'value': 'b', 'targetType': 'container-instance', 'targetId': ID}]}),
            ('InvalidParameterException', e.put_attributes, {'attributes': [{'name': 'bad name!', 'targetType': 'container-instance', 'targetId': self.instance}]}),
            ('AttributeLimitExceededException', e.put_attributes, {'attributes': [
                {'name': f'a{i}', 'targetType': 'container-instance', 'targetId': self.instance} for i in range(11)]}),
            ('TargetNotFoundException', e.delete_attributes, {'attributes': [{'name': 'a', 'targetType': 'container-instance', 'targetId': ID}]}),
            ('InvalidParameterException', e.list_attributes, {'targetType': 'balloon'}),
            ('InvalidParameterException', e.tag_resource, {'resourceArn': 'nothing', 'tags': [{'key': 'a', 'value': 'b'}]}),
            ('InvalidParameterException', e.tag_resource, {'resourceArn': arn, 'tags': [{'key': 'aws:a', 'value': 'b'}]}),
            ('InvalidParameterException', e.tag_resource, {'resourceArn': arn, 'tags': [{'key': 'k' * 129, 'value': 'b'}]}),
            ('InvalidParameterException', e.tag_resource, {'resourceArn': arn, 'tags': [{'key': f'k{i}', 'value': 'b'} for i in range(51)]}),
            ('ClusterNotFoundException', e.list_tags_for_resource, {'resourceArn': arn.replace('/default', '/never')}),
            ('InvalidParameterException', e.put_account_setting, {'name': 'moonlight', 'value': 'enabled'}),
            ('InvalidParameterException', e.put_account_setting, {'name': 'containerInsights', 'value': 'perhaps'}),
            ('InvalidParameterException', e.list_account_settings, {'maxResults': 11}),
            ('InvalidParameterException', e.delete_account_setting, {'name': 'moonlight'}),
            ('InvalidParameterException', e.put_account_setting_default, {'name': 'moonlight', 'value': 'enabled'}),
            ('ClusterNotFoundException', e.put_attributes, {'cluster': 'never', 'attributes': [{'name': 'a', 'targetId': ID}]}),
            ('ClusterNotFoundException', e.delete_attributes, {'cluster': 'never', 'attributes': [{'name': 'a', 'targetId': ID}]}),
            ('ClusterNotFoundException', e.list_attributes, {'cluster': 'never', 'targetType': 'container-instance'}),
            ('InvalidParameterException', e.delete_attributes, {'attributes': []}),
            ('InvalidParameterException', e.list_tags_for_resource, {'resourceArn': 'nothing'}),
            ('InvalidParameterException', e.untag_resource, {'resourceArn': 'nothing', 'tagKeys': ['a']}),
            ('ClusterNotFoundException', e.tag_resource, {'resourceArn': ARN + 'cluster/never', 'tags': [{'key': 'a', 'value': 'b'}]}),
            ('ClusterNotFoundException', e.untag_resource, {'resourceArn': ARN + 'cluster/never', 'tagKeys': ['a']}),
            ('ResourceNotFoundException', e.tag_resource, {'resourceArn': ARN + 'task/default/' + ID, 'tags': [{'key': 'a', 'value': 'b'}]}),
            ('ResourceNotFoundException', e.untag_resource, {'resourceArn': ARN + 'task/default/' + ID, 'tagKeys': ['a']}),
        ])
        for start in (0, 25):
            e.tag_resource(resourceArn=arn, tags=[{'key': f'k{i}', 'value': ''} for i in range(start, start + 25)])
        self.check([('LimitExceededException', e.tag_resource, {'resourceArn': arn, 'tags': [{'key': 'one more', 'value': 'b'}]})])
        e.untag_resource(resourceArn=arn, tagKeys=[f'k{i}' for i in range(50)])

    def test_logs(self):
        logs = self.logs
        logs.create_log_group(logGroupName='/there')
        logs.create_log_stream(logGroupName='/there', logStreamName='s')
        self.check([
            ('ResourceAlreadyExistsException', logs.create_log_group, {'logGroupName': '/there'}),
            ('InvalidParameterException', logs.create_log_group, {'logGroupName': 'bad name!'}),
            ('ResourceNotFoundException', logs.delete_log_group, {'logGroupName': '/never'}),
            ('ResourceAlreadyExistsException', logs.create_log_stream, {'logGroupName': '/there', 'logStreamName': 's'}),
            ('InvalidParameterException', logs.create_log_stream, {'logGroupName': '/there', 'logStreamName': 'a:b'}),
            ('ResourceNotFoundException', logs.create_log_stream, {'logGroupName': '/never', 'logStreamName': 's'}),
            ('ResourceNotFoundException', logs.delete_log_stream, {'logGroupName': '/there', 'logStreamName': 'never'}),
            ('ResourceNotFoundException', logs.describe_log_streams, {'logGroupName': '/never'}),
            ('ResourceNotFoundException', logs.put_log_events, {'logGroupName': '/there', 'logStreamName': 'never', 'logEvents': [{'timestamp': 1, 'message': 'x'}]}),
            ('InvalidParameterException', logs.put_log_events, {'logGroupName': '/there', 'logStreamName': 's', 'logEvents': []}),
            ('ResourceNotFoundException', logs.get_log_events, {'logGroupName': '/there', 'logStreamName': 'never'}),
            ('InvalidParameterException', logs.get_log_events, {'logGroupName': '/there', 'logStreamName': 's', 'nextToken': 'made up'}),
            ('ResourceNotFoundException', logs.filter_log_events, {'logGroupName': '/never'}),
            ('InvalidParameterException', logs.filter_log_events, {'logGroupName': '/there', 'filterPattern': '{ $.a = '}),
            ('InvalidParameterException', logs.put_retention_policy, {'logGroupName': '/there', 'retentionInDays': 2}),
            ('ResourceNotFoundException', logs.put_retention_policy, {'logGroupName': '/never', 'retentionInDays': 1}),
            ('ResourceNotFoundException', logs.delete_retention_policy, {'logGroupName': '/never'}),
            ('InvalidParameterException', logs.delete_retention_policy, {}),
            ('InvalidParameterException', logs.delete_log_group, {}),
            ('InvalidParameterException', logs.delete_log_stream, {'logGroupName': '/there'}),
            ('InvalidParameterException', logs.describe_log_groups, {'limit': 51}),
            ('InvalidParameterException', logs.describe_log_streams, {'logGroupName': '/there', 'orderBy': 'Beauty'}),
            ('InvalidParameterException', logs.list_tags_for_resource, {'resourceArn': 'nothing'}),
            ('ResourceNotFoundException', logs.list_tags_for_resource, {'resourceArn': GROUP + '/never'}),
            ('ResourceNotFoundException', logs.list_tags_log_group, {'logGroupName': '/never'}),
            ('InvalidParameterException', logs.tag_log_group, {'logGroupName': '/there', 'tags': {'aws:a': 'b'}}),
            ('ResourceNotFoundException', logs.tag_log_group, {'logGroupName': '/never', 'tags': {'a': 'b'}}),
            ('InvalidParameterException', logs.tag_resource, {'resourceArn': 'nothing', 'tags': {'a': 'b'}}),
            ('ResourceNotFoundException', logs.tag_resource, {'resourceArn': GROUP + '/never', 'tags': {'a': 'b'}}),
            ('ResourceNotFoundException', logs.untag_log_group, {'logGroupName': '/never', 'tags': ['a']}),
            ('InvalidParameterException', logs.untag_resource, {'resourceArn': 'nothing', 'tagKeys': ['a']}),
            ('ResourceNotFoundException', logs.untag_resource, {'resourceArn': GROUP + '/never', 'tagKeys': ['a']}),
        ])
        logs.tag_resource(resourceArn=GROUP + '/there', tags={f'k{i}': 'v' for i in range(50)})
        self.check([('TooManyTagsException', logs.tag_resource, {'resourceArn': GROUP + '/there', 'tags': {'one more': 'v'}})])
        # Newer than Debian's boto3.
        service = 'logs', 'Logs_20140328.'
        protect = {'logGroupIdentifier': '/there', 'deletionProtectionEnabled': True}
        for code, more in (('ResourceNotFoundException', {'logGroupIdentifier': '/never'}), ('InvalidParameterException', {'logGroupIdentifier': ''})):
            self.assertEqual(code, self.refusal('PutLogGroupDeletionProtection', {**protect, **more}, *service))
        self.lab.call('PutLogGroupDeletionProtection', protect, *service)
        self.check([('ValidationException', logs.delete_log_group, {'logGroupName': '/there'}),
                    ('ValidationException', logs.delete_log_stream, {'logGroupName': '/there', 'logStreamName': 's'})])

    def test_access_keys_and_sessions(self):
        iam, sts = self.raw['iam'], self.raw['sts']
        role = {'RoleArn': 'arn:aws:iam::123456789012:role/r', 'RoleSessionName': 'session'}
        self.check([
            ('NoSuchEntity', iam.delete_access_key, {'AccessKeyId': 'AKIANEVERNEVERNEVER0'}),
            ('DeleteConflict', iam.delete_access_key, {'AccessKeyId': self.lab.variables['AWS_ACCESS_KEY_ID']}),
            ('NoSuchEntity', iam.get_user, {'UserName': 'never'}),
            ('ValidationError', iam.create_access_key, {'UserName': 'bad name!'}),
            ('ValidationError', sts.get_session_token, {'DurationSeconds': 1}),
            ('ValidationError', sts.assume_role, {**role, 'DurationSeconds': 1}),
            ('ValidationError', sts.assume_role, {**role, 'RoleArn': 'arn:aws:iam::123456789012:user/r'}),
            ('MalformedPolicyDocument', sts.assume_role, {**role, 'Policy': '{'}),
        ])

    def refuse(self, table):
        """For calls that Debian's boto3 does not know."""
        for code, operation, body in table:
            with self.subTest(code=code, operation=operation, body=str(body)[:160]):
                self.assertEqual(code, self.refusal(operation, body))

    def service(self, name, **more):
        """A service that runs nothing, until the end of the test."""
        answer = self.ecs.create_service(serviceName=name, desiredCount=0, **more)['service']
        self.addCleanup(self.ecs.delete_service, service=name, force=True)
        return answer

    def test_services(self):
        e, wrong, away, gone = self.ecs, 'InvalidParameterException', {'cluster': 'never'}, 'ServiceNotFoundException'
        e.register_task_definition(family='far', requiresCompatibilities=['FARGATE'], networkMode='awsvpc', cpu='256', memory='512',
                                   ephemeralStorage={'sizeInGiB': 30}, containerDefinitions=[self.container()])
        new = {'serviceName': 's', 'taskDefinition': 'good', 'desiredCount': 1}
        fargate = {**new, 'taskDefinition': 'far', 'launchType': 'FARGATE'}
        elsewhere = {'enabled': True, 'namespace': f'{ARN}namespace/ns-1'.replace(':ecs:', ':servicediscovery:')}
        self.service('other', taskDefinition='good')
        e.create_service(serviceName='gone', taskDefinition='good', desiredCount=0)
        e.delete_service(service='gone')
        self.check([
            (wrong, e.create_service, {**new, 'serviceName': 'a b'}),
            (wrong, e.create_service, {**new, 'serviceName': 'other'}),
            ('ClientException', e.create_service, {**new, 'taskDefinition': 'none'}),
            ('ClusterNotFoundException', e.create_service, {**new, **away}),
            ('PlatformUnknownException', e.create_service, {**fargate, 'platformVersion': '9.9'}),
            ('PlatformTaskDefinitionIncompatibilityException', e.create_service, {**fargate, 'platformVersion': '1.3.0'}),
            ('UnsupportedFeatureException', e.create_service, {**new, 'deploymentController': {'type': 'CODE_DEPLOY'}}),
            ('NamespaceNotFoundException', e.create_service, {**new, 'serviceConnectConfiguration': elsewhere}),
            (wrong, e.update_service, {'service': 'other', 'desiredCount': -1}),
            (gone, e.update_service, {'service': 'none'}),
            ('ServiceNotActiveException', e.update_service, {'service': 'gone'}),
            ('ClusterNotFoundException', e.update_service, {'service': 'other', **away}),
            ('UnsupportedFeatureException', e.update_service, {'service': 'other', 'enableExecuteCommand': True}),
            ('NamespaceNotFoundException', e.update_service, {'service': 'other', 'serviceConnectConfiguration': elsewhere}),
            (gone, e.delete_service, {'service': 'none'}), ('ClusterNotFoundException', e.delete_service, {'service': 'other', **away}),
            (wrong, e.delete_service, {'service': 'a b'}),
            (wrong, e.describe_services, {'services': []}), ('ClusterNotFoundException', e.describe_services, {'services': ['s'], **away}),
            (wrong, e.list_services, {'maxResults': 101}), ('ClusterNotFoundException', e.list_services, away),
            (gone, e.list_tasks, {'serviceName': 'none'}),
        ])
        deployment, revision = f'{ARN}service-deployment/default/other/none', f'{ARN}service-revision/default/other/1'
        first = self.lab.call('ListServiceDeployments', {'service': 'other'})['serviceDeployments'][0]['serviceDeploymentArn']
        self.refuse([
            ('NamespaceNotFoundException', 'ListServicesByNamespace', {'namespace': 'none'}),
            (wrong, 'ListServicesByNamespace', {'namespace': 'none', 'maxResults': 0}),
            (wrong, 'ListServiceDeployments', {'service': 'other', 'maxResults': 101}),
            (gone, 'ListServiceDeployments', {'service': 'none'}), ('ClusterNotFoundException', 'ListServiceDeployments', {'service': 'other', **away}),
            (wrong, 'DescribeServiceDeployments', {'serviceDeploymentArns': []}), (wrong, 'DescribeServiceRevisions', {'serviceRevisionArns': [deployment]}),
            (wrong, 'StopServiceDeployment', {'serviceDeploymentArn': revision}),
            ('ServiceDeploymentNotFoundException', 'StopServiceDeployment', {'serviceDeploymentArn': deployment}),
            (wrong, 'ContinueServiceDeployment', {'serviceDeploymentArn': first, 'hookId': 'h'}),
            ('ServiceDeploymentNotFoundException', 'ContinueServiceDeployment', {'serviceDeploymentArn': deployment, 'hookId': 'h'}),
        ])
        self.refusal('StopServiceDeployment', {'serviceDeploymentArn': first})  # or it is over already
        self.refuse([('ConflictException', 'StopServiceDeployment', {'serviceDeploymentArn': first})])
        e.create_cluster(clusterName='full')
        self.addCleanup(e.delete_cluster, cluster='full')
        e.create_service(cluster='full', **{**new, 'desiredCount': 0})
        self.check([('ClusterContainsServicesException', e.delete_cluster, {'cluster': 'full'})])
        e.delete_service(cluster='full', service='s')
        e.get_waiter('services_inactive').wait(cluster='full', services=['s'], WaiterConfig={'Delay': 1, 'MaxAttempts': 20})

    def test_task_sets(self):
        e, wrong, gone, lost = self.ecs, 'InvalidParameterException', 'ServiceNotFoundException', 'TaskSetNotFoundException'
        self.service('ext', deploymentController={'type': 'EXTERNAL'})
        self.service('own', taskDefinition='good')
        e.create_service(serviceName='old', deploymentController={'type': 'EXTERNAL'}, desiredCount=0)
        e.delete_service(service='old')
        of, scale = {'cluster': 'default', 'service': 'ext'}, {'value': 1, 'unit': 'PERCENT'}
        self.refuse([('UnsupportedFeatureException', 'ListServiceDeployments', {'service': 'ext'})])
        calls = [(e.create_task_set, {'taskDefinition': 'good'}), (e.describe_task_sets, {}), (e.update_task_set, {'taskSet': '1', 'scale': scale}),
                 (e.update_service_primary_task_set, {'primaryTaskSet': '1'}), (e.delete_task_set, {'taskSet': '1'})]
        for call, more in calls:
            self.check([(wrong, call, {**of, 'service': 'own', **more}), (gone, call, {**of, 'service': 'none', **more}),
                        ('ServiceNotActiveException', call, {**of, 'service': 'old', **more}),
                        ('ClusterNotFoundException', call, {**of, 'cluster': 'never', **more})])
        self.check([(lost, call, {**of, **more}) for call, more in calls[2:]] + [
            ('ClientException', e.create_task_set, {**of, 'taskDefinition': 'none'}),
            ('PlatformUnknownException', e.create_task_set, {**of, 'taskDefinition': 'good', 'launchType': 'FARGATE', 'platformVersion': '9.9'}),
            (wrong, e.create_task_set, {**of, 'taskDefinition': 'good', 'capacityProviderStrategy': [{'capacityProvider': 'FARGATE'}]}),
            ('UnsupportedFeatureException', e.create_task_set, {**of, 'taskDefinition': 'good', 'loadBalancers': [{'loadBalancerName': 'classic'}]}),
        ])

    def test_protection_and_capacity_providers(self):
        e, wrong, group = self.ecs, 'InvalidParameterException', {'autoScalingGroupArn': 'group'}
        self.lab.ec2.create_launch_template(LaunchTemplateName='small', LaunchTemplateData={'InstanceType': 't3.small'})
        self.lab.autoscaling.create_auto_scaling_group(AutoScalingGroupName='group', MinSize=0, MaxSize=1, AvailabilityZones=['us-east-1a'],
                                                       LaunchTemplate={'LaunchTemplateName': 'small'})
        e.create_capacity_provider(name='pool', autoScalingGroupProvider=group)
        self.addCleanup(e.delete_capacity_provider, capacityProvider='pool')
        managed = {'infrastructureRoleArn': 'r', 'instanceLaunchTemplate': {'ec2InstanceProfileArn': 'p', 'networkConfiguration': {}}}
        self.check([
            (wrong, e.get_task_protection, {'cluster': 'default'}), ('ClusterNotFoundException', e.get_task_protection, {'cluster': 'never', 'tasks': [ID]}),
            (wrong, e.update_task_protection, {'cluster': 'default', 'tasks': [ID], 'protectionEnabled': True, 'expiresInMinutes': 0}),
            ('ClusterNotFoundException', e.update_task_protection, {'cluster': 'never', 'tasks': [ID], 'protectionEnabled': True}),
            (wrong, e.create_capacity_provider, {'name': 'fargate-2', 'autoScalingGroupProvider': group}),
            ('ClientException', e.create_capacity_provider, {'name': 'pool', 'autoScalingGroupProvider': group}),
            (wrong, e.update_capacity_provider, {'name': 'pool'}),
            ('ClientException', e.update_capacity_provider, {'name': 'none', 'autoScalingGroupProvider': {}}),
            ('ClientException', e.delete_capacity_provider, {'capacityProvider': 'none'}),
            (wrong, e.run_task, {'taskDefinition': 'good', 'capacityProviderStrategy': [{'capacityProvider': 'FARGATE'}]}),
        ])
        self.refuse([
            ('UnsupportedFeatureException', 'CreateCapacityProvider', {'name': 'managed', 'managedInstancesProvider': managed}),
            ('UnsupportedFeatureException', 'UpdateCapacityProvider', {'name': 'pool', 'managedInstancesProvider': managed}),
            (wrong, 'DeleteCapacityProvider', {'capacityProvider': 'pool', 'cluster': 'default'}),
        ])

    def test_what_is_not_there(self):
        self.assertEqual('123456789012', self.raw['sts'].get_caller_identity()['Account'])
        missing = [operation for _, operation, *words in operations() if words == ['not', 'built', 'yet']]
        for operation in missing[:1]:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.lab.call(operation, {})
            self.assertIn(operation, caught.exception.read().decode())

    @classmethod
    def tearDownClass(cls):
        """Only a full run says something about what is missing."""
        if cls.ran >= set(unittest.TestLoader().getTestCaseNames(cls)):
            provoked = {(operation, code) for _, operation, code in cls.provoked}
            missing = sorted((o, c) for o, c in documented() if not {(o, c), (o, c.removesuffix('Exception'))} & provoked)
            if missing:
                raise AssertionError(f'documented and not provoked: {missing}')
        super().tearDownClass()


def operations():
    """What `gantry operations` lists, as words."""
    return [line.split() for line in subprocess.run([GANTRY, 'operations'], check=True, capture_output=True, text=True).stdout.splitlines()]


def documented():
    """(operation, code) of every error in the IDL that an operation which is built can answer, without UNPROVOKED."""
    built = {(service, operation) for service, operation, *words in operations() if words == ['built']}
    pairs = set()
    for service in ('ecs', 'logs', 'sts', 'iam'):
        with open(os.path.join(ROOT, 'api', service + '.idl')) as f:
            for operation, errors in re.findall(r'^operation (\w+).*\n(?:  (?!errors).*\n)*?  errors (.*)', f.read(), re.M):
                if (service, operation) in built:
                    pairs |= {(operation, code) for code in errors.split()}
    return {(o, c) for o, c in pairs if (o, c) not in UNPROVOKED and ('*', c) not in UNPROVOKED and not re.search(ELSEWHERE, o + c)}


if __name__ == '__main__':
    unittest.main()
