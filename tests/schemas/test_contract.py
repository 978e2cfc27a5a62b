#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the contract's page say what the schemas and the workers say?

The page is made anew and read as a browser would read it. Every channel, message, field, reason and
header must be on it, every link must lead somewhere, nothing on it may need a script or another
host. What it shows as an example must be taken, and what it shows as a counter-example be refused
for the reason and at the pointer that stand beside it, by the workers' own decoder (tallyctl
validate) and by an independent validator.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import test_schemas  # noqa: E402
from test_schemas import FILES, SCHEMAS, block_yaml  # noqa: E402

GENERATOR = os.path.join(SCHEMAS, 'contract.py')
BYTES_MOST = 150000
ENVELOPE = 'envelope.schema.json'
# What the page's server has besides the files of schemas/.
PAGES = {'./', 'contract', 'style.css', 'contract.css'}
WHOLE = {'specversion': '1.0', 'id': 'x-1', 'source': '/shop', 'time': '2026-03-05T08:00:00Z'}


def made(schemas=SCHEMAS):
	"""The files that the generator writes, by name."""
	with tempfile.TemporaryDirectory() as out:
		subprocess.run([sys.executable, GENERATOR, '--schemas', schemas, '--out', out], check=True)
		texts = {}
		for name in sorted(os.listdir(out)):
			with open(os.path.join(out, name), encoding='utf-8') as file:
				texts[name] = file.read()
		return texts


class Page(HTMLParser):
	"""Tags, links and ids; tables and <pre> by the id of the message they stand in."""

	def __init__(self, text):
		super().__init__()
		self.tags, self.links, self.ids, self.attributes = set(), [], [], set()
		self.tables, self.examples, self.message = {}, {}, ''
		self.rows = self.cell = None
		self.text = []
		self.feed(text)

	def handle_starttag(self, tag, attrs):
		attrs = dict(attrs)
		self.tags.add(tag)
		self.attributes.update(attrs)
		self.links += [attrs[name] for name in ('href', 'src') if name in attrs]
		if 'id' in attrs:
			self.ids.append(attrs['id'])
		if tag in ('details', 'h2'):
			self.message = attrs.get('id', '')
		if attrs.get('role') == 'region':
			self.rows = self.tables.setdefault(attrs['aria-label'], [])
		if tag == 'tr':
			self.rows.append([])
		if tag in ('td', 'th', 'pre'):
			self.cell = []

	def handle_data(self, data):
		self.text.append(data)
		if self.cell is not None:
			self.cell.append(data)

	def handle_endtag(self, tag):
		if tag in ('td', 'th'):
			self.rows[-1].append(''.join(self.cell))
			self.cell = None
		elif tag == 'pre':
			self.examples.setdefault(self.message, []).append(json.loads(''.join(self.cell)))
			self.cell = None

	def fields(self, about):
		"""{field: row} of a message."""
		return {row[0]: row for row in self.tables['Fields of ' + about][1:]}

	def refused(self, about):
		"""(reason, pointer, value) of each counter-example."""
		return [(reason, pointer, json.loads(text)) for reason, pointer, text
		        in self.tables['What is refused of ' + about][1:]]


def locate(path, node):
	"""A node and its file, with what its $refs add to it; written apart from the generator's."""
	if '$ref' not in node:
		return path, node
	name, _, pointer = node['$ref'].partition('#')
	target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
	found = FILES[target]
	for step in pointer.split('/')[1:]:
		found = found[step]
	target, found = locate(target, found)
	return target, {**found, **{key: node[key] for key in node if key != '$ref'}}


def walk(path, node, prefix=''):
	"""(name, node, required) of every field of a file, nested ones too."""
	path, node = locate(path, node)
	for name, inner in node.get('properties', {}).items():
		at, whole = locate(path, inner)
		yield prefix + name, whole, name in node.get('required', ())
		if whole['type'] == 'array':
			yield from walk(at, whole['items'], prefix + name + '[].')
		else:
			yield from walk(at, whole, prefix + name + '.')


