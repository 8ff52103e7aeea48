#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the documents against the tree and the program: each link, path, make target, verb, option and variable that they name exists.

    check-docs.py GANTRY
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
FOLDERS = 'api|console|docs|examples|packaging|src|tests|tools'
# What stands for any file, and folders of src/ that one speaks of without their first part.
PLACEHOLDERS = {'src/api/SERVICE/RESOURCE.c'}
# Options of aws that are told without it.
FOREIGN = {'force-new-deployment', 'stop-type'}
OPTION = r'--([a-z][a-z0-9-]*[a-z0-9])'


def say(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def anchors(text):
    return {re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-') for title in re.findall(r'^#+ (.*)', text, re.M)}


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


class Docs:
    def __init__(self, gantry):
        self.wrong = []
        _, overview = say(gantry, 'help')
        self.verbs = {'help': set()}
        for verb in re.findall(r'^ +gantry ([a-z]+) ', overview, re.M):
            status, text = say(gantry, verb, '--help')
            if status != 0:
                self.wrong.append(f'gantry {verb} --help ends with {status}')
            self.verbs[verb] = set(re.findall(OPTION, text))
        self.options = set().union(*self.verbs.values())
        self.targets = set(re.findall(r'^([a-z0-9-]+):', read('Makefile'), re.M))
        sources = [path for folder in ('src', 'tests', 'tools', 'packaging', 'console/tests') for path in glob.glob(f'{folder}/**/*.*', recursive=True)]
        self.variables = set(re.findall(r'GANTRY_[A-Z0-9_]+', ''.join(read(p) for p in sources + ['Makefile', 'console/vite.config.ts']
                                                                    if p.endswith(('.c', '.h', '.py', '.sh', '.ts', '.mjs', 'Makefile', '.service')))))

    def links(self, name, text):
        for target, anchor in re.findall(r'\]\(([^)#]*)(?:#([^)]*))?\)', text):
            path = os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
            if target.startswith('http'):
                continue
            if not os.path.exists(path):
                yield f'there is no {path}'
            elif anchor and anchor not in anchors(read(path)):
                yield f'{path} has no heading #{anchor}'

    def paths(self, _, text):
        for path in re.findall(rf'(?<![\w/.~…-])((?:{FOLDERS})/[\w./-]*\w)(?![\w*{{<])', text):
            # src/ is left out in "api/dispatch"; programs that are built have no ending in the tree.
            if path not in PLACEHOLDERS and not any(os.path.exists(p) for p in (path, f'src/{path}', f'{path}.c', f'src/{path}.c')):
                yield f'there is no {path}'

    def commands(self, _, text):
        # A command is in a block of code, or between single backticks.
        code = re.findall(r'^```\w*\n(.*?)^```', text, re.M | re.S)
        code += re.findall(r'`([^`\n]+)`', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))
        for line in (line.split('#')[0] for piece in code for line in piece.replace('\\\n', ' ').split('\n')):
            for target in re.findall(r'(?:^|[;&] *)make ([a-z][a-z0-9-]*)', line):
                if target not in self.targets:
                    yield f'make {target}: the Makefile has no such target'
            for verb, rest in re.findall(r'gantry(?:"?\)?) ([a-z]+)([^|;]*)', line):
                if verb not in self.verbs:
                    yield f'gantry {verb}: there is no such verb'
                else:
                    for option in set(re.findall(OPTION, rest)) - self.verbs[verb]:
                        yield f'gantry {verb} --{option}: there is no such option'
            for option in re.findall(rf'^{OPTION}', line):
                if option not in self.options | FOREIGN:
                    yield f'--{option}: no verb has it'
            for variable in re.findall(r'GANTRY_[A-Z0-9_]*[A-Z0-9]', line):
                if variable not in self.variables and variable[7:].lower().replace('_', '-') not in self.options:
                    yield f'{variable}: nothing reads it'

    def check(self):
        names = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', *sorted(glob.glob('docs/*.md')), *sorted(glob.glob('examples/*/*.md'))]
        for name in names:
            text = read(name)
            for find in (self.links, self.paths, self.commands):
                self.wrong += [f'{name}: {what}' for what in find(name, text)]
        return list(dict.fromkeys(self.wrong))


if __name__ == '__main__':
    program = os.path.abspath(sys.argv[1])
    os.chdir(ROOT)
    found = Docs(program).check()
    print('\n'.join(found) or 'docs: as the tree and the program are')
    sys.exit(1 if found else 0)
