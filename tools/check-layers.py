#!/usr/bin/env python3
"""Fails when a file includes a header of a layer that its own layer may not use.

The layers, from the ground up; a layer may use itself and those listed for it. The server's side (store … api, lb) and the
node's side (image … agent) never see each other: they meet only in the shapes of api/*.idl, on the wire.
"""
import os
import re
import sys

GROUND = ['base', 'codec', 'shapes', 'net']
USES = {
    'base': [],
    'codec': ['base'],
    'net': ['base', 'codec'],
    'store': ['base', 'codec', 'shapes'],
    'logs': GROUND + ['store'],
    'metrics': ['base', 'codec', 'shapes', 'store'],
    'model': ['base', 'codec', 'shapes', 'store'],
    'sched': ['base', 'codec', 'shapes', 'model'],
    'control': ['base', 'codec', 'shapes', 'model', 'sched'],
    'api': GROUND + ['store', 'logs', 'metrics', 'model', 'sched', 'control'],
    'sim': GROUND + ['store', 'logs', 'metrics', 'model', 'sched', 'control', 'api'],
    'lb': GROUND + ['metrics', 'model', 'control'],
    'machine': GROUND + ['model', 'control'],
    'image': GROUND,
    'vpc': GROUND,
    'runtime': GROUND + ['image', 'vpc'],
    'guest': GROUND + ['image', 'runtime'],
    'microvm': GROUND + ['runtime', 'image', 'vpc', 'guest'],
    'agent': GROUND + ['image', 'vpc', 'runtime', 'guest', 'microvm'],
}
USES['cmd'] = sorted(set(USES) | set(GROUND))
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def layer_of(include):
    if include.startswith('api/') and include.endswith('.idl.h'):
        return 'shapes'
    return include.split('/')[0] if '/' in include else None


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'src')
    bad = 0
    for folder, _, files in sorted(os.walk(root)):
        layer = os.path.relpath(folder, root).split(os.sep)[0]
        for name in sorted(f for f in files if f.endswith(('.c', '.h'))):
            path = os.path.join(folder, name)
            for number, line in enumerate(open(path, encoding='utf-8'), 1):
                match = INCLUDE.match(line)
                used = match and layer_of(match.group(1))
                if used and used != layer and used not in USES.get(layer, []):
                    shown = os.path.relpath(path, os.path.join(root, '..'))
                    print(f'{shown}:{number}: {layer} may not include {match.group(1)} (layer {used})')
                    bad = 1
    return bad


if __name__ == '__main__':
    sys.exit(main())
