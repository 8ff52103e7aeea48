# SPDX-License-Identifier: Apache-2.0
"""Scaling as its users meet it: alarms, target tracking under load, schedules, deployments that an alarm rolls back; the AWS CLI and Terraform."""
import datetime
import json
import os
import threading
import time
import unittest

import terraform
from farm import Load
from lab import PATIENCE, LabTest, get, wait_for
from test_balancer import BalancerTest

# A page that costs some milliseconds of a processor.
BUSY = ('mkdir -p /www/cgi-bin; printf "%s\\n" "#!/bin/sh" "echo Content-Type: text/plain; echo Content-Length: 5; echo Connection: close; echo" "i=0; while [ \\$i -lt 4000 ]; do i=\\$((i+1)); done" '
        '"echo done" > /www/cgi-bin/busy; chmod +x /www/cgi-bin/busy; ')
PAGE = 'mkdir -p /www; echo hello > /www/index.html; trap "exit 0" TERM; httpd -f -p 80 -h /www & wait'
SLEEP = 'trap "exit 0" TERM; sleep 600 & wait'


class Scaled:
    """What tests of one service "web" share; for a LabTest."""
    ID = ('--service-namespace', 'ecs', '--scalable-dimension', 'ecs:service:DesiredCount', '--resource-id', 'service/default/web')

    def target(self, low, high, *more):
        self.lab.aws('application-autoscaling', 'register-scalable-target', *self.ID, '--min-capacity', str(low), '--max-capacity', str(high), *more)
        self.addCleanup(self.lab.aws, 'application-autoscaling', 'deregister-scalable-target', *self.ID, check=False)

    def policy(self, name, **tracking):
        return self.lab.aws('application-autoscaling', 'put-scaling-policy', *self.ID, '--policy-name', name, '--policy-type', 'TargetTrackingScaling',
                            '--target-tracking-scaling-policy-configuration', json.dumps(tracking))

    def alarms(self, policy):
        names = [a['AlarmName'] for a in policy['Alarms']]
        found = self.lab.aws('cloudwatch', 'describe-alarms', '--alarm-names', *names)['MetricAlarms']
        return sorted(found, key=lambda a: names.index(a['AlarmName']))

    def activities(self):
        return self.lab.aws('application-autoscaling', 'describe-scaling-activities', '--service-namespace', 'ecs', '--resource-id',
                            'service/default/web', '--include-not-scaled-activities')['ScalingActivities']

    def service(self):
        return self.ecs.describe_services(services=['web'])['services'][0]

    def desired(self):
        return self.service()['desiredCount']

    def running(self):
        return self.service()['runningCount']

    def create(self, count, command=SLEEP, **more):
        self.register('web', {'name': 'web', 'memory': 16, 'command': ['sh', '-c', command], **more.pop('container', {})})
        self.lab.call('CreateService', {'serviceName': 'web', 'taskDefinition': 'web', 'desiredCount': count, **more})
        self.addCleanup(self.remove)
        wait_for(lambda: self.running() == count, 30, f'{count} tasks')

    def remove(self):
        self.ecs.delete_service(service='web', force=True)
        wait_for(lambda: self.service()['status'] == 'INACTIVE', 30, 'the service to be gone')

    def story(self):
        """For the message of an assertion."""
        return '\n'.join(f'{a["StartTime"]} {a["Description"]} {a["Cause"]} {a.get("NotScaledReasons", "")}' for a in self.activities())


