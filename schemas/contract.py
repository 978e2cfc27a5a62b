#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the contract as a web page: contract.html, and contract_files.c with it and the raw files.

usage: contract.py [--schemas DIR] [--docs DIR] --out DIR

Channels, messages and operations come from asyncapi.yaml, fields, examples and counter-examples
from the JSON Schema files, the rules for upstream, the reasons and the headers from PUBLISH.md,
ERRORS.md and TOPICS.md, so that nothing is written twice. The dashboard serves what comes out: the
page as /contract, the files as they are below /contract/, where asyncapi.yaml finds the schemas it
refers to. Standard library only; the output depends on those texts alone.
"""
import argparse
import html
import json
import os
import re
import sys

import block_yaml
import generate

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'cmake'))
import embed  # noqa: E402

# What the named patterns of common.schema.json ask for.
PATTERNS = {
	'id': 'printable, no space at either end',
	'currency': 'three capital letters',
	'code': 'lower-case letters, digits, underscores',
}
FORMATS = {'date-time': 'text: instant, RFC 3339 with an offset', 'date': 'text: date, 2026-03-05'}
CONTENT_TYPES = {'.html': 'text/html; charset=utf-8', '.yaml': 'application/yaml',
                 '.json': 'application/schema+json'}
# The channel that upstream writes: its messages are shown at once and with every counter-example;
# of the others, which are opened by who wants to see them, some will do.
FULL = 'orders'
SOME = 2
DATA = '/data'


def text_of(value):
	return html.escape(str(value), quote=True)


def code(value):
	return '<code>%s</code>' % text_of(value)


def link(target, words):
	return '<a href="%s">%s</a>' % (text_of(target), words)


def to_reason(reason):
	return link('#reason-' + reason, code(reason))


def json_text(value):
	"""One field a line, what is in a field in one line."""
	if not isinstance(value, dict):
		return json.dumps(value, ensure_ascii=False)
	lines = ['  %s: %s' % (json.dumps(name), json.dumps(inner, ensure_ascii=False))
	         for name, inner in value.items()]
	return '{\n%s\n}' % ',\n'.join(lines) if lines else '{}'


def table(about, heads, rows):
	"""Rows of finished cells; on a narrow screen it scrolls by itself, by keyboard too."""
	out = ['<div class="wide" tabindex="0" role="region" aria-label="%s"><table>' % text_of(about),
	       '<thead><tr>%s</tr></thead><tbody>'
	       % ''.join('<th scope="col">%s</th>' % head for head in heads)]
	for anchor, cells in rows:
		out.append('<tr%s><th scope="row">%s</th>%s</tr>' % (
			' id="%s"' % text_of(anchor) if anchor else '', cells[0],
			''.join('<td>%s</td>' % cell for cell in cells[1:])))
	return '\n'.join(out + ['</tbody></table></div>'])


# --- Sections of our own documents ----------------------------------------------------------------

def section(path, heading):
	"""The lines below a heading of a Markdown file, up to the next one."""
	with open(path, encoding='utf-8') as file:
		_, found, rest = file.read().partition('\n## %s\n' % heading)
	if not found:
		raise ValueError('%s has no section "%s"' % (path, heading))
	return rest.partition('\n## ')[0].strip().split('\n')


def inline(text):
	"""Code, bold and links; a link to another file of ours is its words."""
	out = text_of(text)
	out = re.sub(r'`([^`]+)`', r'<code>\1</code>', out)
	out = re.sub(r'\*\*([^*]+)\*\*', r'<strong>\1</strong>', out)
	out = re.sub(r'\[([^\]]+)\]\((https://[^)]+)\)', r'<a href="\2">\1</a>', out)
	return re.sub(r'\[([^\]]+)\]\([^)]+\)', r'\1', out)


def numbered(lines):
	"""The items of a numbered list."""
	items = []
	for line in lines:
		if re.match(r'\d+\. ', line):
			items.append(line.partition(' ')[2])
		elif line.startswith('   ') and items:
			items[-1] += ' ' + line.strip()
		elif items:
			break
	return '<ol>\n%s\n</ol>' % '\n'.join('<li>%s</li>' % inline(item) for item in items)


def cells_of(line):
	return [cell.strip() for cell in line.strip('|').split(' |')]


def markdown_table(lines, about, anchor):
	rows = [cells_of(line) for line in lines if line.startswith('|')]
	heads = [inline(cell) for cell in rows[0]]
	return table(about, heads, [(anchor + row[0].strip('`'), [inline(cell) for cell in row])
	                            for row in rows[2:]])


# --- Fields ---------------------------------------------------------------------------------------

def kind_words(node):
	kind = node['type']
	if 'format' in node:
		return FORMATS[node['format']]
	words = {'string': 'text', 'boolean': 'true or false'}.get(kind, kind)
	return '%s, %s' % (words, node['x-unit']) if 'x-unit' in node else words


def number(value):
	return '{:,}'.format(value)


def range_words(low, high, what=''):
	if low == high:
		return 'exactly %s%s' % (number(low), what)
	if high is None:
		return '%s or more%s' % (number(low), what) if low is not None else ''
	return '%s to %s%s' % (number(low), number(high), what)


def bound_words(node, pointer):
	kind = node['type']
	if 'const' in node:
		return 'always ' + code(node['const'])
	if 'enum' in node:
		return 'one of ' + ', '.join(map(code, node['enum']))
	if kind == 'integer':
		if 'minimum' not in node and 'maximum' not in node:
			return 'any of 64 bits'
		return range_words(node.get('minimum'), node.get('maximum'))
	if kind == 'array':
		return range_words(node.get('minItems', 0), node['maxItems'], ' items')
	if kind == 'string' and 'maxLength' in node:
		words = range_words(node.get('minLength', 0), node['maxLength'], ' bytes')
		return words + '; ' + PATTERNS[pointer.rpartition('/')[2]] if 'pattern' in node else words
	return ''


class Fields:
	"""The rows of a record's fields, those of what is inside of them below."""

	def __init__(self, model):
		self.model, self.rows = model, []

	def add(self, path, pointer, node, prefix='', fault=None):
		required = node.get('required', ())
		for name, inner in node.get('properties', {}).items():
			at = '%s/properties/%s' % (pointer, name)
			self.field(path, at, inner, prefix + name, name in required, fault)

	def field(self, path, pointer, node, name, required, fault):
		path, pointer, whole = self.model.resolve(path, pointer, node)
		# As the engine has it: inside of a field with a reason everything has that reason.
		fault = fault or whole.get('x-reason')
		kind, bounds = kind_words(whole), bound_words(whole, pointer)
		item = None
		if whole['type'] == 'array':
			item = self.model.resolve(path, pointer + '/items', whole['items'])
			inner = bound_words(item[2], item[1])
			kind = 'list of %s' % {'object': 'objects'}.get(item[2]['type'], kind_words(item[2]))
			bounds += ', each ' + inner if inner else ''
		self.rows.append((None, [code(name), kind, bounds, 'yes' if required else 'no',
		                         text_of(whole.get('description', '')),
		                         code(fault or 'bad_field')]))
		if item and item[2]['type'] == 'object':
			self.add(*item, prefix=name + '[].', fault=fault)
		elif whole['type'] == 'object':
			self.add(path, pointer, whole, prefix=name + '.', fault=fault)


