# SPDX-License-Identifier: Apache-2.0
"""examples/web-service, applied with the unmodified AWS provider: it works, stays as it is, changes, and leaves nothing behind."""
import os
import shutil
import subprocess
import unittest

from farm import free_port
from lab import ROOT, LabTest, wait_for
from test_ec2 import PLUGINS


def lines(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.splitlines()


@unittest.skipUnless(shutil.which('terraform') and os.path.isdir(PLUGINS), 'needs terraform and a folder with the AWS provider (GANTRY_TF_PLUGINS)')
class WebService(LabTest):
    def traces(self):
        """What there is of containers, namespaces, interfaces, rules and proxies."""
        data = self.lab.data
        return {'containers': len(lines('pgrep -x conmon || true')),
                'namespaces': lines(f'find {data} -path "*/network/*" \\( -path "*/routers/*" -o -path "*/netns/*" \\) | sort'),
                'links': lines('ip -o link | grep -oE "gantry-v[0-9]+|vxlan[^:]*" || true'),
                'rules': lines('nft list ruleset'),
                'proxies': len(lines('pgrep -x haproxy || true')),
                'interfaces': len(self.lab.ec2.describe_network_interfaces()['NetworkInterfaces'])}

    def terraform(self, *words, check=True):
        done = subprocess.run(['terraform', *words], cwd=self.folder, text=True, capture_output=True, timeout=120,
                              env={**os.environ, **self.lab.variables, 'TF_IN_AUTOMATION': '1', 'CHECKPOINT_DISABLE': '1'})
        if check:
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done

    def said(self):
        url = self.terraform('output', '-raw', 'url').stdout
        return subprocess.run(['curl', '-sS', '--max-time', '5', url], capture_output=True, text=True, check=True).stdout.strip()

    def test_apply_change_destroy(self):
        self.folder = os.path.join(self.lab.dir, 'web-service')
        shutil.copytree(os.path.join(ROOT, 'examples', 'web-service'), self.folder)
        variables = [f'-var=endpoint={self.lab.variables["AWS_ENDPOINT_URL"]}', f'-var=port={free_port()}']
        first = [*variables, f'-var=image={self.image}']
        # The same under another name: an image of its own to the service.
        shutil.copytree(os.path.join(self.lab.dir, 'busybox'), os.path.join(self.lab.dir, 'busybox2'))
        second = [*variables, f'-var=image=oci:{os.path.join(self.lab.dir, "busybox2")}:latest', '-var=text=bye']
        before = self.traces()
        self.terraform('init', '-no-color', f'-plugin-dir={PLUGINS}')
        self.terraform('apply', '-auto-approve', '-no-color', *first)
        self.assertEqual('hello', self.said())
        plan = self.terraform('plan', '-detailed-exitcode', '-no-color', *first, check=False)
        self.assertEqual(0, plan.returncode, 'a second plan wants changes:\n' + plan.stdout + plan.stderr)
        self.terraform('apply', '-auto-approve', '-no-color', *second)
        self.assertEqual('bye', self.said())
        self.terraform('destroy', '-auto-approve', '-no-color', *second)
        try:
            wait_for(lambda: self.traces() == before, 30, 'everything to be gone', 0.5)
        except AssertionError as e:
            now = self.traces()
            raise AssertionError(f'{e}: {[(k, before[k], now[k]) for k in now if now[k] != before[k]]}\n{self.lab.tail()}') from None


if __name__ == '__main__':
    unittest.main()
