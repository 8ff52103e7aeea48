# SPDX-License-Identifier: Apache-2.0
"""Load balancers as clients see them, in front of targets that were registered by hand: rules, health, names, TLS, and no failed
request while things change."""
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

from farm import FastTargets, Load, Target, free_port
from lab import Clients, LabTest, Process, error_code, read_env, wait_for


def certificate(directory, name):
    """A key and a certificate of its own for a name."""
    key, cert = (os.path.join(directory, f'{name}-{uuid.uuid4().hex[:6]}.{kind}') for kind in ('key', 'pem'))
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert,
                    '-subj', f'/CN={name}', '-addext', f'subjectAltName=DNS:{name}', '-days', '2'], check=True, capture_output=True)
    with open(key, 'rb') as k, open(cert, 'rb') as c:
        return {'Certificate': c.read(), 'PrivateKey': k.read()}


def proxy_pid(lab):
    with open(os.path.join(lab.data, 'balancer', 'haproxy.pid')) as f:
        return int(f.read())


def proxies(data):
    """Process ids of every HAProxy of a data directory: masters and workers of now and of before."""
    return subprocess.run(['pgrep', '-f', f'haproxy .*{data}/balancer/haproxy.cfg'], capture_output=True, text=True).stdout.split()


def served_name(port, name):
    """Common name of the certificate that a client gets which asks for `name`."""
    out = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{port}', '-servername', name], input='', capture_output=True, text=True)
    return re.search(r'subject=CN = (\S+)', out.stdout).group(1)


class BalancerTest(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elb = cls.lab.elbv2
        subnets = cls.lab.ec2.describe_subnets()['Subnets']
        cls.vpc = subnets[0]['VpcId']
        cls.subnets = [s['SubnetId'] for s in subnets][:2]

    @classmethod
    def tearDownClass(cls):
        """However often it was reloaded, killed or left alone: after the last listener no proxy is left."""
        wait_for(lambda: not proxies(cls.lab.data), 10, 'the proxy to end')

    def setUp(self):
        self.balancers, self.groups = [], []

    def tearDown(self):
        for arn in self.balancers:
            self.elb.delete_load_balancer(LoadBalancerArn=arn)
        for arn in self.groups:
            self.elb.delete_target_group(TargetGroupArn=arn)

    def balancer(self, kind='application', **more):
        made = self.elb.create_load_balancer(Name=f't-{uuid.uuid4().hex[:12]}', Subnets=self.subnets, Type=kind, **more)['LoadBalancers'][0]
        self.balancers.append(made['LoadBalancerArn'])
        return made

    def group(self, *targets, **more):
        arguments = {'Protocol': 'HTTP', 'Port': 80, 'TargetType': 'ip', 'HealthCheckIntervalSeconds': 5, 'HealthCheckTimeoutSeconds': 2,
                     'HealthyThresholdCount': 2, **more}
        arn = self.elb.create_target_group(Name=f't-{uuid.uuid4().hex[:12]}', VpcId=self.vpc, **arguments)['TargetGroups'][0]['TargetGroupArn']
        self.groups.append(arn)
        if targets:
            self.add(arn, *targets)
        return arn

    @staticmethod
    def at(*ports):
        return [{'Id': '127.0.0.1', 'Port': getattr(p, 'port', p)} for p in ports]

    def add(self, group, *targets):
        self.elb.register_targets(TargetGroupArn=group, Targets=self.at(*targets))

    def remove(self, group, *targets):
        self.elb.deregister_targets(TargetGroupArn=group, Targets=self.at(*targets))

    def health(self, group):
        return {d['Target']['Port']: d['TargetHealth'] for d in self.elb.describe_target_health(TargetGroupArn=group)['TargetHealthDescriptions']}

    def wait_healthy(self, group, count, timeout=10):
        wait_for(lambda: sum(h['State'] == 'healthy' for h in self.health(group).values()) == count, timeout, f'{count} healthy targets')

    def listen(self, balancer, action, port=None, protocol='HTTP', **more):
        port = port or free_port()
        if isinstance(action, str):
            action = {'Type': 'forward', 'TargetGroupArn': action}
        listener = self.elb.create_listener(LoadBalancerArn=balancer['LoadBalancerArn'], Protocol=protocol, Port=port, DefaultActions=[action],
                                            **more)['Listeners'][0]['ListenerArn']
        return port, listener

    def attributes(self, group, **values):
        self.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{'Key': k.replace('__', '.'), 'Value': v} for k, v in values.items()])

    def ask(self, port, path='/', method='GET', host='127.0.0.1', timeout=10, **headers):
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.request(method, path, headers={k.replace('_', '-'): v for k, v in headers.items()})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer, json.loads(body) if body.startswith('{') else body

    def status(self, port, path='/'):
        """Of the answer; None while there is none."""
        try:
            return self.ask(port, path)[0].status
        except (OSError, http.client.HTTPException):
            return None

    def until(self, port, name, *arguments, **more):
        """Reloads take a moment: asks until the answer is from `name`."""
        def asked():
            try:
                return self.ask(port, *arguments, timeout=3, **more)[1]['name'] == name
            except (OSError, TypeError, http.client.HTTPException) as e:
                seen.append(repr(e))
                return False
        seen = []
        try:
            wait_for(asked, 10, f'an answer of {name}')
        except AssertionError as e:
            with open(os.path.join(self.lab.data, 'balancer', 'haproxy.log')) as log:
                raise AssertionError(f'{e}: {seen[-3:]}\n{self.lab.tail()}\n{log.read()[-2000:]}') from None

    def target(self, name, **more):
        made = Target(name, **more)
        self.addCleanup(made.stop)
        return made