HEADS = ('Field', 'Type and unit', 'Bounds', 'Required', 'What it is', 'Refused as')


def fields_table(model, path, about, reason=None):
	"""The fields of a file; `reason` is that of all its faults."""
	path, pointer, node = model.resolve(path, '', model.files[path])
	fields = Fields(model)
	fields.add(path, pointer, node, fault=reason)
	return table('Fields of ' + about, HEADS, fields.rows)


# --- Messages -------------------------------------------------------------------------------------

def whole_event(kind, data):
	"""An event as a record's value, for those that upstream sends."""
	return {'specversion': '1.0', 'id': 'shop-1', 'source': '/shop', 'type': kind,
	        'subject': data['order_id'], 'time': '2026-03-05T16:00:00+08:00', 'data': data}


def example(words, value):
	return '<p>%s</p>\n<pre>%s</pre>' % (words, text_of(json_text(value)))


def counter_examples(about, cases, prefix):
	rows = [(None, [to_reason(case['reason']), code(prefix + case['path']),
	                code(json.dumps(case['value'], ensure_ascii=False))]) for case in cases]
	return table('What is refused of ' + about, ('Reason', 'Pointer', 'Data'), rows)


def schema_of(message):
	"""The file of a message's data or of a block's entries, and which of the two; or None."""
	schema = message.get('payload', {}).get('schema', {})
	if 'allOf' in schema:
		return os.path.normpath(schema['allOf'][1]['properties']['data']['$ref']), False
	if 'items' in schema:
		return os.path.normpath(schema['items']['$ref']), True
	return None, False