class Alarms(Scaled, LabTest):
    def test_thresholds_and_composites(self):
        aws = self.lab.aws
        put = ('cloudwatch', 'put-metric-alarm', '--evaluation-periods', '2', '--threshold', '10', '--comparison-operator', 'GreaterThanThreshold',
               '--treat-missing-data', 'notBreaching', '--alarm-actions', 'arn:aws:sns:us-east-1:123456789012:people')
        aws(*put, '--alarm-name', 'deep', '--namespace', 'app', '--metric-name', 'queue', '--statistic', 'Average', '--period', '1',
            '--tags', 'Key=team,Value=a')
        aws(*put, '--alarm-name', 'deeper', '--metrics', json.dumps([
            {'Id': 'q', 'ReturnData': False, 'MetricStat': {'Metric': {'Namespace': 'app', 'MetricName': 'queue'}, 'Period': 1, 'Stat': 'Maximum'}},
            {'Id': 'half', 'Expression': 'q / 2'}]))
        aws('cloudwatch', 'put-composite-alarm', '--alarm-name', 'one', '--alarm-rule', 'ALARM(deep) AND NOT ALARM(deeper)')
        state = lambda name: aws('cloudwatch', 'describe-alarms', '--alarm-names', name, '--alarm-types', 'MetricAlarm', 'CompositeAlarm')

        def value(name):
            found = state(name)
            return (found['MetricAlarms'] + found['CompositeAlarms'])[0]['StateValue']
        stop = threading.Event()
        self.addCleanup(stop.set)
        depth = [15]

        def feed():
            while not stop.wait(0.4):
                self.lab.cloudwatch.put_metric_data(Namespace='app', MetricData=[{'MetricName': 'queue', 'Value': depth[0], 'StorageResolution': 1}])
        threading.Thread(target=feed, daemon=True).start()
        began = time.monotonic()
        wait_for(lambda: value('deep') == 'ALARM', 10, 'the alarm')
        self.assertLess(time.monotonic() - began, 6 * PATIENCE)
        wait_for(lambda: value('one') == 'ALARM', 5, 'the composite alarm')
        self.assertEqual('OK', value('deeper'))
        depth[0] = 40
        wait_for(lambda: value('deeper') == 'ALARM', 10, 'the other alarm')
        wait_for(lambda: value('one') == 'OK', 5, 'the composite alarm to be over')
        alarm = state('deep')['MetricAlarms'][0]
        self.assertIn('Threshold Crossed: 2 out of the last 2 datapoints [15.0 (', alarm['StateReason'])
        self.assertEqual(10, json.loads(alarm['StateReasonData'])['threshold'])
        stop.set()
        wait_for(lambda: value('deep') == 'OK', 10, 'what is missing not to count')
        items = aws('cloudwatch', 'describe-alarm-history', '--alarm-name', 'deep')['AlarmHistoryItems']
        self.assertEqual('Alarm "deep" created', items[-1]['HistorySummary'])
        self.assertIn('Failed to execute action arn:aws:sns:us-east-1:123456789012:people', [i['HistorySummary'] for i in items])
        self.assertEqual([{'Key': 'team', 'Value': 'a'}], aws('cloudwatch', 'list-tags-for-resource', '--resource-arn', alarm['AlarmArn'])['Tags'])
        for words, text in ((('--period', '61', '--statistic', 'Sum', '--namespace', 'a', '--metric-name', 'b'), 'multiple of 60, not 61'),
                            (('--period', '60', '--namespace', 'a', '--metric-name', 'b'), 'Exactly one of Statistic')):
            refused = aws(*put, '--alarm-name', 'bad', *words, check=False)
            self.assertIn('(ValidationError)', refused.stderr)
            self.assertIn(text, refused.stderr)
        aws('cloudwatch', 'delete-alarms', '--alarm-names', 'one')
        aws('cloudwatch', 'delete-alarms', '--alarm-names', 'deep', 'deeper')
        self.assertEqual([], aws('cloudwatch', 'describe-alarms')['MetricAlarms'])

    def test_deployment_goes_back(self):
        self.lab.aws('cloudwatch', 'put-metric-alarm', '--alarm-name', 'errors', '--namespace', 'app', '--metric-name', 'errors', '--statistic', 'Sum',
                     '--period', '1', '--evaluation-periods', '1', '--threshold', '0', '--comparison-operator', 'GreaterThanThreshold',
                     '--treat-missing-data', 'notBreaching')
        self.addCleanup(self.lab.aws, 'cloudwatch', 'delete-alarms', '--alarm-names', 'errors')
        self.create(2, deploymentConfiguration={'alarms': {'enable': True, 'rollback': True, 'alarmNames': ['errors']}, 'bakeTimeInMinutes': 0})
        good = self.service()['taskDefinition']
        wait_for(lambda: self.service()['deployments'][0]['rolloutState'] == 'COMPLETED', 30, 'the first deployment')
        bad = self.register('web', {'name': 'web', 'memory': 16, 'command': ['sh', '-c', SLEEP + ' # worse']})
        self.lab.call('UpdateService', {'service': 'web', 'taskDefinition': bad, 'deploymentConfiguration': {'bakeTimeInMinutes': 5}})
        wait_for(lambda: any(t['taskDefinitionArn'].endswith(bad) and t['lastStatus'] == 'RUNNING' for t in self.tasks()), 30, 'a new task')
        self.lab.cloudwatch.put_metric_data(Namespace='app', MetricData=[{'MetricName': 'errors', 'Value': 3}])
        began = time.monotonic()
        wait_for(lambda: self.service()['taskDefinition'] == good, 15, 'the way back')
        self.assertLess(time.monotonic() - began, 6 * PATIENCE)
        wait_for(lambda: [t['taskDefinitionArn'] for t in self.tasks()] == [good] * 2, 30, 'the old tasks')
        deployment = next(d for d in self.lab.call('ListServiceDeployments', {'service': 'web'})['serviceDeployments'] if d['status'].startswith('ROLLBACK'))
        told = self.lab.call('DescribeServiceDeployments', {'serviceDeploymentArns': [deployment['serviceDeploymentArn']]})['serviceDeployments'][0]
        self.assertEqual('TRIGGERED', told['alarms']['status'])
        self.assertEqual(['errors'], told['alarms']['triggeredAlarmNames'])
        self.assertTrue(any('deployment failed: alarm detected.' in e['message'] for e in self.service()['events']))

    def tasks(self):
        arns = self.ecs.list_tasks(serviceName='web')['taskArns']
        return self.ecs.describe_tasks(tasks=arns)['tasks'] if arns else []


