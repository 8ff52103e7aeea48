#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All end-to-end tests: each class in namespaces of its own (tools/e2e.sh), as many at once as there are processors.

Most classes wait most of the time. One that measures times, and would be misled by what runs beside it, says `alone = True`; those
run at the end, one by one. What took long the last time starts first.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))


def classes(found):
    """The test classes of a suite, in order: (name, class)."""
    names = {}
    for item in found:
        if isinstance(item, unittest.TestSuite):
            names.update(classes(item))
        elif isinstance(item, unittest.loader._FailedTest):
            names[item.id().rsplit('.', 1)[1]] = type(item)  # a module that cannot be imported: its own run shows why
        else:
            names[f'{type(item).__module__}.{type(item).__qualname__}'] = type(item)
    return names


class Run:
    def __init__(self, build):
        self.build = build
        self.printing = threading.Lock()
        self.tests = self.skipped = 0
        self.failed = []
        self.record = os.path.join(build, 'e2e-seconds.json')
        try:
            with open(self.record) as f:
                self.seconds = json.load(f)
        except (OSError, ValueError):
            self.seconds = {}

    def one(self, name):
        """Runs a class and prints what it printed, whole."""
        start = time.monotonic()
        done = subprocess.run([os.path.join(ROOT, 'tools', 'e2e.sh'), self.build, name], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace')
        seconds = time.monotonic() - start
        with self.printing:
            sys.stdout.write(f'-- {name}, {seconds:.0f} s\n{done.stdout}')
            sys.stdout.flush()
            self.seconds[name] = round(seconds, 1)
            self.tests += sum(map(int, re.findall(r'^Ran (\d+) test', done.stdout, re.M)))
            self.skipped += sum(map(int, re.findall(r'skipped=(\d+)', done.stdout)))
            if done.returncode != 0:
                self.failed.append(name)

    def all(self, jobs):
        found = classes(unittest.defaultTestLoader.discover(os.path.join(ROOT, 'tests', 'e2e'), 'test_*.py'))
        together = [name for name, kind in found.items() if not getattr(kind, 'alone', False)]
        together.sort(key=lambda name: -self.seconds.get(name, 1e9))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self.one, together))
        for name in found:
            if name not in together:
                self.one(name)
        with open(self.record, 'w') as f:
            json.dump(self.seconds, f, indent=1, sort_keys=True)
        print(f'{self.tests} tests of {len(found)} classes, {self.skipped} skipped; failed: {", ".join(self.failed) or "none"}')
        return 1 if self.failed else 0


if __name__ == '__main__':
    sys.exit(Run(sys.argv[1]).all(int(os.environ.get('GANTRY_E2E_JOBS') or os.cpu_count())))
