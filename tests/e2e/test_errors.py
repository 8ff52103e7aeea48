# SPDX-License-Identifier: Apache-2.0
"""Every documented error of the operations that are built, provoked once with boto3, its code compared."""
import json
import unittest
import urllib.error

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lab import LabTest, error_code

NO = {'parameter_validation': False}
ID = '0123456789abcdef0123456789abcdef'


class Errors(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        v = cls.lab.variables
        # The client's own checks are off: the server's are what is tested.
        cls.raw = {name: cls.lab.clients.session.client(name, endpoint_url=v['AWS_ENDPOINT_URL'],
                                                        config=Config(retries={'max_attempts': 0}, **NO)) for name in ('ecs', 'logs', 'sts', 'iam')}
        cls.ecs = cls.raw['ecs']
        cls.logs = cls.raw['logs']
        cls.ecs.register_task_definition(family='good', containerDefinitions=[cls.container()])
        cls.instance = cls.ecs.list_container_instances()['containerInstanceArns'][0]

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

    def refusal(self, operation, body):
        """Code of the error for a call that Debian's boto3 cannot make."""
        try:
            self.lab.call(operation, body)
        except urllib.error.HTTPError as e:
            return json.loads(e.read())['__type'].rsplit('#', 1)[-1]
        return None

    def test_signatures(self):
        def client(key=None, secret=None, token=None, region='us-east-1'):
            v = self.lab.variables
            return boto3.client('ecs', endpoint_url=v['AWS_ENDPOINT_URL'], region_name=region, config=Config(retries={'max_attempts': 0}),
                                aws_access_key_id=key or v['AWS_ACCESS_KEY_ID'], aws_secret_access_key=secret or v['AWS_SECRET_ACCESS_KEY'],
                                aws_session_token=token)
        self.assertEqual('UnrecognizedClientException', error_code(client(key='AKIANOSUCHKEY0000000').list_clusters))
        self.assertEqual('InvalidSignatureException', error_code(client(secret='wrong').list_clusters))
        self.assertIn(error_code(client(token='made-up').list_clusters), ('UnrecognizedClientException', 'InvalidSignatureException'))
        agent = self.raw['iam'].create_access_key(UserName='agent')['AccessKey']
        self.assertEqual('AccessDeniedException', error_code(client(agent['AccessKeyId'], agent['SecretAccessKey']).list_clusters))
        self.raw['iam'].delete_access_key(AccessKeyId=agent['AccessKeyId'])
        self.assertEqual('UnrecognizedClientException', error_code(client(agent['AccessKeyId'], agent['SecretAccessKey']).list_clusters))

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
        ])
        self.assertIn(error_code(e.update_container_agent, containerInstance=self.instance), ('NoUpdateAvailableException', 'MissingVersionException'))
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
        ])

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
        ])

    def test_what_is_not_there(self):
        self.assertEqual('123456789012', self.raw['sts'].get_caller_identity()['Account'])
        try:
            self.ecs.create_service(serviceName='s', taskDefinition='good', desiredCount=1)
            self.fail('services are not built yet')
        except ClientError as e:
            self.assertIn('CreateService', e.response['Error']['Message'])


if __name__ == '__main__':
    unittest.main()
