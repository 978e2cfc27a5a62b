#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the schemas what they claim to be, to others as well as to our own engine?

An independent validator (Debian's python3-jsonschema) checks each file against draft 2020-12, each
example and each counter-example. The generator must take the files as they are and refuse, with
file and pointer, whatever is outside of its subset. asyncapi.yaml must name every event file and,
as the worker tables say (tallyctl describe), every topic with what is in it.
"""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import warnings

from jsonschema import Draft202012Validator, FormatChecker, RefResolver

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
SCHEMAS = os.path.join(REPOSITORY, 'schemas')
GENERATOR = os.path.join(SCHEMAS, 'generate.py')
REASON_H = os.path.join(REPOSITORY, 'common', 'codec', 'reason.h')

sys.path.insert(0, SCHEMAS)
import block_yaml  # noqa: E402

PROGRAMS = os.environ.get('TALLY_TEST_BIN') or os.path.join(REPOSITORY, 'build', 'release', 'bin')

# Folders of schemas that are no events: what blocks are made of, what Redis holds.
NO_EVENTS = {'', 'internal', 'state'}
# Not events of their own: shared by others.
SHARED = {'out/commission.schema.json'}

warnings.simplefilter('ignore', DeprecationWarning)


def describe_workers():
	"""The worker tables, as tallyctl prints them."""
	run = subprocess.run([os.path.join(PROGRAMS, 'tallyctl'), 'describe', '--json'],
	                     capture_output=True, text=True, check=True)
	return json.loads(run.stdout)['workers']


def load_schemas():
	files = {}
	for parent, _, names in os.walk(SCHEMAS):
		for name in names:
			if name.endswith('.schema.json'):
				full = os.path.join(parent, name)
				with open(full, encoding='utf-8') as file:
					files[os.path.relpath(full, SCHEMAS)] = json.load(file)
	return dict(sorted(files.items()))


FILES = load_schemas()
STORE = {document['$id']: document for document in FILES.values()}


def validator(document):
	resolver = RefResolver(document['$id'], document, store=STORE)
	return Draft202012Validator(document, resolver=resolver, format_checker=FORMATS)


# The library's own checks of these two need packages that are not there; it then accepts anything.
FORMATS = FormatChecker(formats=())


@FORMATS.checks('date')
def is_date(value):
	match = re.fullmatch(r'(\d{4})-(\d\d)-(\d\d)', value) if isinstance(value, str) else None
	if not isinstance(value, str):
		return True
	if not match:
		return False
	year, month, day = map(int, match.groups())
	leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
	days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
	return 1 <= month <= 12 and 1 <= day <= days[month - 1]


@FORMATS.checks('date-time')
def is_date_time(value):
	if not isinstance(value, str):
		return True
	match = re.fullmatch(r'(.{10})[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](\d\d):(\d\d))', value)
	if not match or not is_date(match.group(1)):
		return False
	hour, minute, second = (int(match.group(i)) for i in (2, 3, 4))
	off_hour, off_minute = (int(match.group(i) or 0) for i in (7, 8))
	return hour < 24 and minute < 60 and second < 60 and off_hour < 24 and off_minute < 60


def generate(schemas):
	"""Runs the generator on a folder; its exit status, words and files."""
	with tempfile.TemporaryDirectory() as out:
		run = subprocess.run([sys.executable, GENERATOR, '--schemas', schemas, '--out', out],
		                     capture_output=True, text=True, check=False)
		texts = {}
		for name in sorted(os.listdir(out)):
			with open(os.path.join(out, name), encoding='ascii') as file:
				texts[name] = file.read()
		return run.returncode, run.stderr, texts


class Files(unittest.TestCase):
	def test_each_is_valid_2020_12(self):
		for path, document in FILES.items():
			with self.subTest(path):
				Draft202012Validator.check_schema(document)

	def test_each_has_examples_of_both_kinds(self):
		for path, document in FILES.items():
			if path != 'common.schema.json':
				with self.subTest(path):
					self.assertTrue(document['examples'])
					self.assertTrue(document['x-counter-examples'])

	def test_examples_validate(self):
		for path, document in FILES.items():
			for index, value in enumerate(document.get('examples', [])):
				with self.subTest(path, index=index):
					validator(document).validate(value)

	def test_counter_examples_fail_at_their_path(self):
		for path, document in FILES.items():
			for index, case in enumerate(document.get('x-counter-examples', [])):
				with self.subTest(path, index=index):
					errors = list(validator(document).iter_errors(case['value']))
					self.assertTrue(errors)
					self.assertIn(case['path'], {at for error in errors for at in paths_of(error)})

	def test_reasons_are_known(self):
		with open(REASON_H, encoding='utf-8') as file:
			codes = set(re.findall(r'X\(REASON_\w+, "(\w+)"', file.read())) - {'none'}
		for path, document in FILES.items():
			for case in document.get('x-counter-examples', []):
				self.assertIn(case['reason'], codes, path)
			for word in re.findall(r'"x-reason": "(\w+)"', json.dumps(document)):
				self.assertIn(word, codes, path)

	def test_descriptions(self):
		for path, document in FILES.items():
			self.assertRegex(document['description'], r'^[A-Z].*\.$', path)

	def test_every_shared_word_is_used(self):
		text = json.dumps(FILES)
		for name in FILES['common.schema.json']['$defs']:
			self.assertIn('common.schema.json#/$defs/%s"' % name, text)


def paths_of(error):
	"""JSON pointers of a validation error; a missing field counts as the field itself."""
	pointer = ''.join('/%s' % part for part in error.absolute_path)
	if error.validator == 'required':
		missing = [name for name in error.validator_value if name not in error.instance]
		return ['%s/%s' % (pointer, name) for name in missing]
	return [pointer]


class Generator(unittest.TestCase):
	def test_two_runs_give_the_same(self):
		first, second = generate(SCHEMAS), generate(SCHEMAS)
		self.assertEqual(first[0], 0, first[1])
		self.assertEqual(sorted(first[2]), ['events.c', 'events.h', 'schema_examples.h'])
		self.assertEqual(first, second)

	def test_every_file_has_its_type(self):
		header = generate(SCHEMAS)[2]['events.h']
		for path in FILES:
			if path not in ('common.schema.json', 'envelope.schema.json'):
				name = os.path.basename(path)[:-len('.schema.json')].replace('.', '_')
				self.assertIn('extern const struct record_type %s_type;' % name, header)

	def refuses(self, pointer, words, change, path='orders/order.created.schema.json'):
		"""A changed copy of one file must be refused at the pointer."""
		with tempfile.TemporaryDirectory() as folder:
			for name, document in FILES.items():
				document = copy.deepcopy(document)
				if name == path:
					change(document)
				full = os.path.join(folder, name)
				os.makedirs(os.path.dirname(full), exist_ok=True)
				with open(full, 'w', encoding='utf-8') as file:
					json.dump(document, file)
			status, stderr, texts = generate(folder)
		self.assertEqual(status, 65, 'was taken: %s' % words)
		self.assertIn('%s#%s: ' % (path, pointer), stderr)
		self.assertIn('%s#%s: ' % (path, pointer), stderr)
		self.assertIn(words, stderr)
		self.assertEqual(texts, {})

	def test_refuses_what_is_not_in_the_subset(self):
		amount = '/properties/amount'
		cases = [
			('', '"oneOf"', lambda d: d.update(oneOf=[])),
			('', '"additionalProperties"', lambda d: d.update(additionalProperties=False)),
			('', '"default"', lambda d: d.update(default={})),
			(amount, '"multipleOf"', lambda d: d['properties'].update(
				amount={'type': 'integer', 'multipleOf': 2})),
			(amount, 'type must be', lambda d: d['properties'].update(amount={'type': 'number'})),
			(amount, 'type must be', lambda d: d['properties'].update(
				amount={'type': ['integer', 'null']})),
			(amount, 'type must be', lambda d: d['properties'].update(amount={})),
			(amount, 'needs maxLength', lambda d: d['properties'].update(
				amount={'type': 'string'})),
			(amount, '$ref to $defs', lambda d: d['properties'].update(
				amount={'type': 'object', 'properties': {'x': {'type': 'boolean'}}})),
			(amount + '/minimum', 'must be of type int', lambda d: d['properties'].update(
				amount={'type': 'integer', 'minimum': 1.5})),
			(amount + '/maximum', '64 bits', lambda d: d['properties'].update(
				amount={'type': 'integer', 'maximum': 1 << 63})),
			(amount + '/pattern', 'named patterns', lambda d: d['properties'].update(
				amount={'type': 'string', 'maxLength': 3, 'pattern': '^x$'})),
			(amount + '/format', 'date', lambda d: d['properties'].update(
				amount={'type': 'string', 'format': 'uri'})),
			(amount + '/enum', 'distinct strings', lambda d: d['properties'].update(
				amount={'type': 'string', 'enum': ['a', 1]})),
			(amount + '/$ref', 'has no', lambda d: d['properties'].update(
				amount={'$ref': '#/$defs/nothing'})),
			(amount + '/$ref', 'no file', lambda d: d['properties'].update(
				amount={'$ref': 'nothing.schema.json'})),
			(amount, 'no C name', lambda d: d['properties']['amount'].update({'x-c-name': 'int'})),
			('', 'same C name', lambda d: d['properties']['amount'].update(
				{'x-c-name': 'currency'})),
			('/properties/splits', 'maxItems', lambda d: d['properties']['splits'].pop('maxItems')),
			('/required', 'not among', lambda d: d['required'].append('nothing')),
			('/examples', 'at least one', lambda d: d.update(examples=[])),
			('/x-counter-examples', 'at least one', lambda d: d.pop('x-counter-examples')),
			('/x-counter-examples/0', 'must have', lambda d: d.update(
				{'x-counter-examples': [{'value': {}}]})),
			('/title', 'stem', lambda d: d.update(title='order')),
			('/$id', 'must be', lambda d: d.update({'$id': 'https://tallyworks.example/x'})),
			('/$schema', '2020-12', lambda d: d.update(
				{'$schema': 'http://json-schema.org/draft-07/schema#'})),
			('', 'more than 64', lambda d: d['properties'].update(
				{'x%d' % i: {'type': 'boolean'} for i in range(64)})),
			('/properties/order_id', 'x-zero-absent', lambda d: d.update({'x-zero-absent': True})),
			('/$defs/split', 'contain itself', lambda d: d['$defs']['split']['properties'].update(
				again={'type': 'array', 'maxItems': 2, 'items': {'$ref': '#/$defs/split'}})),
		]
		for pointer, words, change in cases:
			with self.subTest(words, pointer=pointer):
				self.refuses(pointer, words, change)

	def test_refuses_refs_in_a_circle(self):
		self.refuses('/$defs/place', 'in a row', lambda d: d['$defs'].update(
			place={'$ref': '#/$defs/place'}), path='common.schema.json')

	def test_refuses_a_key_that_stands_twice(self):
		with tempfile.TemporaryDirectory() as folder:
			with open(os.path.join(folder, 'x.schema.json'), 'w', encoding='utf-8') as file:
				file.write('{"type": "object", "type": "object"}')
			status, stderr, _ = generate(folder)
		self.assertEqual(status, 65)
		self.assertIn('x.schema.json#: the key "type" stands twice', stderr)

	def test_readme_lists_the_subset(self):
		with open(os.path.join(SCHEMAS, 'README.md'), encoding='utf-8') as file:
			readme = file.read()
		with open(GENERATOR, encoding='utf-8') as file:
			source = file.read()
		words = set(re.findall(r"'([a-zA-Z$-]+)': (?:int|str|list|dict|bool)\b", source))
		self.assertIn('maxLength', words)
		for word in words:
			self.assertIn('`%s`' % word, readme, word)


# --- asyncapi.yaml -------------------------------------------------------------------------------

def refs_of(node):
	if isinstance(node, dict):
		for key, value in node.items():
			if key == '$ref':
				yield value
			else:
				yield from refs_of(value)
	elif isinstance(node, list):
		for value in node:
			yield from refs_of(value)


class Asyncapi(unittest.TestCase):
	@classmethod
	def setUpClass(cls):
		with open(os.path.join(SCHEMAS, 'asyncapi.yaml'), encoding='utf-8') as file:
			cls.text = file.read()
		cls.api = block_yaml.read(os.path.join(SCHEMAS, 'asyncapi.yaml'))
		cls.workers = describe_workers()

	def find(self, pointer):
		node = self.api
		for part in pointer.split('/')[1:]:
			node = node[part]
		return node

	def test_a_yaml_library_reads_the_same(self):
		try:
			import yaml
		except ImportError:
			self.skipTest('python3-yaml is not installed')
		self.assertEqual(yaml.safe_load(self.text), self.api)

	def test_version(self):
		self.assertEqual(self.api['asyncapi'], '3.0.0')

	def test_every_ref_resolves(self):
		refs = list(refs_of(self.api))
		self.assertTrue(len(refs) > 50)
		for ref in refs:
			if ref.startswith('#'):
				self.assertIsNotNone(self.find(ref[1:]), ref)
			else:
				self.assertIn(os.path.normpath(ref), FILES, ref)

	def test_topics_are_those_of_the_workers(self):
		addresses = {channel['address'] for channel in self.api['channels'].values()}
		inputs = {worker['topic'] for worker in self.workers}
		outputs = {output['topic'] for worker in self.workers for output in worker['outputs']}
		self.assertEqual(addresses, {'reference'} | inputs | outputs |
		                 {topic + '.dlq' for topic in inputs})
		for name, channel in self.api['channels'].items():
			kafka = channel['bindings']['kafka']
			self.assertEqual(name, channel['address'].replace('.', '_'))
			self.assertEqual(kafka['topic'], channel['address'])
			self.assertEqual(kafka['partitions'], 1 if name == 'reference' else 8)
			self.assertEqual(kafka['topicConfiguration']['cleanup.policy'], ['delete'])

	def messages_of(self, topic):
		return set(self.api['channels'][topic.replace('.', '_')]['messages'])

	def test_every_event_stands_in_its_topic(self):
		for worker in self.workers:
			if not worker['internal']:
				self.assertLessEqual(set(worker['inputs']), self.messages_of(worker['topic']))
			for output in worker['outputs']:
				if output['form'] == 'events':
					self.assertIn(output['type'], self.messages_of(output['topic']))
		for path in FILES:
			folder, _, name = path.rpartition('/')
			if folder == 'reference':
				self.assertIn(name[:-len('.schema.json')], self.messages_of('reference'), path)

	def test_every_input_takes_control_records(self):
		for worker in self.workers:
			for kind in ('timer.due', 'reference.advanced', 'logic.advanced'):
				self.assertIn('tallyworks.' + kind, self.messages_of(worker['topic']))

	def test_messages_have_their_own_data(self):
		for name, message in self.api['components']['messages'].items():
			schema = message.get('payload', {}).get('schema', {})
			if 'allOf' not in schema:
				continue
			envelope, rest = schema['allOf']
			self.assertEqual(envelope, {'$ref': './envelope.schema.json'})
			self.assertEqual(rest['properties']['type'], {'const': name})
			self.assertEqual(os.path.basename(rest['properties']['data']['$ref']),
			                 name + '.schema.json')

	def test_every_file_is_used(self):
		used = {os.path.normpath(ref) for ref in refs_of(self.api) if not ref.startswith('#')}
		for path in FILES:
			if os.path.dirname(path) not in NO_EVENTS and path not in SHARED:
				self.assertIn(path, used)

	def test_the_dlq_has_all_reasons(self):
		headers = self.api['components']['messages']['refused']['headers']['schema']
		with open(REASON_H, encoding='utf-8') as file:
			codes = re.findall(r'X\(REASON_\w+, "(\w+)"', file.read())
		self.assertEqual(['none'] + headers['properties']['tw-reason']['enum'], codes)
		self.assertLessEqual(set(headers['required']), set(headers['properties']))


if __name__ == '__main__':
	unittest.main(verbosity=1)