class Rules(BalancerTest):
    def test_conditions(self):
        plain, special = self.target('plain'), self.target('special')
        groups = self.group(plain), self.group(special)
        port, listener = self.listen(self.balancer(), groups[0])
        conditions = [
            {'Field': 'path-pattern', 'PathPatternConfig': {'Values': ['/api/*', '/one']}},
            {'Field': 'host-header', 'HostHeaderConfig': {'Values': ['*.Example.com']}},
            {'Field': 'http-header', 'HttpHeaderConfig': {'HttpHeaderName': 'X-Kind', 'Values': ['a b*', '"quoted"']}},
            {'Field': 'http-request-method', 'HttpRequestMethodConfig': {'Values': ['PUT']}},
            {'Field': 'query-string', 'QueryStringConfig': {'Values': [{'Key': 'v', 'Value': '2*'}, {'Value': 'beta'}]}},
            {'Field': 'path-pattern', 'Values': ['/v?2']},
        ]
        for priority, condition in enumerate(conditions, 1):
            self.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition],
                                 Actions=[{'Type': 'forward', 'TargetGroupArn': groups[1]}])
        self.until(port, 'special', '/v12')
        self.wait_healthy(groups[0], 1)
        cases = [('plain', {}), ('special', {'path': '/api/x?y'}), ('plain', {'path': '/API/x'}), ('special', {'path': '/one'}),
                 ('plain', {'path': '/one/more'}), ('special', {'Host': f'www.example.COM:{port}'}), ('plain', {'Host': 'example.com'}),
                 ('special', {'X_Kind': 'A b c'}), ('special', {'X_Kind': '"quoted"'}), ('plain', {'X_Kind': 'x a b'}),
                 ('special', {'method': 'PUT'}), ('special', {'path': '/?a=1&V=21'}), ('plain', {'path': '/?v=12'}),
                 ('special', {'path': '/?any=beta'}), ('plain', {'path': '/?any=betamax'}), ('plain', {'path': '/v'})]
        for expected, request in cases:
            with self.subTest(request):
                self.assertEqual(expected, self.ask(port, **request)[1]['name'])
        answer, seen = self.ask(port, X_Forwarded_For='192.0.2.1')
        headers = {k.lower(): v for k, v in seen['headers'].items()}
        self.assertEqual('http', headers['x-forwarded-proto'])
        self.assertEqual(str(port), headers['x-forwarded-port'])
        self.assertIn('127.0.0.1', headers['x-forwarded-for'])

    def test_trace(self):
        """X-Amzn-Trace-Id: a Root for those that have none, else a Self; what clients wrote beside stays."""
        group = self.group(self.target('app'))
        port, _ = self.listen(self.balancer(), group)
        self.until(port, 'app')
        root, before, new = 'Root=1-67891233-abcdef012345678912345678', 'Self=1-67891234-12456789abcdef0123456780', '1-([0-9a-f]{8})-[0-9a-f]{24}'
        cases = [(None, f'Root={new}'), ('CalledFrom=app', f'Root={new};CalledFrom=app'), (root, f'Self={new};{root}'),
                 (f'{root};CalledFrom=app', f'Self={new};{root};CalledFrom=app'), (f'{before};{root};A=b', f'Self={new};{root};A=b'),
                 (f'{root};{before}', f'Self={new};{root}'), (f'{root};{before};A=b', f'Self={new};{root};A=b')]
        ids = set()
        for sent, expected in cases:
            with self.subTest(sent):
                seen = self.ask(port, **({'X_Amzn_Trace_Id': sent} if sent else {}))[1]
                got = {k.lower(): v for k, v in seen['headers'].items()}['x-amzn-trace-id']
                match = re.fullmatch(expected, got)
                self.assertIsNotNone(match, got)
                self.assertLess(abs(int(match.group(1), 16) - time.time()), 60)
                ids.add(re.search(new, got).group())
        self.assertEqual(len(cases), len(ids))

    def test_source_address(self):
        here, elsewhere = self.target('here'), self.target('elsewhere')
        groups = self.group(here), self.group(elsewhere)
        port, listener = self.listen(self.balancer(), groups[1])
        self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{'Field': 'source-ip', 'SourceIpConfig': {'Values': ['127.0.0.0/8']}}],
                             Actions=[{'Type': 'forward', 'TargetGroupArn': groups[0]}])
        self.until(port, 'here')

    def test_answers_by_itself(self):
        target = self.target('t')
        group = self.group(target)
        port, listener = self.listen(self.balancer(), group)
        text = '<p>it\'s "down" #1 100%[x]</p>\n'
        actions = [('/old/*', {'Type': 'redirect', 'RedirectConfig': {'StatusCode': 'HTTP_301', 'Protocol': 'HTTPS', 'Port': '443',
                                                                      'Path': '/new/#{path}'}}),
                   ('/find', {'Type': 'redirect', 'RedirectConfig': {'StatusCode': 'HTTP_302', 'Host': 'x.#{host}', 'Query': 'q=1&#{query}'}}),
                   ('/down', {'Type': 'fixed-response', 'FixedResponseConfig': {'StatusCode': '503', 'ContentType': 'text/html',
                                                                                'MessageBody': text}}),
                   ('/none', {'Type': 'fixed-response', 'FixedResponseConfig': {'StatusCode': '404'}})]
        for priority, (path, action) in enumerate(actions, 1):
            self.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[{'Field': 'path-pattern', 'Values': [path]}], Actions=[action])
        wait_for(lambda: self.status(port, '/none') == 404, 10, 'the last rule')
        answer, _ = self.ask(port, '/old/a?b=c', Host='site.test')
        self.assertEqual((301, 'https://site.test:443/new/old/a?b=c'), (answer.status, answer.headers['Location']))
        answer, _ = self.ask(port, '/old/a', Host='site.test')
        self.assertEqual('https://site.test:443/new/old/a', answer.headers['Location'])
        answer, _ = self.ask(port, '/find?z', Host='site.test')
        self.assertEqual((302, f'http://x.site.test:{port}/find?q=1&z'), (answer.status, answer.headers['Location']))
        answer, body = self.ask(port, '/down')
        self.assertEqual((503, text, 'text/html'), (answer.status, body, answer.headers['Content-Type']))
        self.until(port, 't', '/else')

    def test_weights_and_their_cookie(self):
        one, two = self.target('one'), self.target('two')
        groups = self.group(one), self.group(two)
        action = {'Type': 'forward', 'ForwardConfig': {
            'TargetGroups': [{'TargetGroupArn': groups[0], 'Weight': 80}, {'TargetGroupArn': groups[1], 'Weight': 20}],
            'TargetGroupStickinessConfig': {'Enabled': True, 'DurationSeconds': 60}}}
        port, _ = self.listen(self.balancer(), action)
        self.until(port, 'two')
        names = [self.ask(port)[1]['name'] for _ in range(400)]
        self.assertTrue(40 < names.count('two') < 130, names.count('two'))
        answer, seen = self.ask(port)
        cookie = answer.headers['Set-Cookie'].split(';')[0]
        self.assertEqual({seen['name']}, {self.ask(port, Cookie=cookie)[1]['name'] for _ in range(30)})

    def test_stickiness(self):
        targets = [self.target(f't{i}') for i in range(3)]
        group = self.group()
        self.attributes(group, stickiness__enabled='true')
        port, _ = self.listen(self.balancer(), group)
        self.add(group, *targets)
        self.wait_healthy(group, 3)
        answer, seen = self.ask(port)
        cookie = answer.headers['Set-Cookie'].split(';')[0]
        self.assertTrue(cookie.startswith('AWSALB='))
        self.assertEqual({seen['name']}, {self.ask(port, Cookie=cookie)[1]['name'] for _ in range(20)})
        self.assertEqual(3, len({self.ask(port)[1]['name'] for _ in range(12)}))

    def test_stickiness_by_the_application(self):
        """Its cookie makes clients stick, also over a reload; those without it do not."""
        ports = [free_port() for _ in range(3)]
        path = os.path.join(self.lab.dir, 'sessions.cfg')
        with open(path, 'w') as f:
            f.write('defaults\n  mode http\n  timeout client 60s\n')
            for port in ports:
                f.write(f'frontend f{port}\n  bind 127.0.0.1:{port}\n  http-request return status 200 content-type text/plain hdr Set-Cookie '
                        f'SESSION=%[rand(1000)] lf-string {port}/%[req.hdr(cookie)] if {{ path /login }}\n'
                        f'  http-request return status 200 content-type text/plain lf-string {port}/%[req.hdr(cookie)]\n')
        server = subprocess.Popen(['haproxy', '-db', '-f', path], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        group = self.group()
        self.attributes(group, stickiness__enabled='true', stickiness__type='app_cookie', stickiness__app_cookie__cookie_name='SESSION')
        port, listener = self.listen(self.balancer(), group)
        self.add(group, *ports)
        self.wait_healthy(group, 3)
        answer, body = self.ask(port, '/login')
        chosen = body.split('/')[0]
        cookies = dict(c.split(';')[0].split('=', 1) for c in answer.headers.get_all('Set-Cookie'))
        self.assertEqual({'SESSION', 'AWSALBAPP-0'}, set(cookies))
        both = '; '.join('='.join(c) for c in cookies.items())
        # The application sees its own cookie only.
        self.assertEqual({f'{chosen}/SESSION={cookies["SESSION"]}'}, {self.ask(port, Cookie=both)[1] for _ in range(9)})
        self.assertEqual(3, len({self.ask(port, Cookie=f'AWSALBAPP-0={cookies["AWSALBAPP-0"]}')[1] for _ in range(9)}))
        self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{'Field': 'path-pattern', 'Values': ['/stop']}],
                             Actions=[{'Type': 'fixed-response', 'FixedResponseConfig': {'StatusCode': '410'}}])
        wait_for(lambda: self.status(port, '/stop') == 410, 10, 'the new rule')
        self.assertEqual({chosen}, {self.ask(port, Cookie=both)[1].split('/')[0] for _ in range(9)})

    def test_network_balancer(self):
        target = self.target('tcp')
        group = self.group(target, Protocol='TCP')
        port, _ = self.listen(self.balancer('network'), group, protocol='TCP')
        self.until(port, 'tcp')


    def test_connection_termination(self):
        """What is still open when the delay is over goes on at network balancers, unless they are told to end it."""
        group = self.group(self.target('tcp'), Protocol='TCP')
        self.attributes(group, deregistration_delay__timeout_seconds='1')
        port, _ = self.listen(self.balancer('network'), group, protocol='TCP')
        self.until(port, 'tcp')
        target = next(iter(self.health(group)))
        for value, goes_on in (('false', True), ('true', False)):
            self.attributes(group, deregistration_delay__connection_termination__enabled=value)
            self.add(group, target)
            self.wait_healthy(group, 1)
            self.until(port, 'tcp')
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
            self.addCleanup(connection.close)
            connection.connect()
            connection.auto_open = 0
            connection.request('GET', '/')
            connection.getresponse().read()
            self.remove(group, target)
            wait_for(lambda: not self.health(group), 5, 'the target to be gone')
            time.sleep(0.2)
            try:
                connection.request('GET', '/')
                answered = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                answered = False
            self.assertEqual(goes_on, answered)
            connection.close()

    def test_websocket(self):
        with socket.create_server(('127.0.0.1', 0)) as server:
            def serve():
                while True:
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    with connection:
                        request = connection.recv(4096)
                        if b'upgrade: chat' not in request.lower():
                            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
                            continue
                        connection.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n')
                        while data := connection.recv(4096):
                            connection.sendall(data.upper())
            threading.Thread(target=serve, daemon=True).start()
            group = self.group(server.getsockname()[1])
            port, _ = self.listen(self.balancer(), group)
            self.wait_healthy(group, 1)
            with socket.create_connection(('127.0.0.1', port), 5) as client:
                client.sendall(b'GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n')
                self.assertTrue(client.recv(4096).startswith(b'HTTP/1.1 101'))
                for word in (b'one', b'two'):
                    client.sendall(word)
                    self.assertEqual(word.upper(), client.recv(4096))
            server.shutdown(socket.SHUT_RDWR)

    def test_header_fields(self):
        balancer, group = self.balancer(), self.group(self.target('t'))
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer['LoadBalancerArn'], Attributes=[
            {'Key': 'routing.http.drop_invalid_header_fields.enabled', 'Value': 'true'},
            {'Key': 'routing.http.xff_client_port.enabled', 'Value': 'true'}])
        port, _ = self.listen(balancer, group)
        self.until(port, 't')
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
        self.addCleanup(connection.close)
        connection.request('GET', '/', headers={'Under_score': '1', 'X-Good-1': '2'})
        seen = {k.lower(): v for k, v in json.loads(connection.getresponse().read())['headers'].items()}
        self.assertEqual((None, '2'), (seen.get('under_score'), seen.get('x-good-1')))
        self.assertRegex(seen['x-forwarded-for'], r'^127\.0\.0\.1:\d+$')
        self.assertEqual(f'127.0.0.1:{port}', seen['host'])