def message_data(model, name, path, is_block, full):
	"""Fields, examples and counter-examples of a file."""
	document = model.resolve(path, '', model.files[path])[2]
	out = [fields_table(model, path, name)]
	for value in document['examples'][:SOME if full else 1]:
		if is_block:
			out.append(example('Example: a block of one entry, the value of a record.', [value]))
		elif full:
			out.append(example('Example: the value of a record with the key %s.'
			                   % code(value['order_id']), whole_event(name, value)))
		else:
			out.append(example('Example of %s.' % code('data'), value))
	out.append('<p>Counter-examples of %s: not valid, for this reason, at this pointer.</p>'
	           % ('an entry' if is_block else code('data')))
	cases = document['x-counter-examples']
	out.append(counter_examples(name, cases if full else cases[:SOME], '' if is_block else DATA))
	return '\n'.join(out)


def message_text(model, name, message, full, seen):
	"""`seen`: what has been shown, files and messages, and in which message."""
	out = ['<details id="%s"%s><summary><strong>%s</strong></summary>'
	       % (text_of(name), ' open' if full else '', text_of(name))]
	path, is_block = schema_of(message)
	if path is None: # a dead letter: headers, and whatever the record was
		return '\n'.join(out + ['<p>%s %s: those on dead letters.</p></details>' % (
			text_of(message['summary']), link('#headers', 'Headers'))])
	out.append('<p>%s %s</p>' % (text_of(model.files[path]['description']),
	                             link('contract/' + path, 'JSON Schema')))
	target = model.resolve(path, '', model.files[path])[0]
	if target in seen:
		out.append('<p>Its data is like that of %s.</p>'
		           % link('#' + seen[target], code(seen[target])))
	else:
		seen[target] = name
		out.append(message_data(model, name, path, is_block, full))
	return '\n'.join(out + ['</details>'])


def channel_text(model, api, name, seen):
	channel = api['channels'][name]
	kafka = channel['bindings']['kafka']
	out = ['<section id="topic-%s" aria-labelledby="head-%s"><h2 id="head-%s">Topic %s</h2>'
	       % (name, name, name, code(channel['address']))]
	out.append('<p>%s</p>' % text_of(channel['description']))
	out.append('<ul><li>%d partition%s, cleanup.policy %s</li>' % (
		kafka['partitions'], 's' if kafka['partitions'] > 1 else '',
		', '.join(kafka['topicConfiguration']['cleanup.policy'])))
	for operation in api['operations'].values():
		if operation['channel']['$ref'] == '#/channels/' + name:
			out.append('<li>%s</li>' % text_of(operation['summary']))
	again = [key for key in channel['messages'] if key in seen]
	if again:
		out.append('<li>Also there: %s</li>' % ', '.join(link('#' + key, code(key))
		                                                 for key in again))
	out.append('</ul>')
	for key in channel['messages']:
		if key not in seen:
			seen[key] = key
			full = name == FULL and not key.startswith('tallyworks.')
			out.append(message_text(model, key, api['components']['messages'][key], full, seen))
	return '\n'.join(out + ['</section>'])


# --- The page -------------------------------------------------------------------------------------

def contents(api):
	items = ['<li>%s</li>' % ' '.join(link('#' + word.lower(), word) for word in (
		'Rules', 'Envelope', 'Headers', 'Reasons', 'Files'))]
	seen = set()
	for name, channel in api['channels'].items():
		fresh = [key for key in channel['messages'] if key not in seen]
		seen.update(fresh)
		items.append('<li>%s %s</li>' % (
			link('#topic-' + name, 'Topic ' + code(channel['address'])),
			' '.join(link('#' + key, text_of(key)) for key in fresh)))
	return '<nav class="contents" aria-label="Contents"><ul>\n%s\n</ul></nav>' % '\n'.join(items)


