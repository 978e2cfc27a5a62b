#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C structs and field tables of all schemas: events.h and events.c.

usage: generate.py [--schemas DIR] --out DIR

A third file, schema_examples.h, holds the examples and counter-examples for the unit test.
The schemas may use a declared subset of JSON Schema 2020-12 only (schemas/README.md); anything
else is refused with its file and JSON pointer. Nothing but the standard library is used. The
output depends on the schemas' text alone, so two runs give the same bytes.
"""
import argparse
import json
import os
import re
import sys

URL = 'https://tallyworks.example/schemas/'
COMMON = 'common.schema.json'
DOCUMENTATION = ('envelope.schema.json',)  # checked like the others, but no C comes from it

# The named patterns of common.schema.json and how the engine knows them.
FORMS = {'id': 'FORM_ID', 'currency': 'FORM_CURRENCY', 'code': 'FORM_CODE'}
MONEY_REASON = 'bad_money'
INT64 = (-(1 << 63), (1 << 63) - 1)
MAX_FIELDS = 64
MAX_REFS = 8
MAX_EXAMPLE = 4000  # C17 promises 4095 characters of a literal

# Which keyword may stand where; the value is the type that its own value must have.
ANNOTATIONS = {'title': str, 'description': str, 'x-unit': str}
REFERENCE = {**ANNOTATIONS, '$ref': str, 'x-c-name': str, 'x-reason': str}
KEYWORDS = {
	'integer': {'minimum': int, 'maximum': int},
	'boolean': {},
	'string': {'minLength': int, 'maxLength': int, 'enum': list, 'const': str, 'format': str,
	           'pattern': str},
	'array': {'items': dict, 'minItems': int, 'maxItems': int},
	'object': {'required': list, 'properties': dict, 'x-zero-absent': bool},
}
ROOT = {'$schema': str, '$id': str, '$defs': dict, 'examples': list, 'x-counter-examples': list}
C_WORDS = set('''auto break case char const continue default do double else enum extern float for
goto if inline int long register restrict return short signed sizeof static struct switch typedef
union unsigned void volatile while bool true false'''.split())


class Refused(Exception):
	"""A schema that is not in the subset; says where."""


def refuse(path, pointer, words):
	raise Refused('%s#%s: %s' % (path, pointer, words))


def c_word(text):
	return re.sub(r'[^A-Za-z0-9]', '_', text)


def c_string(text):
	return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def name_tag(name):
	"""FNV-1a, 64 bits, as name_tag() in common/codec/record.c."""
	tag = 0xcbf29ce484222325
	for byte in name.encode():
		tag = (tag ^ byte) * 0x100000001b3 % (1 << 64)
	return tag


def c_int(value):
	if value == INT64[0]:
		return 'INT64_MIN'
	if value == INT64[1]:
		return 'INT64_MAX'
	return str(value) if abs(value) < (1 << 31) else 'INT64_C(%d)' % value


# --- Reading and checking ------------------------------------------------------------------------

def unique_pairs(pairs):
	out = {}
	for key, value in pairs:
		if key in out:
			raise ValueError('the key "%s" stands twice' % key)
		out[key] = value
	return out


def load_all(folder):
	"""{relative path: document} of every schema file."""
	files = {}
	for parent, _, names in os.walk(folder):
		for name in names:
			if name.endswith('.schema.json'):
				full = os.path.join(parent, name)
				path = os.path.relpath(full, folder).replace(os.sep, '/')
				with open(full, encoding='utf-8') as file:
					try:
						files[path] = json.load(file, object_pairs_hook=unique_pairs)
					except ValueError as error:
						refuse(path, '', str(error))
	return dict(sorted(files.items()))


def check_keywords(path, pointer, node, root=False):
	"""Refuses whatever is not in the subset, anywhere below the node."""
	if not isinstance(node, dict):
		refuse(path, pointer, 'a schema is an object')
	kind = node.get('type')
	if '$ref' in node:
		known = {**REFERENCE, 'type': None}
	elif isinstance(kind, str) and kind in KEYWORDS:
		known = {**REFERENCE, **KEYWORDS[kind], 'type': str}
		del known['$ref']
	elif root and '$defs' in node and path == COMMON:
		known = dict(ANNOTATIONS)
	else:
		refuse(path, pointer, 'type must be one of %s' % ', '.join(KEYWORDS))
	if root:
		known.update(ROOT)
	for word, value in node.items():
		if known.get(word) is None:
			refuse(path, pointer, 'the keyword "%s" is not in the subset here' % word)
		if not isinstance(value, known[word]) or (known[word] is int and isinstance(value, bool)):
			refuse(path, pointer + '/' + word, 'must be of type %s' % known[word].__name__)
	check_values(path, pointer, node)
	for group in ('properties', '$defs'):
		for name, inner in node.get(group, {}).items():
			check_keywords(path, '%s/%s/%s' % (pointer, group, name), inner)
	if 'items' in node:
		check_keywords(path, pointer + '/items', node['items'])


def check_values(path, pointer, node):
	if 'pattern' in node and (path != COMMON or pointer.rpartition('/')[2] not in FORMS):
		refuse(path, pointer + '/pattern', 'only the named patterns of %s may be used' % COMMON)
	if node.get('format', 'date') not in ('date', 'date-time'):
		refuse(path, pointer + '/format', 'must be date or date-time')
	for word in ('enum', 'required'):
		values = node.get(word, ['x'])
		if not values or len(set(map(str, values))) != len(values) or \
		        not all(isinstance(value, str) for value in values):
			refuse(path, pointer + '/' + word, 'must be a list of distinct strings')
	for name in node.get('required', []):
		if name not in node.get('properties', {}):
			refuse(path, pointer + '/required', '"%s" is not among the properties' % name)
	for word in ('minimum', 'maximum'):
		if not INT64[0] <= node.get(word, 0) <= INT64[1]:
			refuse(path, pointer + '/' + word, 'must fit 64 bits')


def check_root(path, document):
	stem = stem_of(path)
	check_keywords(path, '', document, root=True)
	if document.get('$schema') != 'https://json-schema.org/draft/2020-12/schema':
		refuse(path, '/$schema', 'must name draft 2020-12')
	if document.get('$id') != URL + path:
		refuse(path, '/$id', 'must be %s' % (URL + path))
	if document.get('title') != stem:
		refuse(path, '/title', 'must be the file\'s stem, "%s"' % stem)
	if path == COMMON:
		return
	for word in ('examples', 'x-counter-examples'):
		if not document.get(word):
			refuse(path, '/' + word, 'at least one is needed')
	for index, case in enumerate(document['x-counter-examples']):
		if not isinstance(case, dict) or sorted(case) != ['path', 'reason', 'value']:
			refuse(path, '/x-counter-examples/%d' % index, 'must have value, reason, path')


def stem_of(path):
	return path.rpartition('/')[2][:-len('.schema.json')]


# --- The model -----------------------------------------------------------------------------------

class Record:
	"""A C struct with its field table; `like` is the record whose struct and fields it shares."""

	def __init__(self, name, c_name, source, like=None):
		self.name, self.c_name, self.source, self.like = name, c_name, source, like
		self.description, self.zero_absent, self.fields = '', False, []

	@property
	def struct(self):
		return self.like.struct if self.like else self.c_name


class Field:
	"""One row of a field table."""

	def __init__(self, name, node, required):
		self.name, self.required = name, required
		self.description = node.get('description', '')
		self.fault, self.money, self.form = None, False, 'FORM_ANY'
		self.low, self.high = INT64
		self.item_low, self.item_high = 0, 0
		self.choices, self.record = [], None
		self.kind = self.c_type = self.c_name = ''
		self.has = self.zero_absent = False


class Model:
	"""All records, each after those it is made of."""

	def __init__(self, files):
		self.files, self.records, self.by_place, self.open = files, [], {}, []
		for path in files:
			if path != COMMON and path not in DOCUMENTATION:
				self.record(path, '')

	def locate(self, path, pointer, ref):
		"""The file, pointer and node that a $ref names."""
		where, _, inner = ref.partition('#')
		target = os.path.normpath(os.path.join(os.path.dirname(path), where)) if where else path
		node = self.files.get(target)
		if node is None:
			refuse(path, pointer + '/$ref', 'there is no file %s' % target)
		if inner and not re.fullmatch(r'/\$defs/[a-z0-9_]+', inner):
			refuse(path, pointer + '/$ref', 'only a file or its /$defs/<name> may be named')
		if inner:
			node = node.get('$defs', {}).get(inner[len('/$defs/'):])
		if node is None:
			refuse(path, pointer + '/$ref', '%s has no %s' % (target, inner))
		return target, inner, node

	def resolve(self, path, pointer, node, steps=0):
		"""The node that counts, constraints of all $refs on the way put together."""
		merged = dict(node)
		if '$ref' not in node:
			return path, pointer, merged
		if steps == MAX_REFS:
			refuse(path, pointer, 'more than %d $refs in a row' % MAX_REFS)
		target, inner, base = self.locate(path, pointer, merged.pop('$ref'))
		target, inner, base = self.resolve(target, inner, base, steps + 1)
		return target, inner, {**base, **merged}

	def record(self, path, pointer):
		"""The record at a place, made at its first use."""
		place = (path, pointer)
		if place in self.by_place:
			return self.by_place[place]
		if place in self.open:
			refuse(path, pointer, 'an object must not contain itself')
		self.open.append(place)
		node = self.files[path]
		stem, name = stem_of(path), stem_of(path)
		c_name = c_word(stem)
		if pointer:
			name = pointer[len('/$defs/'):]
			node, c_name = node['$defs'][name], '%s_%s' % (c_name, name)
		if '$ref' in node:
			target, inner, _ = self.locate(path, pointer, node['$ref'])
			made = Record(name, c_name, path, self.record(target, inner))
		else:
			made = Record(name, c_name, path)
			self.fill(made, path, pointer, node)
		made.description = node.get('description', '')
		if any(made.c_name == other.c_name for other in self.records):
			refuse(path, pointer, 'struct %s exists already' % made.c_name)
		self.open.pop()
		self.by_place[place] = made
		self.records.append(made)
		return made

	def fill(self, made, path, pointer, node):
		if node.get('type') != 'object' or not node.get('properties'):
			refuse(path, pointer, 'must be an object with properties')
		made.zero_absent = node.get('x-zero-absent', False)
		required = node.get('required', [])
		for name, inner in node['properties'].items():
			at = '%s/properties/%s' % (pointer, name)
			made.fields.append(self.field(made, path, at, name, inner, name in required))
		if len(made.fields) > MAX_FIELDS:
			refuse(path, pointer, 'more than %d fields' % MAX_FIELDS)
		names = [field.c_name for field in made.fields]
		if len(set(names)) != len(names):
			refuse(path, pointer, 'two fields have the same C name')

	def field(self, made, path, pointer, name, node, required):
		if not re.fullmatch(r'[A-Za-z_][A-Za-z0-9_]*', name):
			refuse(path, pointer, 'a property is a word of ASCII letters, digits, underscores')
		field = Field(name, node, required)
		where, inner, whole = self.resolve(path, pointer, node)
		field.description = whole.get('description', '')
		field.fault = node.get('x-reason')
		field.money = whole.get('x-reason') == MONEY_REASON
		if field.fault is None and not field.money:
			field.fault = whole.get('x-reason')
		setter = getattr(self, 'set_' + whole['type'])
		setter(field, where, inner, whole, (path, pointer, node))
		if field.money and field.kind != 'FIELD_INT':
			refuse(path, pointer, 'money is an integer')
		suffix = {'FIELD_TIME': '_ms', 'FIELD_DATE': '_day'}.get(field.kind, '')
		field.c_name = node.get('x-c-name', name + ('_minor' if field.money else suffix))
		if field.c_name in C_WORDS or not re.fullmatch(r'[a-z][a-z0-9_]*', field.c_name):
			refuse(path, pointer, '"%s" is no C name; give x-c-name' % field.c_name)
		if made.zero_absent:
			if field.kind != 'FIELD_INT' or required:
				refuse(path, pointer, 'x-zero-absent allows optional integers only')
			field.zero_absent = True
		field.has = not (required or made.zero_absent or field.kind == 'FIELD_STRING' or
		                 field.kind in ('FIELD_LIST', 'FIELD_STRINGS', 'FIELD_INTS'))
		return field

	def set_integer(self, field, _where, _inner, node, _use):
		field.kind, field.c_type = 'FIELD_INT', 'int64_t'
		field.low = node.get('minimum', INT64[0])
		field.high = node.get('maximum', INT64[1])

	def set_boolean(self, field, _where, _inner, _node, _use):
		field.kind, field.c_type = 'FIELD_BOOL', 'bool'

	def set_string(self, field, where, inner, node, use):
		if 'format' in node:
			field.kind = 'FIELD_DATE' if node['format'] == 'date' else 'FIELD_TIME'
			field.c_type = 'int32_t' if node['format'] == 'date' else 'int64_t'
			return
		field.kind, field.c_type = 'FIELD_STRING', 'struct str'
		field.choices = [node['const']] if 'const' in node else node.get('enum', [])
		longest = max(map(len, field.choices), default=None)
		field.low, field.high = node.get('minLength', 0), node.get('maxLength', longest)
		if field.high is None:
			refuse(use[0], use[1], 'a string needs maxLength, enum, const or format')
		if 'pattern' in node:
			field.form = FORMS[inner.rpartition('/')[2]]

	def set_array(self, field, where, inner, node, use):
		if 'maxItems' not in node or 'items' not in node:
			refuse(use[0], use[1], 'a list needs items and maxItems')
		place = (where, inner + '/items')
		at, pointer, whole = self.resolve(*place, node['items'])
		if whole['type'] == 'object':
			field.record = self.object(place, at, pointer, node['items'])
			field.kind, field.c_type = 'FIELD_LIST', 'struct %s_list' % field.record.struct
		elif whole['type'] == 'string':
			self.set_string(field, at, pointer, whole, place)
			if field.kind != 'FIELD_STRING':
				refuse(*place, 'times are not allowed in a list')
			field.kind, field.c_type = 'FIELD_STRINGS', 'struct str_list'
			field.item_low, field.item_high = field.low, field.high
		elif whole['type'] == 'integer' and whole.get('x-reason') is None:
			self.set_integer(field, at, pointer, whole, place)
			field.kind, field.c_type = 'FIELD_INTS', 'struct int_list'
			field.item_low, field.item_high = field.low, field.high
		else:
			refuse(*place, 'a list holds objects, strings or plain integers')
		field.low, field.high = node.get('minItems', 0), node['maxItems']

	def set_object(self, field, where, inner, _node, use):
		field.record = self.object(use[:2], where, inner, use[2])
		field.kind, field.c_type = 'FIELD_OBJECT', 'struct %s' % field.record.struct

	def object(self, place, path, pointer, node):
		if '$ref' not in node:
			refuse(*place, 'an object in an object is a $ref to $defs or to a file')
		return self.record(path, pointer)


# --- Writing -------------------------------------------------------------------------------------

HEAD = '/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * %s\n *\n' \
       ' * Generated by schemas/generate.py from schemas/: change those, not this.\n */\n'


def used_in_lists(records):
	return {field.record.struct for record in records for field in record.fields
	        if field.kind == 'FIELD_LIST'}


def comment(text):
	return ' /* %s */' % text.replace('*/', '* /') if text else ''


def write_struct(record, out, with_list):
	out.append('/* %s: %s */' % (record.source, record.description))
	if record.like:
		out.append('/* %s shares struct %s. */' % (record.name, record.struct))
	else:
		out.append('struct %s {' % record.c_name)
		for field in record.fields:
			if field.has:
				out.append('\tbool has_%s;' % field.c_name)
			out.append('\t%s %s;%s' % (field.c_type, field.c_name, comment(field.description)))
		out.append('};')
	if with_list:
		out.append('struct %s_list {' % record.c_name)
		out += ['\tstruct %s *items;' % record.c_name, '\tuint32_t count, room;', '};']
	out.append('extern const struct record_type %s_type;\n' % record.c_name)


def header_text(model):
	out = [HEAD % 'The structs of all events and records, and their types.',
	       '#ifndef TALLY_GENERATED_EVENTS_H', '#define TALLY_GENERATED_EVENTS_H\n',
	       '#include "common/codec/record.h"\n']
	lists = used_in_lists(model.records)
	for record in model.records:
		write_struct(record, out, not record.like and record.c_name in lists)
	out.append('/* The type of each file, in order of path; ends with NULL. */')
	out.append('extern const struct record_type *const record_types[];\n')
	out.append('/* What the schemas say of every record, nested ones too; ends with type NULL. */')
	out.append('extern const struct record_words record_words[];\n')
	out.append('#endif')
	return '\n'.join(out) + '\n'


def owner_of(record):
	"""The record whose fields it has."""
	while record.like:
		record = record.like
	return record


def field_text(record, field):
	struct = 'struct %s' % record.struct
	has = 'offsetof(%s, has_%s)' % (struct, field.c_name) if field.has else '-1'
	parts = ['FIELD_NAME(%s)' % c_string(field.name),
	         '.tag = UINT64_C(0x%016x)' % name_tag(field.name), '.kind = ' + field.kind]
	if field.form != 'FORM_ANY':
		parts.append('.form = ' + field.form)
	parts += ['.%s = true' % flag for flag in ('required', 'zero_absent', 'money')
	          if getattr(field, flag)]
	if field.fault:
		parts.append('.fault = REASON_' + field.fault.upper())
	parts += ['.offset = offsetof(%s, %s)' % (struct, field.c_name), '.has = ' + has]
	if field.kind in ('FIELD_INT', 'FIELD_STRING', 'FIELD_LIST', 'FIELD_STRINGS', 'FIELD_INTS'):
		parts.append('.min = %s, .max = %s' % (c_int(field.low), c_int(field.high)))
	if field.kind in ('FIELD_STRINGS', 'FIELD_INTS'):
		parts.append('.item_min = %s, .item_max = %s'
		             % (c_int(field.item_low), c_int(field.item_high)))
	if field.choices:
		parts.append('.choices = %s_%s_choices' % (record.c_name, field.c_name))
	if field.record:
		parts.append('.type = &%s_type' % field.record.c_name)
	return '\t{ ' + ',\n\t  '.join(parts) + ' },'


def write_table(record, out):
	for field in record.fields:
		if field.choices:
			out.append('static const struct str %s_%s_choices[] = {'
			           % (record.c_name, field.c_name))
			out += ['\tSTR_INIT(%s),' % c_string(choice) for choice in field.choices]
			out.append('\t{ NULL, 0 }\n};')
	owner = owner_of(record)
	if owner is record:
		out.append('static const struct field %s_fields[] = {' % record.c_name)
		out += [field_text(record, field) for field in record.fields]
		out.append('};')
	if record.zero_absent:
		out.append('_Static_assert(sizeof(struct %s) == %d * sizeof(int64_t), "integers only");'
		           % (record.c_name, len(record.fields)))
	out.append('const struct record_type %s_type = {' % record.c_name)
	out.append('\t.name = %s,\n\t.size = sizeof(struct %s),\n\t.fields = %s_fields,'
	           % (c_string(record.name), owner.c_name, owner.c_name))
	out.append('\t.field_count = %d,\n};\n' % len(owner.fields))


def words_text(model):
	"""For documents only, hence apart from the tables that decoding reads."""
	out = []
	for record in model.records:
		out.append('static const char *const %s_words[] = {' % record.c_name)
		out += ['\t%s,' % c_string(field.description) for field in owner_of(record).fields]
		out.append('};')
	out.append('const struct record_words record_words[] = {')
	out += ['\t{ &%s_type, %s, %s_words },'
	        % (record.c_name, c_string(record.description), record.c_name)
	        for record in model.records]
	return out + ['\t{ NULL, NULL, NULL }\n};']


def source_text(model):
	out = [HEAD % 'The field tables of all events and records.', '#include "events.h"\n']
	for record in model.records:
		write_table(record, out)
	out.append('const struct record_type *const record_types[] = {')
	roots = [model.by_place[(path, '')] for path in model.files if (path, '') in model.by_place]
	out += ['\t&%s_type,' % root.c_name for root in roots]
	out.append('\tNULL\n};')
	return '\n'.join(out + words_text(model)) + '\n'


def examples_text(model):
	out = [HEAD % 'The examples and counter-examples of all schemas, for the unit test.',
	       '#ifndef TALLY_GENERATED_SCHEMA_EXAMPLES_H',
	       '#define TALLY_GENERATED_SCHEMA_EXAMPLES_H\n', '#include "events.h"\n',
	       'struct schema_example {', '\tconst struct record_type *type;', '\tconst char *json;',
	       '\tconst char *reason; /* NULL: it must decode */', '\tconst char *path;', '};\n',
	       'static const struct schema_example schema_examples[] = {']
	for path, document in model.files.items():
		if (path, '') not in model.by_place:
			continue
		c_name = model.by_place[(path, '')].c_name
		cases = [(value, None, None) for value in document['examples']]
		cases += [(case['value'], case['reason'], case['path'])
		          for case in document['x-counter-examples']]
		for value, reason, at in cases:
			text = json.dumps(value, separators=(',', ':'))
			if len(text) > MAX_EXAMPLE:
				refuse(path, '', 'an example is longer than %d characters' % MAX_EXAMPLE)
			parts = [c_string(text[i:i + 80]) for i in range(0, len(text), 80)]
			words = 'NULL, NULL' if reason is None else '%s, %s' % (c_string(reason), c_string(at))
			out.append('\t{ &%s_type,\n\t  %s,\n\t  %s },' % (c_name, '\n\t  '.join(parts), words))
	out.append('\t{ NULL, NULL, NULL, NULL }\n};\n\n#endif')
	return '\n'.join(out) + '\n'


def main():
	parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
	parser.add_argument('--schemas', default=os.path.dirname(os.path.abspath(__file__)))
	parser.add_argument('--out', required=True)
	arguments = parser.parse_args()
	try:
		files = load_all(arguments.schemas)
		for path, document in files.items():
			check_root(path, document)
		model = Model(files)
		texts = {'events.h': header_text(model), 'events.c': source_text(model),
		         'schema_examples.h': examples_text(model)}
	except Refused as error:
		print('generate.py: %s' % error, file=sys.stderr)
		return 65
	os.makedirs(arguments.out, exist_ok=True)
	for name, text in texts.items():
		with open(os.path.join(arguments.out, name), 'w', encoding='ascii') as file:
			file.write(text)
	return 0


if __name__ == '__main__':
	sys.exit(main())
