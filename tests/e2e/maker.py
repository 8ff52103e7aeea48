# SPDX-License-Identifier: Apache-2.0
"""A machine driver for tests: machines of an Auto Scaling group are sets of namespaces on the fleet's switch (machines.py).

The server runs `maker.py SOCKET VERB`, as it runs any driver; that hands the order to the test's process, which makes the machine.

    maker = Maker(fleet_dir)                       # before the fleet's server starts with maker.option
    maker.serve(fleet.switch)
    maker.machines                                 # {instance id: Machine}
    maker.fail = 'no room on any host'             # create says so and fails until it is None
"""
import json
import os
import socket
import socketserver
import sys
import threading
import time

SOCKET = 'maker.sock'


def main(path, verb):
    """What the server runs."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(json.dumps({'verb': verb, 'order': json.loads(sys.stdin.read() or '{}')}).encode() + b'\n')
        answer = json.loads(s.makefile().readline())
    print(answer['out'])
    if answer['error']:
        print(answer['error'], file=sys.stderr)
    return 1 if answer['error'] else 0


class Maker:
    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, SOCKET)
        self.switch = self.fail = self.server = None
        self.delay = 0  # seconds that creating takes
        self.machines, self.orders, self.lock = {}, [], threading.Lock()

    @property
    def option(self):
        return f'--machine-driver=/usr/bin/python3 {os.path.abspath(__file__)} {self.path}'

    def serve(self, switch):
        maker = self
        self.switch = switch

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                asked = json.loads(self.rfile.readline())
                try:
                    answer = {'out': maker.do(asked['verb'], asked['order']) or '', 'error': ''}
                except Exception as e:  # pylint: disable=broad-except
                    answer = {'out': '', 'error': str(e) or repr(e)}
                try:
                    self.wfile.write(json.dumps(answer).encode() + b'\n')
                except OSError:
                    pass

        self.server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def do(self, verb, order):
        if verb == 'create':
            time.sleep(self.delay)
        with self.lock:
            if verb == 'list':
                return '\n'.join(self.machines)
            self.orders.append((verb, order))
            return getattr(self, verb)(order)

    def create(self, order):
        from machines import Machine
        if self.fail:
            raise RuntimeError(self.fail)
        name = order['instanceId']
        if name not in self.machines:
            self.machines[name] = machine = Machine(self.switch, name[-8:])
            machine.start('agent', '--data-dir', os.path.join(self.folder, name), '--server', order['server'], '--cluster', order['cluster'],
                          '--cpu', str(order['cpu']), '--memory', str(order['memory']), log=os.path.join(self.folder, name + '.log'),
                          env={'GANTRY_ACCESS_KEY': order['accessKey'], 'GANTRY_SECRET_KEY': order['secretKey'], 'GANTRY_STOP_TIMEOUT': '2'})
        return self.machines[name].address

    def destroy(self, order):
        machine = self.machines.pop(order['instanceId'], None)
        if machine is not None:
            machine.remove()

    def close(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
        for name in list(self.machines):
            self.destroy({'instanceId': name})


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
