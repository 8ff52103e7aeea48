#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files next to this script: what botocore signs, stage by stage. Run it again only to add a case."""
import datetime
import json
import os
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HERE = os.path.dirname(os.path.abspath(__file__))
KEY, SECRET = 'AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)
SIMPLE = 'https://example.amazonaws.com/'

# name, method, URL, headers, body, options
CASES = [
    ('vanilla', 'GET', SIMPLE, [], b'', {}),
    ('documented-list-users', 'GET', 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08',
     [('Content-Type', 'application/x-www-form-urlencoded; charset=utf-8')], b'', {'service': 'iam'}),
    ('post', 'POST', SIMPLE, [], b'', {}),
    ('post-json', 'POST', 'https://ecs.us-east-1.amazonaws.com/',
     [('Content-Type', 'application/x-amz-json-1.1'), ('X-Amz-Target', 'AmazonEC2ContainerServiceV20141113.RunTask')],
     json.dumps({'cluster': 'blue', 'taskDefinition': 'web:3', 'count': 2}).encode(), {'service': 'ecs'}),
    ('post-form', 'POST', 'https://sts.amazonaws.com/', [('Content-Type', 'application/x-www-form-urlencoded; charset=utf-8')],
     b'Action=GetCallerIdentity&Version=2011-06-15', {'service': 'sts'}),
    ('query-order-of-names', 'GET', SIMPLE + '?Param2=value2&Param1=value1&a=1&Zulu=2', [], b'', {}),
    ('query-order-of-values', 'GET', SIMPLE + '?Param1=value2&Param1=Value1&Param1=value1', [], b'', {}),
    ('query-prefix-names', 'GET', SIMPLE + '?a=2&a-b=1&aa=0&a.=3', [], b'', {}),
    ('query-empty-values', 'GET', SIMPLE + '?b&a=&c=1', [], b'', {}),
    ('query-escaped', 'GET', SIMPLE + '?q=a%20b%2Fc%3D%26&%E1%88%B4=bar', [], b'', {}),
    ('query-unreserved', 'GET', SIMPLE + '?-._~0123456789ABCxyz=-._~0123456789', [], b'', {}),
    ('path-unicode', 'GET', SIMPLE + '%E1%88%B4', [], b'', {}),
    ('path-space', 'GET', SIMPLE + 'example%20space/', [], b'', {}),
    ('path-dots', 'GET', SIMPLE + 'one/./two/../three//four/', [], b'', {}),
    ('path-dots-at-end', 'GET', SIMPLE + 'one/two/..', [], b'', {}),
    ('path-above-root', 'GET', SIMPLE + '../../one/.', [], b'', {}),
    ('path-reserved', 'GET', SIMPLE + "a:b@c,d;e=f$g!h*i'j(k)l~m", [], b'', {}),
    ('path-ws', 'GET', 'https://ecs-a-1.us-east-1.amazonaws.com/ws?agentHash=abc&clusterArn=arn%3Aaws%3Aecs%3Aus-east-1%3A123%3Acluster%2Fx'
     '&sendCredentials=true&seqNum=1', [], b'', {'service': 'ecs'}),
    ('s3-path', 'GET', 'https://s3.amazonaws.com/bucket//a/../key%20name', [], b'', {'service': 's3'}),
    ('header-duplicate', 'GET', SIMPLE, [('My-Header1', 'value2'), ('My-Header1', 'value1'), ('My-Header1', 'value3')], b'', {}),
    ('header-spaces', 'GET', SIMPLE, [('My-Header1', '   a   b   c  '), ('My-Header2', '"a   b   c"')], b'', {}),
    ('header-case', 'GET', SIMPLE, [('ZULU', 'Last'), ('aLPHA', 'First')], b'', {}),
    ('header-unicode', 'GET', SIMPLE, [('My-Header1', '\u00e9\u00e8')], b'', {}),
    ('session-token', 'POST', SIMPLE, [], b'{}', {'token': 'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQ=='}),
    ('port-in-host', 'POST', 'http://127.0.0.1:4327/', [('Content-Type', 'application/x-amz-json-1.1')], b'{}', {'service': 'ecs'}),
    ('presigned', 'GET', SIMPLE + '?Action=GetCallerIdentity&Version=2011-06-15', [], b'', {'service': 'sts', 'expires': 60}),
    ('presigned-token', 'GET', SIMPLE + '?z=1', [], b'', {'expires': 900, 'token': 'tok/en+=='}),
    ('presigned-header', 'GET', SIMPLE, [('x-k8s-aws-id', 'blue')], b'', {'service': 'sts', 'expires': 60}),
]

# Published with the signing process, to know that botocore was used rightly.
KNOWN = {'vanilla': '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
         'documented-list-users': '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7'}


class FixedDate(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW

    @classmethod
    def now(cls, tz=None):
        return NOW.replace(tzinfo=tz)


def recorder(base, stages):
    class Recorder(base):
        def canonical_request(self, request):
            stages['canonical'] = super().canonical_request(request)
            return stages['canonical']

        def string_to_sign(self, request, canonical_request):
            stages['string_to_sign'] = super().string_to_sign(request, canonical_request)
            return stages['string_to_sign']

        def signature(self, string_to_sign, request):
            stages['signature'] = super().signature(string_to_sign, request)
            return stages['signature']
    return Recorder


def sign(name, method, url, headers, body, options):
    service, expires, token = options.get('service', 'service'), options.get('expires'), options.get('token')
    stages = {}
    request = AWSRequest(method=method, url=url, data=body)
    for key, value in headers:
        request.headers.add_header(key, value)
    credentials = Credentials(KEY, SECRET, token)
    if expires:
        signer = recorder(botocore.auth.SigV4QueryAuth, stages)(credentials, service, 'us-east-1', expires=expires)
    else:
        base = botocore.auth.S3SigV4Auth if service == 's3' else botocore.auth.SigV4Auth
        signer = recorder(base, stages)(credentials, service, 'us-east-1')
    with mock.patch('botocore.auth.datetime.datetime', FixedDate), \
            mock.patch('botocore.compat.datetime.datetime', FixedDate):
        signer.add_auth(request)
    parts = urlsplit(request.url)
    sent = [[k, v] for k, v in request.headers.items()]
    if 'host' not in (k.lower() for k, _ in sent):
        sent.append(['Host', parts.netloc])
    assert stages['signature'] == KNOWN.get(name, stages['signature']), name
    return {'method': method, 'path': parts.path, 'query': parts.query, 'headers': sent, 'body': body.decode(), 'key_id': KEY, 'secret': SECRET,
            'session_token': token, 'region': 'us-east-1', 'service': service, 'timestamp': NOW.strftime('%Y%m%dT%H%M%SZ'),
            'presigned': bool(expires), **stages}


def main():
    for case in CASES:
        with open(os.path.join(HERE, case[0] + '.json'), 'w', encoding='utf-8') as f:
            json.dump(sign(*case), f, indent=1, ensure_ascii=False)
            f.write('\n')


if __name__ == '__main__':
    main()
