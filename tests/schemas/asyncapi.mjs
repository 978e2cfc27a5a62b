// SPDX-License-Identifier: Apache-2.0
// Asks AsyncAPI's own parser about documents: node asyncapi.mjs PARSER-FOLDER FILE...
// One line a finding (file, severity, code, path, words) and one line "file: VERSION" for each
// document that it takes. Schemas of draft 2020-12 are read as they are: another test judges them.
import { createRequire } from 'node:module';

const SEVERITIES = ['error', 'warning', 'info', 'hint'];
const [folder, ...files] = process.argv.slice(2);
const { Parser, fromFile } = createRequire(`${folder}/`)('@asyncapi/parser');
const parser = new Parser();

parser.registerSchemaParser({
  getMimeTypes: () => ['application/schema+json;version=2020-12'],
  validate: () => [],
  parse: (input) => input.data,
});
for (const file of files) {
  const { document, diagnostics } = await fromFile(parser, file).parse();

  for (const one of diagnostics)
    console.log(`${file}: ${SEVERITIES[one.severity]} ${one.code} ${one.path.join('/')}: ${one.message}`);
  if (document)
    console.log(`${file}: ${document.version()}`);
}
