#!/usr/bin/env python3
"""Makes a small container image from Debian's busybox-static, as an OCI image layout, without any network.

    make-busybox-image.py LAYOUT [options]

The layout is made when missing; further references can be added to it. The result is the same bytes for the same input.
`gantry` runs it as oci:/absolute/path/of/LAYOUT:REFERENCE; skopeo can copy it into a registry.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shlex
import subprocess
import sys
import tarfile

FILES = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\n'
                  'app:x:1000:1000:app:/home/app:/bin/sh\n',
    'etc/group': 'root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nstaff:x:50:app\nvideo:x:44:app\napp:x:1000:\n',
    'etc/hosts': '127.0.0.1 localhost\n',
}
DIRECTORIES = {'bin': 0o755, 'dev': 0o755, 'etc': 0o755, 'home': 0o755, 'home/app': 0o755, 'proc': 0o555, 'root': 0o700, 'run': 0o755,
               'sys': 0o555, 'tmp': 0o1777, 'usr': 0o755, 'usr/bin': 0o755, 'var': 0o755, 'var/www': 0o755}
ARCHITECTURES = {'x86_64': 'amd64', 'aarch64': 'arm64', 'armv7l': 'arm', 'ppc64le': 'ppc64le', 's390x': 's390x', 'riscv64': 'riscv64'}
MEDIA = 'application/vnd.oci.image.'


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(os.path.join(path, 'blobs', 'sha256'), exist_ok=True)

    def write(self, name, data):
        with open(os.path.join(self.path, name + '.new'), 'wb') as f:
            f.write(data)
        os.rename(os.path.join(self.path, name + '.new'), os.path.join(self.path, name))

    def blob(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.write(f'blobs/sha256/{digest}', data)
        return {'mediaType': MEDIA + media_type, 'digest': 'sha256:' + digest, 'size': len(data)}

    def add(self, reference, manifest):
        index = {'schemaVersion': 2, 'mediaType': MEDIA + 'index.v1+json', 'manifests': []}
        try:
            with open(os.path.join(self.path, 'index.json'), encoding='utf-8') as f:
                index = json.load(f)
        except FileNotFoundError:
            pass
        name = 'org.opencontainers.image.ref.name'
        index['manifests'] = [m for m in index['manifests'] if m.get('annotations', {}).get(name) != reference]
        index['manifests'].append(dict(manifest, annotations={name: reference}))
        self.write('oci-layout', b'{"imageLayoutVersion": "1.0.0"}\n')
        self.write('index.json', json.dumps(index, indent=1).encode())


class Layer:
    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode='w', format=tarfile.PAX_FORMAT)
        self.made = set()

    def entry(self, name, kind, mode, data=b'', target='', uid=0, gid=0):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname, info.uid, info.gid = kind, mode, len(data), target, uid, gid
        self.tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)

    def directory(self, name, mode=0o755):
        if name and name not in self.made:
            self.directory(os.path.dirname(name))
            self.made.add(name)
            self.entry(name, tarfile.DIRTYPE, mode)

    def file(self, name, data, mode=0o644):
        self.directory(os.path.dirname(name))
        self.entry(name, tarfile.REGTYPE, mode, data)

    def tree(self, source, name):
        if os.path.isdir(source):
            self.directory(name)
            for child in sorted(os.listdir(source)):
                self.tree(os.path.join(source, child), f'{name}/{child}')
            return
        with open(source, 'rb') as f:
            self.file(name, f.read(), 0o755 if os.access(source, os.X_OK) else 0o644)

    def finish(self, layout):
        """(descriptor, diff id)"""
        self.tar.close()
        data = self.bytes.getvalue()
        return layout.blob('layer.v1.tar+gzip', gzip.compress(data, 6, mtime=0)), 'sha256:' + hashlib.sha256(data).hexdigest()


def base_layer(busybox):
    layer = Layer()
    for name, mode in DIRECTORIES.items():
        layer.directory(name, mode)
    for name, text in FILES.items():
        layer.file(name, text.encode())
    with open(busybox, 'rb') as f:
        layer.file('bin/busybox', f.read(), 0o755)
    for applet in subprocess.run([busybox, '--list'], check=True, capture_output=True, text=True).stdout.split():
        if applet != 'busybox':
            layer.entry('bin/' + applet, tarfile.SYMTYPE, 0o777, target='busybox')
    return layer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('layout')
    parser.add_argument('--reference', default='latest', help='name of the image in the layout (%(default)s)')
    parser.add_argument('--busybox', default='/bin/busybox', help='a static busybox (%(default)s)')
    parser.add_argument('--add', action='append', default=[], metavar='SOURCE:PATH', help='a file or tree to put into a layer of its own')
    parser.add_argument('--text', action='append', default=[], metavar='PATH=TEXT', help='a file with this text')
    parser.add_argument('--cmd', type=shlex.split, default=['sh'], help='as a shell splits it')
    parser.add_argument('--entrypoint', type=shlex.split, help='as a shell splits it')
    parser.add_argument('--env', action='append', default=[], metavar='NAME=VALUE')
    parser.add_argument('--user')
    parser.add_argument('--workdir')
    parser.add_argument('--volume', action='append')
    parser.add_argument('--expose', action='append', metavar='PORT/PROTOCOL')
    parser.add_argument('--stop-signal')
    parser.add_argument('--label', action='append', default=[], metavar='NAME=VALUE')
    args = parser.parse_args()
    if not os.path.exists(args.busybox):
        sys.exit(f'{args.busybox} is missing: install busybox-static, or name another with --busybox')

    layout = Layout(args.layout)
    layers = [base_layer(args.busybox).finish(layout)]
    if args.add or args.text:
        extra = Layer()
        for item in args.add:
            source, name = item.rsplit(':', 1)
            extra.tree(source, name.strip('/'))
        for item in args.text:
            name, text = item.split('=', 1)
            extra.file(name.strip('/'), text.encode())
        layers.append(extra.finish(layout))
    process = {'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] + args.env, 'Cmd': args.cmd,
               'Entrypoint': args.entrypoint, 'User': args.user, 'WorkingDir': args.workdir, 'StopSignal': args.stop_signal,
               'Volumes': {v: {} for v in args.volume or []} or None, 'ExposedPorts': {p: {} for p in args.expose or []} or None,
               'Labels': dict(label.split('=', 1) for label in args.label) or None}
    config = {'architecture': ARCHITECTURES.get(platform.machine(), platform.machine()), 'os': 'linux',
              'config': {k: v for k, v in process.items() if v is not None},
              'rootfs': {'type': 'layers', 'diff_ids': [diff for _, diff in layers]}}
    manifest = {'schemaVersion': 2, 'mediaType': MEDIA + 'manifest.v1+json',
                'config': layout.blob('config.v1+json', json.dumps(config).encode()), 'layers': [blob for blob, _ in layers]}
    layout.add(args.reference, layout.blob('manifest.v1+json', json.dumps(manifest).encode()))
    print(f'oci:{os.path.abspath(args.layout)}:{args.reference}')


if __name__ == '__main__':
    main()
