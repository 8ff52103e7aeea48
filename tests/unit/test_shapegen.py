#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator of the shapes: what it makes of names, and that it refuses mistakes with the line they are on."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(ROOT, 'tools'))
sys.dont_write_bytecode = True
import shapegen  # noqa: E402


def generate(text, others=None):
    """(header, source) of an IDL file called test.idl."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**(others or {}), 'test': text}.items():
            with open(os.path.join(folder, name + '.idl'), 'w', encoding='utf-8') as f:
                f.write(content)
        idl = shapegen.Idl('test', folder)
        idl.check()
        header, source = [], []
        shapegen.write_header(idl, header.append)
        shapegen.write_source(idl, source.append)
        return '\n'.join(header), '\n'.join(source)


class Names(unittest.TestCase):
    def test_snake(self):
        for name, expected in {'containerPort': 'container_port', 'clusterARN': 'cluster_arn', 'EC2InstanceId': 'ec2_instance_id',
                               'IPv6Addresses': 'ipv6_addresses', 'enableECSManagedTags': 'enable_ecs_managed_tags',
                               'light-blue': 'light_blue', 'vCPU': 'v_cpu', 'a': 'a'}.items():
            self.assertEqual(shapegen.snake(name), expected)

    def test_keywords_get_an_underscore(self):
        for name in ('default', 'int', 'register', 'has', 'errno', 'linux', 'Static'):
            self.assertEqual(shapegen.snake(name), name.lower() + '_')

    def test_keyword_members_compile(self):
        header, source = generate('struct S\n  default  string\n  int  int\n  has  bool\nenum E\n  linux a-b 1c\n')
        self.assertIn('const char *default_;', header)
        self.assertIn('#define test_s_has_int_ ', header)
        self.assertIn('TEST_E_LINUX', header)
        self.assertIn('TEST_E_A_B', header)
        self.assertIn('.wire = "has"', source)

    def test_lookup_is_ordered_by_length_then_bytes(self):
        _, source = generate('struct S\n  ccc  string\n  bb  string\n  ba  string\n  a  string\n')
        self.assertIn('test_s_lookup[] = {3, 2, 1, 0}', source)

    def test_prefix_and_imports(self):
        header, source = generate('prefix p\nimport other\nstruct S\n  one  other.T\n  many  list:other.T\n  word  other.E\n',
                                  {'other': 'struct T\n  a  int\nenum E\n  x\n'})
        self.assertIn('#include "api/other.idl.h"', header)
        self.assertIn('struct other_t *one;', header)
        self.assertIn('struct other_t_list many;', header)
        self.assertIn('enum other_e word;', header)
        self.assertIn('.shape = &other_t_shape', source)

    def test_comments_and_blank_lines(self):
        header, _ = generate('# all\n\nstruct S   # of it\n\n  a  int  # this\n  # and\n  b  int\n')
        self.assertIn('int32_t a;', header)
        self.assertIn('int32_t b;', header)


class Mistakes(unittest.TestCase):
    def refused(self, text, line, words, others=None):
        with self.assertRaises(shapegen.IdlError) as caught:
            generate(text, others)
        self.assertRegex(str(caught.exception), rf'test\.idl:{line}: ')
        self.assertIn(words, str(caught.exception))

    def test_declarations(self):
        self.refused('\nstructure S\n', 2, 'unknown declaration structure')
        self.refused('  a int\n', 1, 'without a declaration')
        self.refused('prefix x\n  a int\n', 2, 'without a declaration')
        self.refused('struct\n', 1, 'struct needs NAME')
        self.refused('struct S\n  a int\nstruct S\n', 3, 'declared twice')
        self.refused('enum E a\nenum E b\n', 2, 'declared twice')
        self.refused('enum E a-b\n  c a_b\n', 2, 'given twice')
        self.refused('struct S version(0)\n', 1, 'version(N)')
        self.refused('struct S v1\n', 1, 'version(N)')
        self.refused('import nowhere\n', 1, 'no nowhere.idl')

    def test_members(self):
        self.refused('struct S\n  a int\n  b\n', 3, 'has no type')
        self.refused('struct S\n  a int\n  b int\n  a string\n', 4, 'member a of S declared twice')
        self.refused('struct S\n  aB int\n  a-b int\n', 3, 'declared twice')
        self.refused('struct S\n  a Thing\n', 2, 'no type Thing')
        self.refused('struct S\n  a list:map\n', 2, 'no type map')
        self.refused('struct S\n  a other.T\n', 2, 'other is not imported')
        self.refused('struct S\n  a int reqired\n', 2, 'unknown flag reqired')
        self.refused('struct S\n' + ''.join(f'  a{i} int\n' for i in range(65)), 66, 'more than 64')
        self.refused('struct S\n' + ''.join(f'  a{i} string\n' for i in range(256)), 257, 'more than 255')

    def test_bounds_and_defaults(self):
        self.refused('struct S\n  a int len(1,2)\n', 2, 'len does not fit type int')
        self.refused('struct S\n  a string range(1,2)\n', 2, 'range does not fit type string')
        self.refused('struct S\n  a int range(1)\n', 2, 'must be range(low,high)')
        self.refused('struct S\n  a int range(,)\n', 2, 'must be range(low,high)')
        self.refused('struct S\n  a string default(x)\n', 2, 'no default')
        self.refused('struct S\n  a bool default(1)\n', 2, 'no default')
        self.refused('struct S\n  a double default(0.5)\n', 2, 'no default')
        self.refused('enum E x\nstruct S\n  a E default(y)\n', 3, 'no default')
        self.assertIn('.default_value = TEST_E_X', generate('enum E x\nstruct S\n  a E default(x)\n')[1])
        self.assertIn('.default_value = OTHER_E_X', generate('import other\nstruct S\n  a other.E default(x)\n', {'other': 'enum E x\n'})[1])

    def test_services(self):
        service = 'service s\n  version 1\n'
        self.refused('service s\n  colour red\n', 2, 'a service has')
        self.refused('service s\nservice t\n', 2, 'a second service')
        self.refused('error E\n', 1, 'error needs NAME STATUS')
        self.refused('error E 200\n', 1, '4xx or 5xx')
        self.refused('error E 400\nerror E 400\n', 2, 'declared twice')
        self.refused('operation O - -\n', 1, 'need a service')
        self.refused(service + 'operation O A -\n', 3, 'no struct A')
        self.refused(service + 'operation O -\n', 3, 'operation needs NAME INPUT OUTPUT')
        self.refused(service + 'operation O - -\n  errors E\n', 3, 'error E of O is not declared')
        self.refused(service + 'operation O - -\n  raises E\n', 4, 'starts with "errors"')
        self.refused(service + 'operation O - -\noperation O - -\n', 4, 'declared twice')


class Program(unittest.TestCase):
    def test_fails_with_the_line(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, 'x.idl'), 'w', encoding='utf-8') as f:
                f.write('struct S\n  a Thing\n')
            done = subprocess.run([sys.executable, os.path.join(ROOT, 'tools', 'shapegen.py'), '--idl-dir', folder, '--header', os.devnull,
                                   '--source', os.devnull, 'x'], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn('x.idl:2: no type Thing', done.stderr)

    def test_all_interfaces_of_the_project(self):
        folder = os.path.join(ROOT, 'api')
        for name in sorted(n[:-4] for n in os.listdir(folder) if n.endswith('.idl')):
            idl = shapegen.Idl(name, folder)
            idl.check()
            shapegen.write_source(idl, lambda _: None)


if __name__ == '__main__':
    unittest.main()