def judged(events):
	"""What tallyctl validate says of each event: (reason or None, pointer or None)."""
	tallyctl = os.path.join(test_schemas.PROGRAMS, 'tallyctl')
	text = ''.join(json.dumps(event) + '\n' for event in events)
	done = subprocess.run([tallyctl, 'validate', '--json', '-'], input=text, text=True,
	                      capture_output=True, check=False)
	lines = json.loads(done.stdout)['lines']
	assert len(lines) == len(events), done.stderr
	return [(line.get('reason'), line.get('path')) for line in lines]


class Contract(unittest.TestCase):
	@classmethod
	def setUpClass(cls):
		cls.made = made()
		cls.text = cls.made['contract.html']
		cls.page = Page(cls.text)
		cls.api = block_yaml.read(os.path.join(SCHEMAS, 'asyncapi.yaml'))
		cls.orders = [os.path.basename(path)[:-len('.schema.json')] for path in FILES
		              if path.startswith('orders/')]

	def test_two_runs_give_the_same(self):
		self.assertEqual(sorted(self.made), ['contract.html', 'contract_files.c'])
		self.assertEqual(self.made, made())

	def test_it_is_small_and_needs_nothing(self):
		self.assertLess(len(self.text.encode()), BYTES_MOST)
		self.assertFalse(self.page.tags & {'script', 'style', 'img', 'iframe', 'object', 'form'})
		self.assertFalse({name for name in self.page.attributes if name.startswith('on')} |
		                 self.page.attributes & {'style', 'src', 'srcset'})

	def test_links_lead_somewhere(self):
		self.assertEqual(len(self.page.ids), len(set(self.page.ids)))
		served = set(re.findall(r'^\t\{ "/([^"]+)"', self.made['contract_files.c'], re.M))
		self.assertEqual(served, {'contract', 'contract/asyncapi.yaml'} |
		                 {'contract/' + path for path in FILES})
		for link in self.page.links:
			if link.startswith('#'):
				self.assertIn(link[1:], self.page.ids)
			elif not link.startswith(('https:', 'data:')):
				self.assertIn(link, served | PAGES)
		for path in served - {'contract'}:
			self.assertIn(path, self.page.links)

	def test_every_channel_and_message(self):
		words = ' '.join(''.join(self.page.text).split())
		for name, channel in self.api['channels'].items():
			self.assertIn('topic-' + name, self.page.ids)
			self.assertIn('Topic ' + channel['address'], words)
			self.assertIn(channel['description'], words)
			for message in channel['messages']:
				self.assertIn(message, self.page.ids)
		for operation in self.api['operations'].values():
			self.assertIn(operation['summary'], words)

	def test_every_reason_and_header(self):
		headers = self.api['components']['messages']['refused']['headers']['schema']['properties']
		self.assertLess(5, len(headers))
		for name in headers:
			self.assertIn('header-' + name, self.page.ids)
		for reason in headers['tw-reason']['enum']:
			self.assertIn('reason-' + reason, self.page.ids)

	def must_have_fields(self, page, about, path, files=None):
		wanted = list(walk(path, (files or FILES)[path]))
		found = page.fields(about)
		self.assertEqual(list(found), [name for name, _, _ in wanted])
		for name, node, required in wanted:
			_, kind, bounds, needed, words, reason = found[name]
			self.assertEqual(needed, 'yes' if required else 'no', name)
			self.assertEqual(words, node.get('description', ''), name)
			self.assertEqual('minor units' in kind, node.get('x-reason') == 'bad_money', name)
			self.assertIn({'integer': 'integer', 'string': 'text', 'boolean': 'true or false',
			               'array': 'list of', 'object': 'object'}[node['type']], kind)
			for limit in ('minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems'):
				if limit in node:
					self.assertRegex(bounds, r'(^|\D)%s(\D|$)' % format(node[limit], ','), name)
			for choice in node.get('enum', ()):
				self.assertIn(choice, bounds)
			self.assertTrue(reason)

	def test_every_field(self):
		shown = set()
		for name, message in self.api['components']['messages'].items():
			schema = message.get('payload', {}).get('schema', {})
			node = schema['allOf'][1]['properties']['data'] if 'allOf' in schema else \
				schema.get('items')
			if node is None:
				continue
			path = os.path.normpath(node['$ref'])
			if 'Fields of ' + name in self.page.tables:
				with self.subTest(name):
					self.must_have_fields(self.page, name, path)
				shown.add(locate(path, FILES[path])[0])
			self.assertIn(locate(path, FILES[path])[0], shown, name)
		self.must_have_fields(self.page, 'the envelope', ENVELOPE)

	def test_what_it_refuses_a_field_as(self):
		fields = self.page.fields('order.created')
		self.assertEqual({name: fields[name][-1] for name in (
			'order_id', 'amount', 'splits', 'splits[].weight', 'lines[].unit_price')},
			{'order_id': 'bad_field', 'amount': 'bad_money', 'splits': 'bad_splits',
			 'splits[].weight': 'bad_splits', 'lines[].unit_price': 'bad_money'})

	def test_a_new_field_gets_on_the_page(self):
		with tempfile.TemporaryDirectory() as folder:
			copy = os.path.join(folder, 'schemas')
			shutil.copytree(SCHEMAS, copy)
			path = os.path.join(copy, 'orders/order.cancelled.schema.json')
			with open(path, encoding='utf-8') as file:
				document = json.load(file)
			document['properties']['days'] = {'type': 'integer', 'minimum': 3, 'maximum': 4000,
			                                  'description': 'How late.'}
			with open(path, 'w', encoding='utf-8') as file:
				json.dump(document, file)
			page = Page(made(copy)['contract.html'])
		self.assertEqual(page.fields('order.cancelled')['days'],
		                 ['days', 'integer', '3 to 4,000', 'no', 'How late.', 'bad_field'])
		self.assertNotIn('days', self.page.fields('order.cancelled'))

	def test_examples_are_taken(self):
		events = []
		for name in self.orders:
			document = FILES['orders/%s.schema.json' % name]
			shown = self.page.examples[name]
			self.assertEqual([event['data'] for event in shown], document['examples'][:2])
			for event in shown:
				self.assertEqual((event['type'], event['subject']),
				                 (name, event['data']['order_id']))
				test_schemas.validator(FILES[ENVELOPE]).validate(event)
				test_schemas.validator(document).validate(event['data'])
			events += shown
		self.assertEqual(judged(events), [(None, None)] * len(events))

	def test_counter_examples_are_refused_as_it_says(self):
		events, wanted = [], []
		for name in self.orders:
			cases = self.page.refused(name)
			document = FILES['orders/%s.schema.json' % name]
			self.assertEqual([value for _, _, value in cases],
			                 [case['value'] for case in document['x-counter-examples']])
			events += [{**WHOLE, 'type': name, 'data': value} for _, _, value in cases]
			wanted += [(reason, pointer) for reason, pointer, _ in cases]
		for reason, pointer, value in self.page.refused('the envelope'):
			events.append(value)
			wanted.append((reason, pointer))
		self.assertLess(30, len(wanted))
		self.assertEqual(judged(events), wanted)

	def test_other_messages_have_both_kinds(self):
		for name in self.page.examples:
			self.assertTrue(self.page.refused(name), name)
		for path, document in FILES.items():
			name = os.path.basename(path)[:-len('.schema.json')]
			if path.startswith(('reference/', 'control/')):
				self.assertEqual(self.page.examples[name], document['examples'][:1])


if __name__ == '__main__':
	unittest.main(verbosity=1)
