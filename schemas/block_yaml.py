# SPDX-License-Identifier: Apache-2.0
"""Reads asyncapi.yaml without a YAML library: block style only, and nothing that could be read in
two ways. Standard library only; whatever else stands there is refused with its line."""
import re


class Yaml:
	"""Mappings, lists, scalars, >- folded text."""

	def __init__(self, text):
		self.lines = []
		for number, line in enumerate(text.split('\n'), 1):
			if line.strip() and not line.lstrip().startswith('#'):
				self.lines.append((len(line) - len(line.lstrip()), line.strip(), number))
		self.at = 0

	def block(self, indent):
		if self.lines[self.at][1].startswith('- '):
			return self.sequence(indent)
		return self.mapping(indent)

	def here(self, indent):
		return self.at < len(self.lines) and self.lines[self.at][0] == indent

	def sequence(self, indent):
		items = []
		while self.here(indent) and self.lines[self.at][1].startswith('- '):
			_, text, number = self.lines[self.at]
			if re.match(r'- [^\s:]+:( |$)', text):
				self.lines[self.at] = (indent + 2, text[2:], number)
				items.append(self.mapping(indent + 2))
			else:
				items.append(self.scalar(text[2:]))
				self.at += 1
		return items

	def mapping(self, indent):
		out = {}
		while self.here(indent):
			_, text, number = self.lines[self.at]
			key, colon, rest = text.partition(':')
			if not colon or key in out:
				raise ValueError('line %d: %s' % (number, text))
			self.at += 1
			rest = rest.strip()
			if rest == '>-':
				out[key] = self.folded(indent)
			elif rest:
				out[key] = self.scalar(rest)
			else:
				out[key] = self.block(self.lines[self.at][0])
		return out

	def folded(self, indent):
		words = []
		while self.at < len(self.lines) and self.lines[self.at][0] > indent:
			words.append(self.lines[self.at][1])
			self.at += 1
		return ' '.join(words)

	@staticmethod
	def scalar(text):
		if re.fullmatch(r"'[^']*'", text):
			return text[1:-1]
		if re.fullmatch(r'-?\d+', text):
			return int(text)
		if re.search(r'[\[\]{}&*!|"\']|: | #', text) and not text.startswith('$'):
			raise ValueError('quote this: %s' % text)
		return text


def read(path):
	"""The document as dicts and lists."""
	with open(path, encoding='utf-8') as file:
		reader = Yaml(file.read())
	document = reader.mapping(0)
	if reader.at != len(reader.lines):
		raise ValueError('line %d: not expected here' % reader.lines[reader.at][2])
	return document
