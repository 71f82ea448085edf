#!/usr/bin/env node
// A fake of squawk: answers in the shape and with the rule names of squawk 2.66.0, whatever it is asked. The real one is
// on the registry for one platform only, so nothing may depend on its being installed.
const files = process.argv.slice(process.argv.indexOf('--') + 1);
const finding = (rule_name, line, column, message) => ({
  file: files.at(-1),
  line,
  column,
  level: 'Warning',
  message,
  help: null,
  rule_name,
  column_end: column,
  line_end: line,
});
process.stdout.write(
  JSON.stringify([
    finding(
      'require-statement-timeout',
      1,
      13,
      'Missing `set statement_timeout` before potentially slow operations',
    ),
    finding(
      'adding-required-field',
      1,
      39,
      'Adding a new column that is `NOT NULL` and has no default value …',
    ),
    finding('require-concurrent-reindex', 1, 0, 'Reindexing without `CONCURRENTLY` …'),
    finding('require-table-schema', 1, 0, 'Missing schema …'),
    finding(
      'ban-char-field',
      1,
      48,
      'Using `character` is likely a mistake and should almost always be replaced by `text` or `varchar`.',
    ),
  ]),
);
process.exitCode = 1;
