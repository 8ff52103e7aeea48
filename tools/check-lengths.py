#!/usr/bin/env python3
"""Fails when a C file outgrew 1,000 lines or a function 120 lines (tables and marked state machines excepted).

A function may be longer when the line above it carries `/* length: REASON */`.
"""
import os
import sys

FILE_LIMIT, FUNCTION_LIMIT = 1000, 120


def functions(lines):
    """(first line, length, excused) of every function: a brace in column 0 opens a body, the next one in column 0 ends it."""
    start = None
    for i, line in enumerate(lines):
        if line.startswith('{'):
            start = i
        elif line.startswith('}') and start is not None:
            head = ' '.join(lines[max(0, start - 4):start])
            yield start, i - start - 1, '/* length:' in head
            start = None


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
    bad = 0
    for top in ('src', 'tests'):
        for folder, _, files in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(f for f in files if f.endswith(('.c', '.h'))):
                path = os.path.join(folder, name)
                lines = open(path, encoding='utf-8').read().split('\n')
                shown = os.path.relpath(path, root)
                if len(lines) > FILE_LIMIT:
                    print(f'{shown}: {len(lines)} lines, at most {FILE_LIMIT}: split it by noun')
                    bad = 1
                for start, length, excused in functions(lines):
                    if length > FUNCTION_LIMIT and not excused:
                        print(f'{shown}:{start}: a function of {length} lines, at most {FUNCTION_LIMIT}')
                        bad = 1
    return bad


if __name__ == '__main__':
    sys.exit(main())