def page_text(model, api, docs, files):
	envelope = model.files[generate.DOCUMENTATION[0]]
	seen = {}
	topics = [channel_text(model, api, name, seen) for name in api['channels']]
	return '\n'.join([
		'<!doctype html>', '<!-- SPDX-License-Identifier: Apache-2.0 -->', '<html lang="en">',
		'<head>', '<meta charset="utf-8">',
		'<meta name="viewport" content="width=device-width, initial-scale=1">',
		'<meta name="color-scheme" content="light dark">', '<title>Contract of Tallyworks</title>',
		'<link rel="icon" href="data:,">', '<link rel="stylesheet" href="style.css">',
		'<link rel="stylesheet" href="contract.css">', '</head>', '<body>',
		'<a class="skip" href="#main">Skip to the rules</a>',
		'<header><div class="bar-of-views"><strong>Tallyworks</strong>',
		'<nav aria-label="Pages"><a href="./">Figures</a>',
		'<a href="contract" aria-current="page">Contract</a></nav></div></header>',
		'<main id="main" tabindex="-1">', '<h1>The contract: what goes in, what comes out</h1>',
		'<p>Version %s. %s</p>' % (text_of(api['info']['version']),
		                           text_of(api['info']['description'])),
		'<p>For tools: %s (AsyncAPI %s); the %s that it refers to.</p>' % (
			link('contract/asyncapi.yaml', 'asyncapi.yaml'), text_of(api['asyncapi']),
			link('#files', 'JSON Schema files')),
		contents(api), '<h2 id="rules">Rules for who sends events</h2>',
		numbered(section(os.path.join(docs, 'PUBLISH.md'), 'The rules')),
		'<h2 id="envelope">Envelope</h2>', '<p>%s</p>' % text_of(envelope['description']),
		fields_table(model, generate.DOCUMENTATION[0], 'the envelope', 'bad_envelope'),
		'<p>Counter-examples: not valid, for this reason, at this pointer.</p>',
		counter_examples('the envelope', envelope['x-counter-examples'], ''),
		*topics, '<h2 id="headers">Headers</h2>',
		markdown_table(section(os.path.join(docs, 'TOPICS.md'), 'Headers'), 'Headers', 'header-'),
		'<h2 id="reasons">Reasons</h2>',
		'<p>A refused record goes once to the dead-letter topic of its topic; the codes never '
		'change.</p>',
		markdown_table(section(os.path.join(docs, 'ERRORS.md'), 'Why a record was refused'),
		               'Reasons', 'reason-'),
		'<h2 id="files">Files</h2>', '<ul class="files">',
		*('<li>%s</li>' % link('contract/' + path, text_of(path)) for path in files), '</ul>',
		'</main>', '</body>', '</html>', ''])


def c_text(files):
	"""files: (path of the URL, bytes)."""
	out = ['/* SPDX-License-Identifier: Apache-2.0 */',
	       '/* Made by schemas/contract.py; do not edit. */',
	       '#include "services/dashboard/page.h"\n']
	for index, (_, data) in enumerate(files):
		out += ['static const size_t file_%d_len = %d;' % (index, len(data)),
		        'static const char file_%d[] = {\n%s\n};' % (index, embed.c_bytes(data))]
	out.append('const struct page_file contract_files[] = {')
	for index, (path, _) in enumerate(files):
		kind = CONTENT_TYPES[os.path.splitext(path)[1] or '.html']
		out.append('\t{ "%s", "%s", file_%d, &file_%d_len },' % (path, kind, index, index))
	return '\n'.join(out + ['\t{ .path = NULL },', '};', ''])


def main():
	parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
	parser.add_argument('--schemas', default=HERE)
	parser.add_argument('--docs', default=os.path.join(os.path.dirname(HERE), 'docs'))
	parser.add_argument('--out', required=True)
	arguments = parser.parse_args()
	model = generate.Model(generate.load_all(arguments.schemas))
	api = block_yaml.read(os.path.join(arguments.schemas, 'asyncapi.yaml'))
	names = ['asyncapi.yaml', *model.files]
	page = page_text(model, api, arguments.docs, names).encode()
	files = [('/contract', page)]
	for name in names:
		with open(os.path.join(arguments.schemas, name), 'rb') as file:
			files.append(('/contract/' + name, file.read()))
	os.makedirs(arguments.out, exist_ok=True)
	with open(os.path.join(arguments.out, 'contract.html'), 'wb') as file:
		file.write(page)
	with open(os.path.join(arguments.out, 'contract_files.c'), 'w', encoding='ascii') as file:
		file.write(c_text(files))


if __name__ == '__main__':
	main()
