#!/usr/bin/env python3
"""Fails when docs/operations.md is not what `gantry operations --markdown` prints: the list of what is built may not lie.

    check-operations.py PROGRAM DOCUMENT
"""
import subprocess
import sys


def main(program, document):
    now = subprocess.run([program, 'operations', '--markdown'], check=True, capture_output=True, text=True).stdout
    with open(document, encoding='utf-8') as f:
        if f.read() == now:
            return 0
    print(f'{document} is stale: write it anew with\n    {program} operations --markdown > docs/operations.md')
    return 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
