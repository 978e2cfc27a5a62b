#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the schemas compatible with those of the last release, and would a break be seen?"""
import copy
import json
import os
import re
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'schemas'))
import compatibility  # noqa: E402

FILES = compatibility.load(compatibility.HERE)
CODES = ['bad_field', 'poison']
OLD = compatibility.summary_of(FILES, CODES)


def changed(path, change):
	"""What is said of one file's change."""
	files = copy.deepcopy(FILES)
	change(files[path] if path in files else files)
	return compatibility.faults(OLD, compatibility.summary_of(files, CODES))


class Compatibility(unittest.TestCase):
	def test_with_the_last_release(self):
		faults = compatibility.faults(compatibility.released(), compatibility.current())
		self.assertEqual(faults, [])

	def test_the_released_one_is_whole(self):
		released = compatibility.released()
		self.assertRegex(released['version'], r'^\d+\.\d+\.\d+$')
		self.assertGreater(len(released['types']), 30)
		self.assertGreater(len(released['reasons']), 20)
		splits = released['types']['orders/order.created']['splits[].payee_id']
		self.assertEqual((splits['type'], splits['required']), ('string', True))
		with open(os.path.join(ROOT, 'CHANGELOG.md'), encoding='utf-8') as file:
			versions = re.findall(r'^## (\d+\.\d+\.\d+)', file.read(), re.M)
		if versions: # the newest that was released
			self.assertEqual(released['version'], versions[0])


class Refused(unittest.TestCase):
	"""Each change that breaks somebody, by its words."""

	def must_say(self, path, change, words):
		found = changed(path, change)
		self.assertEqual(len(found), 1, found)
		self.assertIn(words, found[0])

	def test_a_field_goes_away(self):
		def change(document):
			del document['properties']['customer_key']
		self.must_say('orders/order.created.schema.json', change, 'customer_key is gone')

	def test_a_field_of_a_list_goes_away(self):
		def change(document):
			del document['$defs']['line']['properties']['unit_price']
		self.must_say('orders/order.created.schema.json', change, 'lines[].unit_price is gone')

	def test_a_field_becomes_required(self):
		def change(document):
			document['required'].append('campaign_id')
		self.must_say('orders/order.created.schema.json', change,
		              'campaign_id is required, was not')

	def test_a_new_field_is_required(self):
		def change(document):
			document['properties']['shop_id'] = {'type': 'string', 'maxLength': 9}
			document['required'].append('shop_id')
		self.must_say('orders/order.created.schema.json', change, 'shop_id is new and required')

	def test_another_type(self):
		def change(document):
			document['properties']['on_time'] = {'type': 'integer'}
		self.must_say('orders/order.delivered.schema.json', change,
		              'on_time is integer, was boolean')

	def test_a_shared_word_gets_narrower(self):
		def change(document):
			document['$defs']['id']['maxLength'] = 64
		found = changed('common.schema.json', change)
		self.assertIn('orders/payment.collected: payment_id maxLength takes less than it did',
		              found)
		self.assertFalse([words for words in found if words.startswith('out/')], found)

	def test_a_pattern_changes(self):
		def change(document):
			document['$defs']['currency']['pattern'] = '^[a-z]{3}$'
		self.assertIn('orders/payment.collected: currency pattern takes less than it did',
		              changed('common.schema.json', change))

	def test_a_word_of_an_input_goes_away(self):
		def change(document):
			document['properties']['kind']['enum'].remove('city')
		self.must_say('reference/unit.defined.schema.json', change, 'kind enum takes less')

	def test_an_output_has_new_words(self):
		def change(document):
			document['properties']['type']['enum'].append('commission.held')
		self.must_say('state/line.schema.json', change, 'type enum allows more than readers know')

	def test_an_output_may_lack_what_was_there(self):
		def change(document):
			document['required'].remove('basis')
		found = changed('out/commission.schema.json', change)
		self.assertIn('out/commission.accrued: basis may be absent, was always there', found)

	def test_an_event_goes_away(self):
		def change(files):
			del files['orders/contract.signed.schema.json']
		self.must_say('all', change, 'orders/contract.signed is gone')

	def test_a_reason_goes_away(self):
		new = compatibility.summary_of(FILES, ['poison'])
		self.assertEqual(compatibility.faults(OLD, new), ['reason bad_field is gone'])


class Allowed(unittest.TestCase):
	def test_an_optional_field_is_new(self):
		def change(document):
			document['properties']['shop'] = {'type': 'object', 'required': ['shop_id'],
			                                  'properties': {'shop_id': {'type': 'string'}}}
		self.assertEqual(changed('orders/order.created.schema.json', change), [])

	def test_an_input_takes_more(self):
		def change(document):
			document['required'].remove('channel_id')
			document['properties']['splits']['maxItems'] = 99
		self.assertEqual(changed('orders/order.created.schema.json', change), [])

	def test_an_event_and_a_reason_are_new(self):
		def change(files):
			files['orders/order.paused.schema.json'] = {
				'type': 'object', 'required': ['order_id'],
				'properties': {'order_id': {'type': 'string'}}}
		self.assertEqual(changed('all', change), [])
		new = compatibility.summary_of(FILES, CODES + ['order_paused'])
		self.assertEqual(compatibility.faults(OLD, new), [])

	def test_words_for_people_change(self):
		def change(document):
			document['title'] = document['description'] = 'other words'
			document['examples'] = []
		self.assertEqual(changed('orders/order.created.schema.json', change), [])

	def test_a_summary_is_the_same_twice(self):
		again = compatibility.summary_of(compatibility.load(compatibility.HERE), CODES)
		self.assertEqual(json.dumps(OLD, sort_keys=True), json.dumps(again, sort_keys=True))


if __name__ == '__main__':
	unittest.main()
