#!/usr/bin/env python3
"""Turns an interface description (api/NAME.idl) into C structures and const tables for src/codec/shape.h.

    shapegen.py --idl-dir api --header OUT.h --source OUT.c NAME

The language, one declaration a line, members indented, '#' starts a comment:

    prefix ecs                        C names start with this (default: the file's name)
    import acs                        its shapes can be named as acs.Task
    service NAME                      at most one; its properties are indented: target, version, namespace, permission, protocol
    enum NAME word word …             more words may follow on indented lines
    struct NAME [version(N)]          members: WIRENAME TYPE [flags…]
    error NAME STATUS                 an error the service can answer, with its HTTP status
    operation NAME INPUT OUTPUT       '-' for a shape without members; indented: errors NAME…

Types: string blob json timestamp int long double bool map, the name of an enum or struct, list:TYPE.
Flags: required always sensitive iso8601 millis open numbers range(a,b) len(a,b) default(x); a bound may be left out.

It generates data, never logic: the engine in src/codec/shape.c reads the tables.
"""
import argparse
import os
import re
import sys

SCALARS = {'int': 'int32_t', 'long': 'int64_t', 'double': 'double', 'bool': 'bool'}
PLAIN = {'string': 'const char *', 'json': 'const char *', 'blob': 'struct shape_blob ', 'timestamp': 'int64_t ',
         'map': 'struct string_map '}
KINDS = {'string': 'STRING', 'blob': 'BLOB', 'json': 'JSON', 'timestamp': 'TIMESTAMP', 'int': 'INT', 'long': 'LONG',
         'double': 'DOUBLE', 'bool': 'BOOL', 'map': 'MAP'}
FLAGS = {'required': 'SHAPE_REQUIRED', 'always': 'SHAPE_ALWAYS', 'sensitive': 'SHAPE_SENSITIVE', 'iso8601': 'SHAPE_ISO8601',
         'millis': 'SHAPE_MILLIS', 'open': 'SHAPE_OPEN_ENUM', 'numbers': 'SHAPE_NUMBERS'}
RANGED = {'int', 'long', 'double'}
PROPERTIES = {'target', 'version', 'namespace', 'permission', 'protocol'}
# What a declaration needs behind its keyword.
ARGUMENTS = {'prefix': 'NAME', 'import': 'NAME', 'service': 'NAME', 'enum': 'NAME', 'struct': 'NAME', 'error': 'NAME STATUS',
             'operation': 'NAME INPUT OUTPUT'}
KEYWORDS = set('auto break case char const continue default do double else enum extern float for goto if inline int long '
               'register restrict return short signed sizeof static struct switch typedef union unsigned void volatile '
               'while bool has errno stdin stdout stderr unix linux'.split())


class IdlError(Exception):
    pass


def snake(name):
    name = re.sub(r'IPv(\d)', r'Ipv\1', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'[^A-Za-z0-9]+', '_', name).lower().strip('_')
    return name + '_' if name in KEYWORDS else name


class Member:
    def __init__(self, words, where):
        if len(words) < 2:
            raise IdlError(f'{where}: member {words[0]} has no type')
        self.wire, self.type, self.where = words[0], words[1], where
        self.c_name = snake(self.wire)
        self.flags, self.bounds, self.default = set(), (None, None), None
        for flag in words[2:]:
            self.add_flag(flag)

    def add_flag(self, flag):
        m = re.fullmatch(r'(\w+)\((.*)\)', flag)
        if m and m.group(1) in ('range', 'len'):
            if m.group(1) != ('range' if self.type in RANGED else 'len'):
                raise IdlError(f'{self.where}: {m.group(1)} does not fit type {self.type}')
            bounds = re.fullmatch(r'(-?\d*),(-?\d*)', m.group(2))
            if not bounds or bounds.group(0) == ',':
                raise IdlError(f'{self.where}: {flag} must be {m.group(1)}(low,high), of which one may be left out')
            self.bounds = tuple(int(b) if b else None for b in bounds.groups())
        elif m and m.group(1) == 'default':
            self.default = m.group(2)
        elif flag in FLAGS:
            self.flags.add(flag)
        else:
            raise IdlError(f'{self.where}: unknown flag {flag}')