class Policies(Scaled, LabTest):
    """Schedules, steps and suspension, without load."""

    def schedule(self, name, at, low, high):
        text = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime('at(%Y-%m-%dT%H:%M:%S)')
        self.lab.aws('application-autoscaling', 'put-scheduled-action', *self.ID, '--scheduled-action-name', name, '--schedule', text,
                     '--scalable-target-action', f'MinCapacity={low},MaxCapacity={high}')

    def limits(self):
        found = self.lab.aws('application-autoscaling', 'describe-scalable-targets', '--service-namespace', 'ecs')['ScalableTargets'][0]
        return found['MinCapacity'], found['MaxCapacity']

    def test_a_schedule_at_its_second(self):
        self.create(1)
        self.target(1, 4)
        at = int(time.time()) + 4
        self.schedule('up', at, 2, 3)
        self.assertEqual((1, 4), self.limits())
        wait_for(lambda: self.desired() == 2, 10, 'the schedule', interval=0.02)
        self.assertLess(abs(time.time() - at), 1.0 * PATIENCE)
        self.assertEqual((2, 3), self.limits())
        wait_for(lambda: self.running() == 2, 10, 'a second task')
        self.assertEqual({'minimum capacity was set to 2', 'scheduled action name up was triggered'}, {a['Cause'] for a in self.activities()})
        self.target(2, 3, '--suspended-state', 'ScheduledScalingSuspended=true')
        at = int(time.time()) + 3
        self.schedule('more', at, 3, 4)
        time.sleep(at + 1 - time.time())
        self.assertEqual((2, 3), self.limits())
        self.assertEqual([('scheduled action name more was triggered', 'ScalingSuspended')],
                         [(a['Cause'], r['Code']) for a in self.activities() for r in a.get('NotScaledReasons', [])])

    def test_steps_and_suspension(self):
        """An alarm that the test sets by hand moves a step scaling policy; suspended, it moves nothing and says so."""
        aws = self.lab.aws
        self.create(1)
        self.target(1, 3)
        made = aws('application-autoscaling', 'put-scaling-policy', *self.ID, '--policy-name', 'steps', '--policy-type', 'StepScaling',
                   '--step-scaling-policy-configuration',
                   'AdjustmentType=ChangeInCapacity,Cooldown=0,StepAdjustments=[{MetricIntervalLowerBound=0,ScalingAdjustment=1}]')
        aws('cloudwatch', 'put-metric-alarm', '--alarm-name', 'load', '--namespace', 'app', '--metric-name', 'load', '--statistic', 'Average',
            '--period', '60', '--evaluation-periods', '1', '--threshold', '10', '--comparison-operator', 'GreaterThanOrEqualToThreshold',
            '--treat-missing-data', 'ignore', '--alarm-actions', made['PolicyARN'])
        listed = aws('application-autoscaling', 'describe-scaling-policies', '--service-namespace', 'ecs')['ScalingPolicies']
        self.assertEqual(['load'], [a['AlarmName'] for a in listed[0]['Alarms']])
        minute = int(time.time()) // 60 * 60
        self.lab.cloudwatch.put_metric_data(Namespace='app', MetricData=[{'MetricName': 'load', 'Value': 12, 'Timestamp': minute - 30}])
        aws('cloudwatch', 'put-metric-alarm', '--alarm-name', 'load', '--namespace', 'app', '--metric-name', 'load', '--statistic', 'Average',
            '--period', '60', '--evaluation-periods', '1', '--threshold', '11', '--comparison-operator', 'GreaterThanOrEqualToThreshold',
            '--treat-missing-data', 'ignore', '--alarm-actions', made['PolicyARN'])
        wait_for(lambda: self.desired() == 2, 10, 'a step')
        self.assertIn('monitor alarm load in state ALARM triggered policy steps', [a['Cause'] for a in self.activities()])
        aws('application-autoscaling', 'register-scalable-target', *self.ID, '--suspended-state', 'DynamicScalingOutSuspended=true')
        aws('cloudwatch', 'set-alarm-state', '--alarm-name', 'load', '--state-value', 'OK', '--state-reason', 'test')
        aws('cloudwatch', 'set-alarm-state', '--alarm-name', 'load', '--state-value', 'ALARM', '--state-reason', 'test')
        reasons = wait_for(lambda: [r['Code'] for a in self.activities() for r in a.get('NotScaledReasons', [])], 10, 'a reason')
        self.assertEqual(['ScalingSuspended'], reasons)
        self.assertEqual(2, self.desired())
        refused = aws('application-autoscaling', 'put-scaling-policy', *self.ID, '--policy-name', 'x', '--policy-type', 'TargetTrackingScaling',
                      '--target-tracking-scaling-policy-configuration', json.dumps({'TargetValue': 10}), check=False)
        self.assertIn('Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification', refused.stderr)
        aws('cloudwatch', 'delete-alarms', '--alarm-names', 'load')


