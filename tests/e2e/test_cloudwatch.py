# SPDX-License-Identifier: Apache-2.0
"""CloudWatch's metrics as boto3 (CBOR) and the AWS CLI meet them, and query by hand. The control plane alone; no node is needed."""
import datetime
import os
import shutil
import tempfile
import unittest

from lab import Clients, Process, read_env


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='gantry-e2e-')
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        data = os.path.join(cls.dir, 'data')
        cls.server = Process('server', '--data-dir', data, '--listen', '127.0.0.1:0', log=os.path.join(cls.dir, 'log')).wait_ready()
        cls.addClassCleanup(cls.server.stop)
        cls.cloudwatch = Clients(read_env(data)).client('cloudwatch')

    def test_put_and_get(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        span = {'StartTime': now - datetime.timedelta(minutes=5), 'EndTime': now + datetime.timedelta(minutes=1)}
        metric = {'Namespace': 'shop', 'MetricName': 'Orders', 'Dimensions': [{'Name': 'Store', 'Value': 'one'}]}
        self.cloudwatch.put_metric_data(Namespace='shop', MetricData=[
            {'MetricName': 'Orders', 'Dimensions': metric['Dimensions'], 'Timestamp': now, 'Values': [1.5, 2.5], 'Counts': [1, 3]}])
        self.assertEqual(self.cloudwatch.list_metrics(Namespace='shop')['Metrics'], [metric])
        points = self.cloudwatch.get_metric_statistics(**metric, **span, Period=60, Statistics=['Sum', 'Maximum'],
                                                       ExtendedStatistics=['p50'])['Datapoints']
        self.assertEqual([(p['Sum'], p['Maximum'], p['ExtendedStatistics']['p50']) for p in points], [(9.0, 2.5, 2.5)])
        results = self.cloudwatch.get_metric_data(**span, MetricDataQueries=[
            {'Id': 'orders', 'MetricStat': {'Metric': metric, 'Period': 60, 'Stat': 'Sum'}, 'ReturnData': False},
            {'Id': 'rate', 'Expression': 'FILL(orders, 0) / PERIOD(orders)'}])['MetricDataResults']
        self.assertEqual([r['Id'] for r in results], ['rate'])
        self.assertAlmostEqual(sum(results[0]['Values']), 9 / 60)
        self.assertGreaterEqual(results[0]['Timestamps'][0], results[0]['Timestamps'][-1])

    def test_errors_have_types(self):
        with self.assertRaises(self.cloudwatch.exceptions.MissingRequiredParameterException) as caught:
            self.cloudwatch.put_metric_data(Namespace='shop', MetricData=[{'MetricName': 'Orders'}])
        self.assertEqual(caught.exception.response['Error']['Code'], 'MissingParameter')


if __name__ == '__main__':
    unittest.main()