class Idl:
    def __init__(self, name, directory):
        self.name, self.directory, self.prefix = name, directory, snake(name)
        self.imports, self.enums, self.structs, self.versions = {}, {}, {}, {}
        self.errors, self.operations, self.service = {}, [], None
        self.parse(os.path.join(directory, name + '.idl'))

    def parse(self, path):
        current = None
        with open(path, encoding='utf-8') as lines:
            for number, line in enumerate(lines, 1):
                where = f'{path}:{number}'
                words = line.split('#')[0].split()
                if not words:
                    continue
                if line[0].isspace():
                    if current is None:
                        raise IdlError(f'{where}: an indented line without a declaration above it')
                    current(words, where)
                else:
                    current = self.declare(words, where)

    def declare(self, words, where):
        keyword, rest = words[0], words[1:]
        if keyword not in ARGUMENTS:
            raise IdlError(f'{where}: unknown declaration {keyword}')
        if len(rest) < len(ARGUMENTS[keyword].split()):
            raise IdlError(f'{where}: {keyword} needs {ARGUMENTS[keyword]}')
        if keyword == 'prefix':
            self.prefix = rest[0]
            return None
        if keyword == 'import':
            if not os.path.exists(os.path.join(self.directory, rest[0] + '.idl')):
                raise IdlError(f'{where}: there is no {rest[0]}.idl in {self.directory}')
            self.imports[rest[0]] = Idl(rest[0], self.directory)
            return None
        if keyword == 'enum':
            if rest[0] in self.enums:
                raise IdlError(f'{where}: enum {rest[0]} declared twice')
            self.enums[rest[0]] = []
            self.add_words(rest[0], rest[1:], where)
            return lambda w, at: self.add_words(rest[0], w, at)
        if keyword == 'struct':
            if rest[0] in self.structs:
                raise IdlError(f'{where}: struct {rest[0]} declared twice')
            members = self.structs[rest[0]] = []
            if len(rest) > 1:
                version = re.fullmatch(r'version\(([1-9]\d{0,4})\)', rest[1])
                if not version or int(version.group(1)) > 65535:
                    raise IdlError(f'{where}: {rest[1]} must be version(N), N from 1 to 65535')
                self.versions[rest[0]] = int(version.group(1))
            return lambda w, at: members.append(Member(w, at))
        if keyword == 'error':
            if rest[0] in self.errors or not re.fullmatch(r'[45]\d\d', rest[1]):
                raise IdlError(f'{where}: error {rest[0]} ' + ('declared twice' if rest[0] in self.errors else 'needs a status 4xx or 5xx'))
            self.errors[rest[0]] = int(rest[1])
            return None
        if keyword == 'service':
            if self.service:
                raise IdlError(f'{where}: a second service')
            self.service = {'name': rest[0]}
            return self.add_property
        if any(op['name'] == rest[0] for op in self.operations):
            raise IdlError(f'{where}: operation {rest[0]} declared twice')
        op = {'name': rest[0], 'input': rest[1], 'output': rest[2], 'errors': [], 'where': where}
        self.operations.append(op)
        return lambda w, at: self.add_errors(op, w, at)

    def add_words(self, name, words, where):
        for word in words:
            if enum_constant('', word) in (enum_constant('', other) for other in self.enums[name]):
                raise IdlError(f'{where}: word {word} of {name} given twice')
            self.enums[name].append(word)

    def add_property(self, words, where):
        if words[0] not in PROPERTIES or len(words) != 2:
            raise IdlError(f'{where}: a service has {", ".join(sorted(PROPERTIES))}, each with one value')
        self.service[words[0]] = words[1]

    @staticmethod
    def add_errors(op, words, where):
        if words[0] != 'errors':
            raise IdlError(f'{where}: operation {op["name"]} may have a line that starts with "errors", not {words[0]}')
        op['errors'].extend(words[1:])

    def resolve(self, name, where):
        """('enum' or 'struct', C name) of a named type."""
        owner, short = self, name
        if '.' in name:
            space, short = name.split('.', 1)
            if space not in self.imports:
                raise IdlError(f'{where}: {space} is not imported')
            owner = self.imports[space]
        c_name = f'{owner.prefix}_{snake(short)}'
        if short in owner.enums:
            return 'enum', c_name
        if short in owner.structs:
            return 'struct', c_name
        raise IdlError(f'{where}: no type {name}')

    def check(self):
        for name, members in self.structs.items():
            self.check_struct(name, members)
        if self.operations and not self.service:
            raise IdlError(f'{self.operations[0]["where"]}: operations need a service')
        for op in self.operations:
            for shape in (op['input'], op['output']):
                if shape != '-' and shape not in self.structs:
                    raise IdlError(f'{op["where"]}: no struct {shape}')
            for error in op['errors']:
                if error not in self.errors:
                    raise IdlError(f'{op["where"]}: error {error} of {op["name"]} is not declared')

    def check_struct(self, name, members):
        seen = set()
        for m in members:
            if m.c_name in seen:
                raise IdlError(f'{m.where}: member {m.wire} of {name} declared twice')
            seen.add(m.c_name)
            if m.default is not None:
                self.check_default(m)
        if sum(m.type in SCALARS for m in members) > 64:
            raise IdlError(f'{members[-1].where}: {name} has more than 64 members of type int, long, double or bool')
        if len(members) > 255:
            raise IdlError(f'{members[-1].where}: {name} has more than 255 members')

    def check_default(self, m):
        if m.type in ('int', 'long', 'double'):
            good = re.fullmatch(r'-?\d+', m.default)
        elif m.type == 'bool':
            good = m.default in ('true', 'false')
        else:
            good = m.type not in KINDS and ':' not in m.type and m.default in self.words_of(m)
        if not good:
            raise IdlError(f'{m.where}: {m.default} is no default that type {m.type} can have')

    def words_of(self, m):
        space, _, short = m.type.rpartition('.')
        return (self.imports[space] if space in self.imports else self).enums.get(short, [])