class UnderLoad(Scaled, BalancerTest):
    """A balanced service of 2, and wrk at a pace: many requests a second on each of its connections."""
    alone = True

    def serve(self, command=PAGE, **container):
        group = self.group(TargetType='instance', HealthCheckIntervalSeconds=5)
        self.attributes(group, deregistration_delay__timeout_seconds='3')
        balancer = self.balancer()
        self.port, _ = self.listen(balancer, group)
        self.create(2, command, container={'portMappings': [{'containerPort': 80}], **container},
                    loadBalancers=[{'targetGroupArn': group, 'containerName': 'web', 'containerPort': 80}])
        self.wait_healthy(group, 2)
        self.label = balancer['LoadBalancerArn'].split(':loadbalancer/')[1] + '/' + group.rsplit(':', 1)[1]
        return group

    def load(self, connections, seconds, pace, path):
        """So many requests a second on each connection."""
        script = os.path.join(self.lab.dir, 'pace.lua')
        with open(script, 'w') as f:
            f.write(f'function delay() return {1000 // pace} end\n')
        return Load(f'http://127.0.0.1:{self.port}{path}', seconds, connections, threads=1, script=script)

    def step(self, group, policy, light, heavy, wanted, pace, path='/'):
        """Light load, then heavy until the service has `wanted` tasks that serve, then light again until it has two."""
        loads = [self.load(light, 60, pace, path)]
        time.sleep(3)
        self.assertEqual(2, self.desired(), self.story())
        began = time.monotonic()
        loads.append(self.load(heavy - light, 16, pace, path))
        try:
            wait_for(lambda: self.desired() >= wanted[0], 12, f'{wanted} tasks', 0.02)
            decided = time.monotonic() - began
            self.wait_healthy(group, self.desired(), 10)
            took = time.monotonic() - began
            time.sleep(max(0, 13 - took))
            self.assertIn(self.desired(), wanted)
            wait_for(lambda: self.desired() == 2, 45, 'the way back', 0.1)
        except AssertionError as e:
            raise AssertionError(f'{e}\n{self.story()}\n{self.alarms(policy)}') from None
        whole = time.monotonic() - began
        for load in loads:
            load.process.send_signal(2)
            load.finish()
            self.assertEqual(0, load.failed, load.text)
        print(f'decided after {decided:.1f} s, serving after {took:.1f} s, over after {whole:.1f} s', end=' ', flush=True)
        self.assertLess(took, 10 * PATIENCE)

    def test_by_requests(self):
        group = self.serve()
        self.target(2, 8)
        policy = self.policy('requests', TargetValue=6000, ScaleOutCooldown=5, ScaleInCooldown=5, PredefinedMetricSpecification={
            'PredefinedMetricType': 'ALBRequestCountPerTarget', 'ResourceLabel': self.label})
        high, _ = self.alarms(policy)
        self.assertEqual('requests * 60', high['Metrics'][1]['Expression'])
        self.step(group, policy, 2, 9, range(4, 6), 50)

    def test_by_cpu(self):
        group = self.serve(BUSY + PAGE, cpu=128)
        self.assertEqual('done', get(f'http://127.0.0.1:{self.port}/cgi-bin/busy').strip())
        self.target(2, 6)
        policy = self.policy('cpu', TargetValue=60, ScaleOutCooldown=5, ScaleInCooldown=5,
                             PredefinedMetricSpecification={'PredefinedMetricType': 'ECSServiceAverageCPUUtilization'})
        high, low = self.alarms(policy)
        self.assertRegex(high['AlarmName'], '^TargetTracking-service/default/web-AlarmHigh-')
        self.assertEqual([policy['PolicyARN']], high['AlarmActions'])
        self.assertEqual((3, 60, 15, 54), (high['EvaluationPeriods'], high['Threshold'], low['EvaluationPeriods'], low['Threshold']))
        self.step(group, policy, 2, 8, range(3, 7), 10, '/cgi-bin/busy')


