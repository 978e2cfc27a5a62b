#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What may change in a schema: compares the schemas with those of the last release.

usage: compatibility.py check            says what is not compatible; status 1 if anything is
       compatibility.py freeze VERSION   at a release: writes released.json anew

released.json is a summary: of each file its fields by path, each with its type, limits and whether
it is required; and the codes of refusals. Two promises are kept. What was valid is still read (logs
are folded again from their beginning): no field and no event goes away, nothing that was optional
is required, no type or limit gets narrower. And what we write is still understood: there no limit
or list of words gets wider, and what was always there stays so. Content is open, so a field that is
new and optional breaks nobody. Standard library only.
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASED = os.path.join(HERE, 'released.json')
REASONS = os.path.join(os.path.dirname(HERE), 'common', 'codec', 'reason.h')
SUFFIX = '.schema.json'
SHARED = 'common' + SUFFIX # words of the others, which are compared where they are used

# Folders of what others read; state/ is read by us as well.
WRITTEN = ('out', 'state')
ONLY_WRITTEN = ('out',)
LOWER = ('minimum', 'minLength', 'minItems')
UPPER = ('maximum', 'maxLength', 'maxItems')
EXACT = ('pattern', 'format', 'const')


# --- The summary ----------------------------------------------------------------------------------

def load(folder):
	files = {}
	for parent, _, names in os.walk(folder):
		for name in names:
			if name.endswith(SUFFIX):
				path = os.path.join(parent, name)
				with open(path, encoding='utf-8') as file:
					files[os.path.relpath(path, folder)] = json.load(file)
	return files


def resolve(files, path, node):
	"""The node that is meant, and the file it stands in."""
	while '$ref' in node:
		name, _, pointer = node['$ref'].partition('#')
		if name:
			path = os.path.normpath(os.path.join(os.path.dirname(path), name))
		node = files[path]
		for step in pointer.split('/')[1:]:
			node = node[step]
	return path, node


def add_fields(files, path, node, prefix, fields):
	path, node = resolve(files, path, node)
	if node.get('type') == 'array':
		add_field(files, path, node['items'], prefix + '[]', True, fields)
	for name, field in node.get('properties', {}).items():
		where = prefix + '.' + name if prefix else name
		add_field(files, path, field, where, name in node.get('required', ()), fields)


def add_field(files, path, field, where, required, fields):
	_, node = resolve(files, path, field)
	kept = ('type', 'enum') + LOWER + UPPER + EXACT
	fields[where] = {'required': required, **{key: node[key] for key in kept if key in node}}
	add_fields(files, path, field, where, fields)


def summary_of(files, codes):
	"""files: path -> document; codes: of refusals."""
	types = {}
	for path, document in sorted(files.items()):
		if path != SHARED:
			fields = types[path[:-len(SUFFIX)]] = {}
			add_fields(files, path, document, '', fields)
	return {'types': types, 'reasons': sorted(codes)}


def current():
	with open(REASONS, encoding='utf-8') as file:
		codes = set(re.findall(r'X\(REASON_\w+, "(\w+)"', file.read())) - {'none'}
	return summary_of(load(HERE), codes)


# --- The comparison -------------------------------------------------------------------------------

def narrower(old, new):
	"""In which respects the new field takes less than the old one."""
	found = [key for key in LOWER if new.get(key, -1 << 64) > old.get(key, -1 << 64)]
	found += [key for key in UPPER if new.get(key, 1 << 64) < old.get(key, 1 << 64)]
	found += [key for key in EXACT if key in new and new[key] != old.get(key)]
	if 'enum' in new and not set(old.get('enum', [None])) <= set(new['enum']):
		found.append('enum')
	return found


def field_faults(old, new, is_read, is_written):
	if old['type'] != new['type']:
		return ['is %s, was %s' % (new['type'], old['type'])]
	faults = []
	if is_read:
		faults += ['%s takes less than it did' % key for key in narrower(old, new)]
		if new['required'] and not old['required']:
			faults.append('is required, was not')
	if is_written:
		faults += ['%s allows more than readers know' % key for key in narrower(new, old)]
		if old['required'] and not new['required']:
			faults.append('may be absent, was always there')
	return faults


def type_faults(name, old, new):
	folder = name.partition('/')[0]
	is_read, is_written = folder not in ONLY_WRITTEN, folder in WRITTEN
	for path, field in old.items():
		if path not in new:
			yield '%s: %s is gone' % (name, path)
			continue
		for words in field_faults(field, new[path], is_read, is_written):
			yield '%s: %s %s' % (name, path, words)
	for path, field in new.items():
		parent = path.rpartition('.')[0]
		# Inside something new anything may be required, and of an array there is always an item.
		if path in old or not is_read or not field['required'] or path.endswith('[]'):
			continue
		if not parent or parent in old:
			yield '%s: %s is new and required' % (name, path)


def faults(old, new):
	"""What in the new summary breaks somebody who relies on the old one."""
	found = ['reason %s is gone' % code for code in old['reasons'] if code not in new['reasons']]
	for name, fields in old['types'].items():
		if name in new['types']:
			found += type_faults(name, fields, new['types'][name])
		else:
			found.append('%s is gone' % name)
	return found


def released():
	with open(RELEASED, encoding='utf-8') as file:
		return json.load(file)


def freeze(version):
	"""A line a field, so that a difference between releases can be read."""
	found = current()
	types = [',\n'.join('\t\t\t%s: %s' % (json.dumps(path), json.dumps(field, sort_keys=True))
	                    for path, field in fields.items()) for fields in found['types'].values()]
	blocks = ['\t\t%s: {\n%s\n\t\t}' % (json.dumps(name), text)
	          for name, text in zip(found['types'], types)]
	with open(RELEASED, 'w', encoding='utf-8') as file:
		file.write('{\n\t"version": %s,\n\t"reasons": %s,\n\t"types": {\n%s\n\t}\n}\n' % (
			json.dumps(version), json.dumps(found['reasons'], indent='\t').replace('\n', '\n\t'),
			',\n'.join(blocks)))


def main(words):
	if len(words) == 2 and words[0] == 'freeze':
		freeze(words[1])
		return 0
	if words != ['check']:
		sys.exit(__doc__)
	found = faults(released(), current())
	print('\n'.join(found + ['%d incompatible changes since %s' % (
		len(found), released()['version'])]))
	return 1 if found else 0


if __name__ == '__main__':
	sys.exit(main(sys.argv[1:]))
