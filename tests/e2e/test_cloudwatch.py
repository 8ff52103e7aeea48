# SPDX-License-Identifier: Apache-2.0
"""CloudWatch's metrics as boto3 (CBOR) and the AWS CLI meet them, and query by hand. The control plane alone; no node is needed."""
import datetime
import os
import shutil
import tempfile
import unittest

from lab import Clients, Process, error_code, read_env


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

    def test_search(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for store, orders in (('north', 3), ('south', 8)):
            self.cloudwatch.put_metric_data(Namespace='chain', MetricData=[
                {'MetricName': 'Orders', 'Dimensions': [{'Name': 'Store', 'Value': store}], 'Timestamp': now, 'Value': orders}])
        results = self.cloudwatch.get_metric_data(
            StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=1), MetricDataQueries=[
                {'Id': 'all', 'Expression': """SEARCH('{chain,Store} MetricName="Orders"', 'Sum', 60)""", 'Label': "${PROP('Dim.Store')}: ${SUM}"},
                {'Id': 'best', 'Expression': 'SORT(all, SUM, DESC, 1)'}])['MetricDataResults']
        self.assertEqual([('all', 'north: 3', [3.0]), ('all', 'south: 8', [8.0]), ('best', 'south', [8.0])],
                         [(r['Id'], r['Label'], r['Values']) for r in results])

    def test_dashboards(self):
        body = '{"widgets": [{"type": "text", "properties": {"markdown": "# Orders"}}]}'
        self.assertEqual([], self.cloudwatch.put_dashboard(DashboardName='orders', DashboardBody=body)['DashboardValidationMessages'])
        self.assertEqual(body, self.cloudwatch.get_dashboard(DashboardName='orders')['DashboardBody'])
        with self.assertRaises(self.cloudwatch.exceptions.DashboardInvalidInputError):
            self.cloudwatch.put_dashboard(DashboardName='orders', DashboardBody='{"widgets": [{"type": "pie"}]}')
        self.cloudwatch.delete_dashboards(DashboardNames=['orders'])
        self.assertEqual('ResourceNotFound', error_code(self.cloudwatch.get_dashboard, DashboardName='orders'))

    def test_errors_have_types(self):
        with self.assertRaises(self.cloudwatch.exceptions.MissingRequiredParameterException) as caught:
            self.cloudwatch.put_metric_data(Namespace='shop', MetricData=[{'MetricName': 'Orders'}])
        self.assertEqual(caught.exception.response['Error']['Code'], 'MissingParameter')


if __name__ == '__main__':
    unittest.main()