def enum_constant(c_name, word):
    return f'{c_name}_{re.sub(r"[^A-Za-z0-9]+", "_", word)}'.upper()


def c_member(idl, m):
    if m.type in SCALARS:
        return f'{SCALARS[m.type]} {m.c_name};'
    if m.type in PLAIN:
        return f'{PLAIN[m.type]}{m.c_name};'
    if m.type.startswith('list:'):
        element = m.type[5:]
        if element == 'string':
            return f'struct string_list {m.c_name};'
        if element == 'double':
            return f'struct double_list {m.c_name};'
        if element in ('int', 'long', 'timestamp'):
            return f'struct int_list {m.c_name};'
        kind, c_name = idl.resolve(element, m.where)
        return f'struct int_list {m.c_name};' if kind == 'enum' else f'struct {c_name}_list {m.c_name};'
    kind, c_name = idl.resolve(m.type, m.where)
    return f'enum {c_name} {m.c_name};' if kind == 'enum' else f'struct {c_name} *{m.c_name};'


def write_header(idl, out):
    out('/* Generated from api/%s.idl by tools/shapegen.py: do not edit. */' % idl.name)
    out('#pragma once\n\n#include "codec/shape.h"')
    for name in idl.imports:
        out(f'#include "api/{name}.idl.h"')
    out('')
    for name, words in idl.enums.items():
        c_name = f'{idl.prefix}_{snake(name)}'
        out(f'enum {c_name} {{')
        out(f'        {c_name.upper()}_UNSET = 0,')
        for word in words:
            out(f'        {enum_constant(c_name, word)},')
        out(f'        {c_name.upper()}_MAX\n}};')
        out(f'extern const struct shape_enum {c_name}_enum;\n')
    for name in idl.structs:
        c_name = f'{idl.prefix}_{snake(name)}'
        out(f'struct {c_name};')
        out(f'struct {c_name}_list {{\n        struct {c_name} *items;\n        uint32_t n, room_;\n}};')
    out('')
    for name, members in idl.structs.items():
        c_name = f'{idl.prefix}_{snake(name)}'
        bit = 0
        for m in members:
            if m.type in SCALARS:
                out(f'#define {c_name}_has_{m.c_name} (UINT64_C(1) << {bit})')
                bit += 1
        out(f'struct {c_name} {{')
        out('        uint64_t has;')
        for m in members:
            out('        ' + c_member(idl, m))
        out('};')
        out(f'extern const struct shape {c_name}_shape;\n')
    if idl.errors:
        out(f'/* Errors of the service. */\nenum {idl.prefix}_error {{')
        out(f'        {idl.prefix.upper()}_ERROR_NONE = 0,')
        for name in idl.errors:
            out(f'        {enum_constant(idl.prefix + "_error", snake(name))},')
        out('};')
        out(f'/* HTTP status of an error name; 0 when the service has none of that name. */')
        out(f'int {idl.prefix}_error_status(const char *name);\n')
    if idl.operations:
        out(f'enum {idl.prefix}_operation {{')
        for i, op in enumerate(idl.operations):
            out(f'        {enum_constant(idl.prefix + "_op", snake(op["name"]))} = {i},')
        out(f'        {idl.prefix.upper()}_OP_MAX\n}};')
        out(f'extern const struct shape_service {idl.prefix}_service;')
        out(f'/* X(snake_name, input, output) for every operation. */')
        out(f'#define {idl.prefix.upper()}_OPERATIONS(X) \\')
        rows = [f'        X({snake(op["name"])}, {op_shape(idl, op["input"])}, {op_shape(idl, op["output"])})'
                for op in idl.operations]
        out(' \\\n'.join(rows))


