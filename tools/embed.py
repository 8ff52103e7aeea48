#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py FILE HEADER NAME: writes a C header with the file's bytes as the array NAME."""
import sys

with open(sys.argv[1], 'rb') as f:
    data = f.read()
with open(sys.argv[2], 'w') as f:
    f.write(f'#pragma once\n\nstatic const unsigned char {sys.argv[3]}[{len(data)}] = {{\n')
    for i in range(0, len(data), 24):
        f.write('        ' + ', '.join(str(b) for b in data[i:i + 24]) + ',\n')
    f.write('};\n')