class Names(BalancerTest):
    def test_two_on_one_port(self):
        """*.localhost is this machine for curl and for browsers; the name that was asked for tells balancers apart."""
        port = free_port()
        names = []
        for i in range(2):
            group = self.group(self.target(f't{i}'))
            balancer = self.balancer()
            self.listen(balancer, group, port)
            names.append(balancer['DNSName'])
        for i, name in enumerate(names):
            def asked(name=name):
                return subprocess.run(['curl', '-s', f'http://{name}:{port}/'], capture_output=True, text=True).stdout
            wait_for(lambda i=i, asked=asked: f'"name": "t{i}"' in asked(), 10, f'curl http://{name}:{port}/')

    def test_a_taken_port_is_said(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = taken.getsockname()[1]
            other = self.balancer()
            other_port, _ = self.listen(other, self.group(self.target('other')))
            self.until(other_port, 'other')
            balancer = self.balancer()
            self.listen(balancer, self.group(self.target('t')), port)

            def state():
                return self.elb.describe_load_balancers(LoadBalancerArns=[balancer['LoadBalancerArn']])['LoadBalancers'][0]['State']
            wait_for(lambda: state()['Code'] == 'active_impaired', 10, 'the state active_impaired')
            self.assertIn(f'cannot listen on 127.0.0.1:{port}: another program listens there', state()['Reason'])
            self.until(other_port, 'other')
        wait_for(lambda: state()['Code'] == 'active', 15, 'the state active when the port is free')
        self.until(port, 't')


class Health(BalancerTest):
    def test_states(self):
        good, bad = self.target('good'), self.target('bad', status=404)
        closed = free_port()
        group = self.group(UnhealthyThresholdCount=2)
        self.add(group, good)
        self.assertEqual('Target.NotInUse', self.health(group)[good.port]['Reason'])
        port, _ = self.listen(self.balancer(), group)
        self.add(group, bad, closed)
        started = time.monotonic()
        self.wait_healthy(group, 1)
        self.assertLess(time.monotonic() - started, 2)
        self.assertEqual('Elb.InitialHealthChecking', self.health(group)[bad.port]['Reason'])
        wait_for(lambda: {self.health(group)[p]['State'] for p in (bad.port, closed)} == {'unhealthy'}, 15, 'unhealthy targets')
        self.assertEqual(('Target.ResponseCodeMismatch', 'Health checks failed with these codes: [404]'),
                         (self.health(group)[bad.port]['Reason'], self.health(group)[bad.port]['Description']))
        self.assertEqual('Target.FailedHealthChecks', self.health(group)[closed]['Reason'])
        self.assertEqual({'good'}, {self.ask(port)[1]['name'] for _ in range(10)})
        self.remove(group, closed)
        # A healthy target needs as many failed checks as the threshold says, and then traffic goes to all of them.
        good.status = 500
        began = time.monotonic()
        wait_for(lambda: self.health(group)[good.port]['State'] == 'unhealthy', 20, 'the good one to be unhealthy')
        self.assertGreater(time.monotonic() - began, 4)
        self.assertEqual({'good', 'bad'}, {self.ask(port)[1]['name'] for _ in range(10)})
        # And as many passed ones to come back, also when it has never been healthy before.
        good.status = bad.status = 200
        began = time.monotonic()
        wait_for(lambda: self.health(group)[bad.port]['State'] == 'healthy', 20, 'the bad one to be healthy')
        self.assertGreater(time.monotonic() - began, 4)
        self.wait_healthy(group, 2, 20)
        self.assertEqual({'good', 'bad'}, {self.ask(port)[1]['name'] for _ in range(10)})

    def test_slow_requests_end_before_their_target_goes(self):
        slow = self.target('slow')
        group = self.group(slow, self.target('other'))
        self.attributes(group, deregistration_delay__timeout_seconds='20')
        port, _ = self.listen(self.balancer(), group)
        self.wait_healthy(group, 2)
        slow.delay = 2
        connections = [http.client.HTTPConnection('127.0.0.1', port, timeout=10) for _ in range(2)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.request('GET', '/')
        wait_for(lambda: slow.requests > 0, 5, 'a request at the slow target')
        self.remove(group, slow)
        self.assertEqual('draining', self.health(group)[slow.port]['State'])
        self.assertEqual({'other'}, {self.ask(port)[1]['name'] for _ in range(6)})
        self.assertEqual('draining', self.health(group)[slow.port]['State'])
        self.assertEqual({200}, {c.getresponse().status for c in connections})
        began = time.monotonic()
        wait_for(lambda: slow.port not in self.health(group), 5, 'the slow target to be gone')
        self.assertLess(time.monotonic() - began, 1)

    def test_the_delay_ends_what_is_still_under_way(self):
        slow = self.target('slow')
        group = self.group(slow)
        self.attributes(group, deregistration_delay__timeout_seconds='1')
        port, _ = self.listen(self.balancer(), group)
        self.wait_healthy(group, 1)
        slow.delay = 30
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
        self.addCleanup(connection.close)
        connection.request('GET', '/')
        wait_for(lambda: slow.requests > 0, 5, 'a request at the slow target')
        self.remove(group, slow)
        wait_for(lambda: not self.health(group), 5, 'the slow target to be gone')
        self.assertGreaterEqual(connection.getresponse().status, 500)


class NoAgent(unittest.TestCase):
    """A server with balancers on a machine without an agent: nothing there leads into a VPC, and it says so."""

    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory(prefix='gantry-e2e-') as directory:
            data, log = os.path.join(directory, 'data'), os.path.join(directory, 'log')
            server = Process('server', '--data-dir', data, '--listen', '127.0.0.1:0', '--balancer', log=log).wait_ready()
            try:
                clients = Clients(read_env(data))
                elb, subnets = clients.elbv2, clients.ec2.describe_subnets()['Subnets']
                balancer = elb.create_load_balancer(Name='web', Subnets=[s['SubnetId'] for s in subnets][:2])['LoadBalancers'][0]['LoadBalancerArn']
                group = elb.create_target_group(Name='web', Protocol='HTTP', Port=80, TargetType='ip', VpcId=subnets[0]['VpcId'],
                                                HealthCheckTimeoutSeconds=2)['TargetGroups'][0]['TargetGroupArn']
                elb.create_listener(LoadBalancerArn=balancer, Protocol='HTTP', Port=free_port(), DefaultActions=[
                    {'Type': 'forward', 'TargetGroupArn': group}])
                elb.register_targets(TargetGroupArn=group, Targets=[{'Id': subnets[0]['CidrBlock'].replace('.0/20', '.99')}])
                wait_for(lambda: 'Start `gantry agent` there' in elb.describe_target_health(TargetGroupArn=group)[
                    'TargetHealthDescriptions'][0]['TargetHealth'].get('Description', ''), 10, 'the next step')
                with open(log) as f:
                    self.assertEqual(1, f.read().count('no agent runs on this machine'))
                elb.delete_load_balancer(LoadBalancerArn=balancer)
                wait_for(lambda: not proxies(data), 10, 'the proxy to end')
            finally:
                server.stop()


class Tls(BalancerTest):
    def test_certificates(self):
        acm = self.lab.acm
        target = self.target('secure')
        group = self.group(target)
        arns = [acm.import_certificate(**certificate(self.lab.dir, name))['CertificateArn'] for name in ('first.test', 'second.test')]
        port, listener = self.listen(self.balancer(), group, protocol='HTTPS', Certificates=[{'CertificateArn': arns[0]}])
        self.assertEqual('ResourceInUseException', error_code(acm.delete_certificate, CertificateArn=arns[0]))
        wait_for(lambda: self.answers(port), 10, 'the listener')
        self.assertEqual('first.test', served_name(port, 'second.test'))
        self.elb.add_listener_certificates(ListenerArn=listener, Certificates=[{'CertificateArn': arns[1]}])
        wait_for(lambda: served_name(port, 'second.test') == 'second.test', 10, 'the second certificate')
        self.assertEqual('first.test', served_name(port, 'unknown.test'))
        # One connection lives through a replacement under load.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection('127.0.0.1', port, context=context, timeout=10)
        self.addCleanup(connection.close)
        connection.request('GET', '/')
        self.assertEqual('https', json.loads(connection.getresponse().read())['headers']['x-forwarded-proto'])
        load = Load(f'https://127.0.0.1:{port}/', 3, connections=8)
        renewed = certificate(self.lab.dir, 'renewed.test')
        acm.import_certificate(CertificateArn=arns[0], **renewed)
        wait_for(lambda: served_name(port, 'unknown.test') == 'renewed.test', 3, 'the renewed certificate')
        connection.request('GET', '/again')
        self.assertEqual(200, connection.getresponse().status)
        self.assertEqual(0, load.finish().failed, load.text)
        if 'HTTP2' in subprocess.run(['curl', '-V'], capture_output=True, text=True).stdout:
            out = subprocess.run(['curl', '-sk', '-o', '/dev/null', '-w', '%{http_version}', f'https://127.0.0.1:{port}/'], capture_output=True, text=True)
            self.assertEqual('2', out.stdout)

    def test_secure_targets(self):
        """Targets with TLS of their own, checked with it, without it at another port, and by a mere connection."""
        secure, plain = free_port(), free_port()
        made = certificate(self.lab.dir, 'target.test')
        path = os.path.join(self.lab.dir, 'secure.cfg')
        with open(path + '.pem', 'wb') as f:
            f.write(made['Certificate'] + made['PrivateKey'])
        with open(path, 'w') as f:
            f.write(f'defaults\n  mode http\n  timeout client 60s\nfrontend secure\n  bind 127.0.0.1:{secure} ssl crt {path}.pem\n'
                    f'  bind 127.0.0.1:{plain}\n  http-request return status 200 content-type text/plain lf-string %[ssl_fc]\n')
        server = subprocess.Popen(['haproxy', '-db', '-f', path], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        groups = [self.group(secure, Protocol='HTTPS', **more) for more in ({}, {'HealthCheckProtocol': 'HTTP', 'HealthCheckPort': str(plain)})]
        ports = [self.listen(self.balancer(), group)[0] for group in groups]
        tls = self.group(secure, Protocol='TLS')
        arn = self.lab.acm.import_certificate(**certificate(self.lab.dir, 'front.test'))['CertificateArn']
        front, _ = self.listen(self.balancer('network'), tls, protocol='TLS', Certificates=[{'CertificateArn': arn}])
        for group in (*groups, tls):
            self.wait_healthy(group, 1)
        for port in ports:
            self.assertEqual('1', self.ask(port)[1])
        out = subprocess.run(['curl', '-sk', '--http1.1', '--max-time', '10', f'https://127.0.0.1:{front}/'], capture_output=True, text=True)
        self.assertEqual('1', out.stdout)

    def test_grpc(self):
        """HTTP/2 from end to end; the health check asks for a method that nobody has and is content with UNIMPLEMENTED."""
        grpc = free_port()
        path = os.path.join(self.lab.dir, 'grpc.cfg')
        with open(path, 'w') as f:
            f.write(f'defaults\n  mode http\n  timeout client 60s\nfrontend grpc\n  bind 127.0.0.1:{grpc} proto h2\n'
                    '  http-request return status 200 content-type application/grpc hdr grpc-status 12 hdr seen %[req.ver]-%[path]\n')
        server = subprocess.Popen(['haproxy', '-db', '-f', path], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        group = self.group(grpc, ProtocolVersion='GRPC')
        arn = self.lab.acm.import_certificate(**certificate(self.lab.dir, 'grpc.test'))['CertificateArn']
        port, _ = self.listen(self.balancer(), group, protocol='HTTPS', Certificates=[{'CertificateArn': arn}])
        self.wait_healthy(group, 1)
        out = subprocess.run(['curl', '-sk', '--http2', '-D', '-', '-X', 'POST', '-H', 'Content-Type: application/grpc', '-H', 'TE: trailers',
                              '--max-time', '10', f'https://127.0.0.1:{port}/pkg.Service/Method'], capture_output=True, text=True).stdout.lower()
        self.assertIn('grpc-status: 12', out)
        self.assertIn('seen: 2.0-/pkg.service/method', out)

    def test_server_certificate_of_iam(self):
        iam = self.lab.iam
        made = certificate(self.lab.dir, 'iam.test')
        other = certificate(self.lab.dir, 'other.test')
        pem = {'CertificateBody': made['Certificate'].decode(), 'PrivateKey': made['PrivateKey'].decode()}
        self.assertEqual('KeyPairMismatch', error_code(iam.upload_server_certificate, ServerCertificateName='x', CertificateBody=pem['CertificateBody'],
                                                       PrivateKey=other['PrivateKey'].decode()))
        arn = iam.upload_server_certificate(ServerCertificateName='web', **pem)['ServerCertificateMetadata']['Arn']
        port, _ = self.listen(self.balancer(), self.group(self.target('t')), protocol='HTTPS', Certificates=[{'CertificateArn': arn}])
        wait_for(lambda: self.answers(port), 10, 'the listener')
        self.assertEqual('iam.test', served_name(port, 'any'))

    @staticmethod
    def answers(port):
        try:
            context = ssl._create_unverified_context()
            with socket.create_connection(('127.0.0.1', port), 2) as plain, context.wrap_socket(plain):
                return True
        except OSError:
            return False


class UnderLoad(BalancerTest):
    """Not one failed request while everything around it changes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = FastTargets(cls.lab.dir, 6)
        cls.addClassCleanup(cls.farm.stop)

    def serve(self, count):
        group = self.group(*self.farm.ports[:count])
        port, listener = self.listen(self.balancer(), group)
        self.wait_healthy(group, count)
        return group, port, listener

    def check(self, load):
        load.finish()
        self.assertEqual(0, load.failed, load.text)
        self.assertGreater(load.per_second, 500)

    def test_targets_come_and_go(self):
        group, port, _ = self.serve(3)
        load = Load(f'http://127.0.0.1:{port}/', 4)
        while load.running():
            for one in self.farm.ports[3:]:
                self.add(group, one)
            self.wait_healthy(group, 6)
            for one in self.farm.ports[3:]:
                self.remove(group, one)
            wait_for(lambda: len(self.health(group)) == 3, 10, 'three targets to drain')
        self.check(load)

    def test_rules_change(self):
        group, port, listener = self.serve(3)
        # A reload may close connections that are idle, as HTTP allows; none is refused or cut off.
        load = Load(f'http://127.0.0.1:{port}/', 4, headers=('Connection: close',))
        while load.running():
            rule = self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{'Field': 'path-pattern', 'Values': ['/x*']}],
                                        Actions=[{'Type': 'forward', 'TargetGroupArn': group}])['Rules'][0]['RuleArn']
            time.sleep(0.2)
            self.elb.delete_rule(RuleArn=rule)
            time.sleep(0.2)
        self.check(load)

    def test_the_server_is_killed(self):
        group, port, _ = self.serve(4)
        before = proxy_pid(self.lab)
        load = Load(f'http://127.0.0.1:{port}/', 4)
        time.sleep(0.5)
        server = self.lab.child_pid('server')
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: self.lab.child_pid('server') not in (None, server) and self.lab.answers(), 20, 'the server again')
        self.wait_healthy(group, 4)
        self.remove(group, self.farm.ports[0])
        wait_for(lambda: len(self.health(group)) == 3, 10, 'the target to drain')
        self.check(load)
        self.assertEqual(before, proxy_pid(self.lab))

    def test_the_proxy_is_killed(self):
        group, port, _ = self.serve(2)
        before = proxy_pid(self.lab)
        workers = subprocess.run(['pgrep', '-P', str(before)], capture_output=True, text=True).stdout.split()
        for pid in [before, *map(int, workers)]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: proxy_pid(self.lab) != before, 10, 'another proxy')
        wait_for(lambda: self.status(port) == 200, 10, 'an answer of it')
        self.wait_healthy(group, 2)


class Tasks(BalancerTest):
    def test_tasks_in_bridge_mode(self):
        family = self.register('balanced', {
            'name': 'web', 'essential': True, 'portMappings': [{'containerPort': 80}],
            'command': ['sh', '-c', 'mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www']})
        answer = self.ecs.run_task(taskDefinition=family, count=2)
        arns = [t['taskArn'] for t in answer['tasks']]
        tasks = [self.lab.wait_status(arn, 'RUNNING') for arn in arns]
        instance = tasks[0]['containerInstanceArn'].rsplit('/', 1)[1]
        group = self.group(TargetType='instance')
        port, _ = self.listen(self.balancer(), group)
        self.elb.register_targets(TargetGroupArn=group, Targets=[
            {'Id': instance, 'Port': t['containers'][0]['networkBindings'][0]['hostPort']} for t in tasks])
        self.wait_healthy(group, 2)
        self.assertIn('hello', self.ask(port)[1])
        for arn in arns:
            self.ecs.stop_task(task=arn)


class SecurityGroups(BalancerTest):
    def security_group(self, *rules):
        group = self.lab.ec2.create_security_group(GroupName=f't-{uuid.uuid4().hex[:12]}', Description='t', VpcId=self.vpc)['GroupId']
        if rules:
            self.lab.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
        return group

    def test_only_the_balancer_reaches_the_tasks(self):
        front = self.security_group()
        back = self.security_group({'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'UserIdGroupPairs': [{'GroupId': front}]})
        family = self.register('guarded', {
            'name': 'web', 'essential': True, 'memory': 16, 'portMappings': [{'containerPort': 80}],
            'command': ['sh', '-c', 'mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www']}, networkMode='awsvpc')
        balancer = self.balancer(SecurityGroups=[front])
        subnets = [s['SubnetId'] for s in self.lab.ec2.describe_subnets()['Subnets']]  # of all zones, the node's too
        group = self.group()
        self.attributes(group, deregistration_delay__timeout_seconds='0')
        port, _ = self.listen(balancer, group)
        self.ecs.create_service(
            serviceName='guarded', taskDefinition=family, desiredCount=2,
            networkConfiguration={'awsvpcConfiguration': {'subnets': subnets, 'securityGroups': [back]}},
            loadBalancers=[{'targetGroupArn': group, 'containerName': 'web', 'containerPort': 80}])
        self.addCleanup(self.ecs.delete_service, service='guarded', force=True)

        def targets():
            return self.elb.describe_target_health(TargetGroupArn=group)['TargetHealthDescriptions']

        wait_for(lambda: [t['TargetHealth']['State'] for t in targets()] == ['healthy'] * 2, 40, 'two healthy tasks')
        self.assertIn('hello', self.ask(port)[1])
        addresses = [t['Target']['Id'] for t in targets()]
        for address in addresses:
            with self.assertRaises(OSError):
                socket.create_connection((address, 80), 0.5).close()
        # Another balancer, of another group, is let in as little as anybody else.
        other = self.group()
        self.elb.register_targets(TargetGroupArn=other, Targets=[{'Id': addresses[0], 'Port': 80}])
        self.listen(self.balancer(SecurityGroups=[self.security_group()]), other)
        time.sleep(2)
        self.assertEqual({80: 'initial'}, {p: h['State'] for p, h in self.health(other).items()})
        self.assertEqual(200, self.status(port))


class Services(BalancerTest):
    """A service behind a balancer: releases and scaling cost no request."""
    TASKS = 3

    def definition(self, text):
        return self.register('web', {
            'name': 'web', 'essential': True, 'memory': 16, 'portMappings': [{'containerPort': 80}],
            'command': ['sh', '-c', f'mkdir /www; echo {text} > /www/index.html; trap "exit 0" TERM; httpd -f -p 80 -h /www & wait']})

    def stable(self, count):
        def settled():
            service = self.ecs.describe_services(services=['web'])['services'][0]
            return len(service['deployments']) == 1 and service['runningCount'] == service['desiredCount'] == count and service['pendingCount'] == 0
        wait_for(settled, 60, f'a stable service of {count}')

    def test_releases_and_scaling(self):
        group = self.group(TargetType='instance')
        self.attributes(group, deregistration_delay__timeout_seconds='10')
        port, _ = self.listen(self.balancer(), group)
        self.ecs.create_service(serviceName='web', taskDefinition=self.definition('one'), desiredCount=self.TASKS, loadBalancers=[
            {'targetGroupArn': group, 'containerName': 'web', 'containerPort': 80}])
        self.addCleanup(self.ecs.delete_service, service='web', force=True)
        self.stable(self.TASKS)
        self.wait_healthy(group, self.TASKS)
        load = Load(f'http://127.0.0.1:{port}/', int(os.environ.get('GANTRY_LOAD_SECONDS', '12')), connections=16)
        texts = ['two', 'one']
        while load.running():
            text = texts[0]
            texts.reverse()
            self.ecs.update_service(service='web', taskDefinition=self.definition(text))
            self.stable(self.TASKS)
            wait_for(lambda text=text: {self.ask(port)[1].strip() for _ in range(5)} == {text}, 10, f'answers of {text}')
            self.ecs.update_service(service='web', desiredCount=self.TASKS * 2)
            self.stable(self.TASKS * 2)
            self.ecs.update_service(service='web', desiredCount=self.TASKS)
            self.stable(self.TASKS)
        load.finish()
        print(f'{load.requests} requests, {load.per_second:.0f}/s, {load.failed} failed', flush=True)
        self.assertEqual(0, load.failed, load.text)
        wait_for(lambda: len(self.health(group)) == self.TASKS, 20, 'targets of tasks that have stopped to be gone')


if __name__ == '__main__':
    unittest.main()
