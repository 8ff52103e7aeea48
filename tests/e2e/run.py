#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All end-to-end tests: each class in namespaces of its own (tools/e2e.sh), as many at once as there are processors.

Most classes wait most of the time. One that measures times, and would be misled by what runs beside it, says `alone = True`; those
run at the end, one by one. What took long the last time starts first. A class that does not end is ended after GANTRY_E2E_SECONDS (900),
with the name of the test that hung and where it was; of what a class prints the beginning and the end are shown.
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

KEPT = 256 << 10  # bytes of a class's output, at its beginning and at its end
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


class Output:
    """What a class prints: its beginning and its end."""

    def __init__(self):
        self.head, self.tail, self.dropped = b'', b'', 0

    def add(self, data):
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail += data[max(room, 0):]
        if len(self.tail) > 2 * KEPT:
            self.dropped += len(self.tail) - KEPT
            self.tail = self.tail[-KEPT:]

    def text(self):
        gap = f'\n[… {self.dropped} bytes are left out here …]\n'.encode() if self.dropped else b''
        return (self.head + gap + self.tail).decode(errors='replace')


def descendants(pid):
    """Process ids below `pid`, those that are nearest first, in whatever namespaces they are."""
    children = {}
    for entry in os.listdir('/proc'):
        try:
            with open(f'/proc/{entry}/stat') as stat:
                children.setdefault(int(stat.read().rpartition(')')[2].split()[1]), []).append(int(entry))
        except (OSError, ValueError):
            continue  # not a process, or one that has ended meanwhile
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end(running):
    """Ends a class that hangs, with all that it started. Its Python says first where it is (faulthandler)."""
    for pid in descendants(running.pid):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as cmdline:
                words = cmdline.read().split(b'\0')
            if words[1:3] == [b'-m', b'unittest']:
                send(pid, signal.SIGABRT)
        except OSError:
            continue
    time.sleep(2)
    running.terminate()  # tools/e2e.sh ends its namespaces, and cleans up
    try:
        running.wait(20)
    except subprocess.TimeoutExpired:
        for pid in [running.pid, *descendants(running.pid)]:
            send(pid, signal.SIGKILL)
        running.wait()


class Run:
    def __init__(self, build):
        self.build = build
        self.printing = threading.Lock()
        self.tests = self.skipped = 0
        self.failed = []
        self.limit = float(os.environ.get('GANTRY_E2E_SECONDS') or 900)
        self.record = os.path.join(build, 'e2e-seconds.json')
        try:
            with open(self.record) as f:
                self.seconds = json.load(f)
        except (OSError, ValueError):
            self.seconds = {}

    def one(self, name):
        """Runs a class and prints what it printed."""
        start = time.monotonic()
        output = Output()
        running = subprocess.Popen([os.path.join(ROOT, 'tools', 'e2e.sh'), self.build, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, 'PYTHONFAULTHANDLER': '1'})
        reader = threading.Thread(target=self.read, args=(running.stdout, output), daemon=True)
        reader.start()
        try:
            status, hung = running.wait(self.limit), ''
        except subprocess.TimeoutExpired:
            end(running)
            status, hung = 'ended', f'-- {name} was ended after {self.limit:.0f} s (GANTRY_E2E_SECONDS)'
        reader.join(10)  # something that it left may still hold the pipe
        text = output.text()
        if hung:
            began = re.findall(r'^(test_\w+) \(.*\.\.\. ', text, re.M)
            text += f'\n{hung}: {began[-1] if began else "before its first test"} did not end\n'
        seconds = time.monotonic() - start
        with self.printing:
            sys.stdout.write(f'-- {name}, {seconds:.0f} s\n{text}')
            sys.stdout.flush()
            self.seconds[name] = round(seconds, 1)
            self.tests += sum(map(int, re.findall(r'^Ran (\d+) test', text, re.M)))
            self.skipped += sum(map(int, re.findall(r'skipped=(\d+)', text)))
            if status != 0:
                self.failed.append(name)

    @staticmethod
    def read(stream, output):
        while data := stream.read1(65536):
            output.add(data)

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
