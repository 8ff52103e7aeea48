# SPDX-License-Identifier: Apache-2.0
"""Auto Scaling groups whose machines are made by a driver's program: they come, join, are replaced and go."""
import unittest

from lab import error_code, wait_for
from machines import Fleet
from maker import Maker


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


if __name__ == '__main__':
    unittest.main()