@terraform.needed
class Terraform(Scaled, LabTest):
    configuration = '''
        terraform {
          required_providers { aws = { source = "hashicorp/aws" } }
        }
        provider "aws" {
          region                  = "us-east-1"
          skip_metadata_api_check = true
          endpoints {
            applicationautoscaling = "%(url)s"
            cloudwatch             = "%(url)s"
            ecs                    = "%(url)s"
            sts                    = "%(url)s"
          }
        }
        variable "target" { type = number }
        resource "aws_ecs_task_definition" "web" {
          family                = "web"
          container_definitions = jsonencode([{ name = "web", image = "%(image)s", memory = 16, command = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"] }])
        }
        resource "aws_ecs_service" "web" {
          name            = "web"
          cluster         = "default"
          task_definition = aws_ecs_task_definition.web.arn
          desired_count   = 1
          lifecycle { ignore_changes = [desired_count] }
        }
        resource "aws_appautoscaling_target" "web" {
          service_namespace  = "ecs"
          resource_id        = "service/default/${aws_ecs_service.web.name}"
          scalable_dimension = "ecs:service:DesiredCount"
          min_capacity       = 1
          max_capacity       = 4
        }
        resource "aws_appautoscaling_policy" "cpu" {
          name               = "cpu"
          policy_type        = "TargetTrackingScaling"
          service_namespace  = aws_appautoscaling_target.web.service_namespace
          resource_id        = aws_appautoscaling_target.web.resource_id
          scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
          target_tracking_scaling_policy_configuration {
            target_value       = var.target
            scale_in_cooldown  = 60
            scale_out_cooldown = 10
            predefined_metric_specification { predefined_metric_type = "ECSServiceAverageCPUUtilization" }
          }
        }
        resource "aws_appautoscaling_policy" "steps" {
          name               = "steps"
          policy_type        = "StepScaling"
          service_namespace  = aws_appautoscaling_target.web.service_namespace
          resource_id        = aws_appautoscaling_target.web.resource_id
          scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
          step_scaling_policy_configuration {
            adjustment_type = "ChangeInCapacity"
            cooldown        = 10
            step_adjustment {
              metric_interval_lower_bound = 0
              scaling_adjustment          = 1
            }
          }
        }
        resource "aws_cloudwatch_metric_alarm" "deep" {
          alarm_name          = "deep"
          alarm_description   = "The queue is deep"
          namespace           = "app"
          metric_name         = "queue"
          dimensions          = { Name = "jobs" }
          statistic           = "Average"
          period              = 10
          evaluation_periods  = 3
          datapoints_to_alarm = 2
          threshold           = 100
          comparison_operator = "GreaterThanThreshold"
          treat_missing_data  = "notBreaching"
          alarm_actions       = [aws_appautoscaling_policy.steps.arn]
          tags                = { team = "a" }
        }
        resource "aws_cloudwatch_metric_alarm" "rate" {
          alarm_name          = "rate"
          comparison_operator = "GreaterThanOrEqualToThreshold"
          evaluation_periods  = 2
          threshold           = var.target
          metric_query {
            id          = "rate"
            expression  = "bad / good * 100"
            label       = "Errors"
            return_data = true
          }
          dynamic "metric_query" {
            for_each = ["bad", "good"]
            content {
              id = metric_query.value
              metric {
                namespace   = "app"
                metric_name = metric_query.value
                period      = 60
                stat        = "Sum"
              }
            }
          }
        }
        resource "aws_cloudwatch_dashboard" "web" {
          dashboard_name = "web"
          dashboard_body = jsonencode({
            widgets = [
              { type = "text", x = 0, y = 0, width = 6, height = 3, properties = { markdown = "# Web at ${var.target} percent" } },
              { type = "metric", x = 6, y = 0, width = 18, height = 6, properties = {
                region  = "us-east-1"
                metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", "default", "ServiceName", aws_ecs_service.web.name]]
              } },
            ]
          })
        }
        resource "aws_cloudwatch_composite_alarm" "both" {
          alarm_name    = "both"
          alarm_rule    = "ALARM(${aws_cloudwatch_metric_alarm.deep.alarm_name}) AND ALARM(${aws_cloudwatch_metric_alarm.rate.alarm_name})"
          alarm_actions = ["arn:aws:sns:us-east-1:123456789012:people"]
          tags          = { team = "a" }
        }
    '''

    def test_policies_and_alarms(self):
        stack = terraform.Stack(os.path.join(self.lab.dir, 'terraform'), self.lab.variables,
                                self.configuration.replace('%(url)s', self.lab.variables['AWS_ENDPOINT_URL']).replace('%(image)s', self.image))
        for target in ('-var=target=50', '-var=target=60'):
            stack.apply(target)
            stack.settled(target)
        listed = self.lab.aws('application-autoscaling', 'describe-scaling-policies', '--service-namespace', 'ecs')['ScalingPolicies']
        self.assertEqual({'cpu': 2, 'steps': 1}, {p['PolicyName']: len(p['Alarms']) for p in listed})
        body = json.loads(self.lab.aws('cloudwatch', 'get-dashboard', '--dashboard-name', 'web')['DashboardBody'])
        self.assertEqual('# Web at 60 percent', body['widgets'][0]['properties']['markdown'])
        stack.destroy('-var=target=60')
        self.assertEqual([], self.lab.aws('cloudwatch', 'list-dashboards')['DashboardEntries'])
        found = self.lab.aws('cloudwatch', 'describe-alarms', '--alarm-types', 'MetricAlarm', 'CompositeAlarm')
        self.assertEqual(([], []), (found['MetricAlarms'], found['CompositeAlarms']))


if __name__ == '__main__':
    unittest.main()
