# SPDX-License-Identifier: Apache-2.0
"""The attacks of test_fargate_attacks.py, from a micro-VM on another one and on the host. Minutes when emulated: make soak-microvm."""
import unittest

from microvm import MINUTES, MicroVmTest, machines
from test_fargate_attacks import Attacks


@MINUTES
class MicroVmAttacks(Attacks, MicroVmTest):
    forks = False
    patience = 120
    hog = 'exec dd if=/dev/zero of=/dev/null bs=505M count=1'

    def pid_of_victim(self):
        """No process of another machine has an id here: one that nobody has."""
        return 4194000

    def check_inside(self, marker):
        """Nothing of it is a process of the host; its machine is a user that nobody else is, with no capabilities."""
        self.assertEqual([], self.left([marker]))
        users = []
        for pid in machines():
            with open(f'/proc/{pid}/status') as text:
                status = {word: value.strip() for word, _, value in (line.partition(':') for line in text)}
            self.assertEqual(('0000000000000000', '1', '2'), (status['CapEff'], status['NoNewPrivs'], status['Seccomp']))
            users.append(status['Uid'].split()[0])
        self.assertEqual(len(users), len(set(users)))


if __name__ == '__main__':
    unittest.main()
