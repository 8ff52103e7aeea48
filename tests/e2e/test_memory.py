# SPDX-License-Identifier: Apache-2.0
"""What Gantry's processes need when nothing happens. The budgets are tests/bench/bench_memory.py's, which prints more."""
import time
import unittest

from lab import GANTRY, LabTest, memory, pids_called, wait_for

# MiB of RSS; a test may find a quarter more.
BUDGET = {'server': 10, 'agent': 8, 'up': 8}
CONMON = 1.5  # of PSS: each has the same program
SLACK = 1.25


def instrumented():
    """Sanitizers and coverage have memory of their own."""
    with open(GANTRY, 'rb') as f:
        program = f.read()
    return any(mark in program for mark in (b'__asan_', b'__tsan_', b'__msan_', b'__gcov_'))


@unittest.skipIf(instrumented(), 'an instrumented program needs more memory')
class Memory(LabTest):
    def within(self, verb):
        pid = self.lab.up.pid if verb == 'up' else self.lab.child_pid(verb)
        limit = BUDGET[verb] * SLACK
        # An agent gives back what its start needed after two seconds.
        wait_for(lambda: memory(pid)[0] <= limit, 10, f'{verb} to need {limit} MiB at most; it has {memory(pid)[0]:.1f}')
        return f'{verb} {memory(pid)[0]:.1f} MiB (PSS {memory(pid)[1]:.1f})'

    def test_at_rest(self):
        time.sleep(3)
        print('at rest:', ', '.join(self.within(verb) for verb in BUDGET), end=' ... ')

    def test_beside_a_container(self):
        """Each has a conmon, and nothing else that stays."""
        self.lab.wait_status(self.lab.run(self.register('beside', {'name': 'c', 'command': ['sleep', '600']})), 'RUNNING')
        pids = pids_called('conmon')
        self.assertEqual(1, len(pids))
        pss = memory(pids[0])[1]
        self.assertLessEqual(pss, CONMON * SLACK)
        print(f'conmon: PSS {pss:.1f} MiB', end=' ... ')


if __name__ == '__main__':
    unittest.main()