def op_shape(idl, name):
    if name == '-':
        return 'shape_empty'
    return f'{idl.prefix}_{snake(name)}'


def c_string(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def field_row(idl, c_name, m):
    kind, element, shape, enumeration = None, '0', 'NULL', 'NULL'
    if m.type in KINDS:
        kind = KINDS[m.type]
    elif m.type.startswith('list:'):
        kind, inner = 'LIST', m.type[5:]
        if inner in KINDS:
            element = 'SHAPE_' + KINDS[inner]
        else:
            what, target = idl.resolve(inner, m.where)
            element = 'SHAPE_' + what.upper()
            shape, enumeration = (f'&{target}_shape', 'NULL') if what == 'struct' else ('NULL', f'&{target}_enum')
    else:
        what, target = idl.resolve(m.type, m.where)
        kind = what.upper()
        shape, enumeration = (f'&{target}_shape', 'NULL') if what == 'struct' else ('NULL', f'&{target}_enum')
    flags = [FLAGS[f] for f in sorted(m.flags)]
    low, high = m.bounds
    if low is not None:
        flags.append('SHAPE_HAS_MIN')
    if high is not None:
        flags.append('SHAPE_HAS_MAX')
    default = '0'
    if m.default is not None:
        flags.append('SHAPE_HAS_DEFAULT')
        default = m.default
        if kind == 'ENUM':
            default = enum_constant(idl.resolve(m.type, m.where)[1], default)
        elif kind == 'BOOL':
            default = {'true': '1', 'false': '0'}[default]
    return (f'        {{.wire = {c_string(m.wire)}, .c_name = {c_string(m.c_name)}, .wire_len = {len(m.wire)}, '
            f'.kind = SHAPE_{kind}, .element = {element}, .has_bit = {getattr(m, "bit", -1)}, '
            f'.flags = {" | ".join(flags) or "0"}, .offset = offsetof(struct {c_name}, {m.c_name}), '
            f'.shape = {shape}, .enumeration = {enumeration}, .min = {low or 0}, .max = {high or 0}, '
            f'.default_value = {default}}},')


def write_source(idl, out):
    out('/* Generated from api/%s.idl by tools/shapegen.py: do not edit. */' % idl.name)
    out(f'#include "api/{idl.name}.idl.h"\n\n#include <string.h>\n')
    for name, words in idl.enums.items():
        c_name = f'{idl.prefix}_{snake(name)}'
        out(f'static const char *const {c_name}_names[] = {{NULL, {", ".join(c_string(w) for w in words)}}};')
        out(f'const struct shape_enum {c_name}_enum = {{{c_string(name)}, {c_name}_names, {len(words) + 1}}};\n')
    for name, members in idl.structs.items():
        c_name = f'{idl.prefix}_{snake(name)}'
        bit = 0
        for m in members:
            if m.type in SCALARS:
                m.bit, bit = bit, bit + 1
        if members:
            out(f'static const struct shape_field {c_name}_fields[] = {{')
            for m in members:
                out(field_row(idl, c_name, m))
            out('};')
        fields = f'{c_name}_fields' if members else 'NULL'
        # Members in the order of their names: the engine finds a member by bisection.
        order = sorted(range(len(members)), key=lambda i: (len(members[i].wire), members[i].wire.encode()))
        lookup = 'NULL'
        if members:
            lookup = f'{c_name}_lookup'
            out(f'static const uint8_t {lookup}[] = {{{", ".join(map(str, order))}}};')
        out(f'const struct shape {c_name}_shape = {{.name = {c_string(name)}, .size = sizeof(struct {c_name}), '
            f'.n_fields = {len(members)}, .fields = {fields}, .lookup = {lookup}, .version = {idl.versions.get(name, 0)}}};\n')
    if idl.errors:
        out(f'int {idl.prefix}_error_status(const char *name)\n{{')
        out('        static const struct {\n                const char *name;\n                int status;\n        } rows[] = {')
        for name, status in idl.errors.items():
            out(f'                {{{c_string(name)}, {status}}},')
        out('        };\n\n        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)')
        out('                if (strcmp(rows[i].name, name) == 0)\n                        return rows[i].status;')
        out('        return 0;\n}\n')
    if idl.operations:
        service = idl.service
        permission = service.get('permission', service['name'])
        for op in idl.operations:
            names = ''.join(c_string(e) + ', ' for e in op['errors'])
            out(f'static const char *const {idl.prefix}_{snake(op["name"])}_errors[] = {{{names}NULL}};')
        out(f'\nstatic const struct shape_operation {idl.prefix}_operations[] = {{')
        for i, op in enumerate(idl.operations):
            out(f'        {{{c_string(op["name"])}, &{op_shape(idl, op["input"])}_shape, &{op_shape(idl, op["output"])}_shape, '
                f'{idl.prefix}_{snake(op["name"])}_errors, {c_string(permission + ":" + op["name"])}, {i}}},')
        out('};\n')

        def quoted(key):
            return c_string(service[key]) if key in service else 'NULL'
        out(f'const struct shape_service {idl.prefix}_service = {{.name = {c_string(service["name"])}, '
            f'.target_prefix = {quoted("target")}, .version = {quoted("version")}, .xml_namespace = {quoted("namespace")}, '
            f'.protocol = {quoted("protocol")}, '
            f'.operations = {idl.prefix}_operations, .n_operations = {len(idl.operations)}}};')


def write(path, emit, idl):
    lines = []
    emit(idl, lines.append)
    with open(path, 'w', encoding='utf-8') as f:
        f.write('\n'.join(lines) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--idl-dir', default='api')
    parser.add_argument('--header', required=True)
    parser.add_argument('--source', required=True)
    parser.add_argument('name')
    args = parser.parse_args()
    try:
        idl = Idl(args.name, args.idl_dir)
        idl.check()
        write(args.header, write_header, idl)
        write(args.source, write_source, idl)
    except IdlError as e:
        sys.exit(str(e))


if __name__ == '__main__':
    main()
