#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes gantry(1) from what the program says of itself: manpage.py GANTRY OUTPUT."""
import re
import subprocess
import sys

ENVIRONMENT = r'''
.SH FILES
.TP
.I /etc/gantry/gantry.conf
Options of all verbs as lines "name = value".
.TP
.I /var/lib/gantry
What a server and, in
.IR agent ,
its node keep.
.SH ENVIRONMENT
Every option can be given as a variable:
.B GANTRY_DATA_DIR
for
.BR \-\-data\-dir .
Flags are stronger than variables, variables than the file.
.SH EXIT STATUS
0: well; 1: failed, with the reason on standard error; 2: the command line is wrong. Verbs that have others say so above.
.SH SEE ALSO
.BR aws (1),
.BR crun (1),
.BR haproxy (1)
'''


def escape(text):
    text = text.replace('\\', r'\e').replace('-', r'\-')
    return re.sub(r"^([.'])", r'\\&\1', text, flags=re.M)


def options(lines):
    """'  --name METAVAR    help' with its further lines: (flag, help)."""
    found = []
    for line in lines:
        begin = re.match(r'  (--\S+(?: \S+)?) +(\S.*)', line)
        if begin:
            found.append([begin[1], begin[2]])
        elif found and line.strip():
            found[-1][1] += ' ' + line.strip()
    return found


def verb_section(program, name):
    text = subprocess.run([program, name, '--help'], check=True, capture_output=True, text=True).stdout
    usage, _, rest = text.partition('\n')
    description, _, table = rest.partition('\nOptions (')
    out = [f'.SS {escape(usage)}', '.nf', escape(description.strip('\n')), '.fi']
    for flag, words in options(table.splitlines()[1:]):
        out += ['.TP', f'.B {escape(flag)}', escape(words)]
    return out


def main(program, output):
    text = subprocess.run([program, 'help'], check=True, capture_output=True, text=True).stdout
    version, summary = re.match(r'gantry (\S+): (.*)', text).groups()
    names = re.findall(r'^  gantry (\S+)', text, re.M)
    page = [f'.TH GANTRY 1 "" "gantry {version}" "User Commands"', '.SH NAME', f'gantry \\- {escape(summary)}', '.SH SYNOPSIS',
            '.B gantry', r'.I VERB', '[OPTIONS]', '.SH VERBS']
    for name in names:
        page += verb_section(program, name)
    with open(output, 'w') as f:
        f.write('\n'.join(page) + ENVIRONMENT)


if __name__ == '__main__':
    main(*sys.argv[1:])
