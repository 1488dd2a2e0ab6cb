#!/usr/bin/env node
// The results of a run of SyTest or Complement, and what differs from the last run (see README.md):
//   node test/compliance/compare.js sytest LIST OUT.tap [--write]
//   node test/compliance/compare.js complement LIST RESULTS.json [--write]
// Exit status 1 when a test fails that did not fail before, or one has no reason.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const isWriting = process.argv.includes('--write');
const [suite, listFile, outFile] = process.argv.slice(2).filter((argument) => argument !== '--write');
if (!['sytest', 'complement'].includes(suite) || outFile === undefined) {
  process.stderr.write(readFileSync(import.meta.filename, 'utf8').split('\n').slice(1, 5).map((line) => line.slice(3)).join('\n') + '\n');
  process.exit(2);
}

const NO_REASON = '?';
const print = (text) => process.stdout.write(`${text}\n`);
const rowsOf = (text) => text.split('\n').slice(1).filter((line) => line !== '').map((line) => line.split('\t'));
const stored = (name) => {
  try {
    return rowsOf(readFileSync(join(here, `${suite}-${name}.tsv`), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
};
const keyOf = (file, name) => `${file}\t${name}`;

const listed = rowsOf(readFileSync(listFile, 'utf8')).filter(([listedSuite]) => listedSuite === suite);
const passed = suite === 'sytest' ? passedInTap() : passedInJson();
const before = { areas: new Map(stored('results').map(([area, count]) => [area, Number(count)])), failing: new Map(stored('failing').map(([file, name, why]) => [keyOf(file, name), why])) };

const areas = Map.groupBy(listed, ([, , , area]) => area);
const table = [...areas].sort(([a], [b]) => (a < b ? -1 : 1)).map(([area, rows]) => [area, rows.filter(([, file, name]) => passed.has(keyOf(file, name))).length, rows.length]);
table.push(['all', table.reduce((sum, [, count]) => sum + count, 0), listed.length]);
for (const [area, count, of] of table) {
  const change = before.areas.has(area) ? count - before.areas.get(area) : 0;
  print(`${area.padEnd(18)}${String(count).padStart(5)} of ${String(of).padStart(4)}${change === 0 ? '' : `  ${change > 0 ? '+' : ''}${change}`}`);
}
const failing = listed.map(([, file, name]) => keyOf(file, name)).filter((key) => !passed.has(key));
const show = (title, keys) => {
  if (keys.length > 0) print(`\n${title}:\n${keys.map((key) => `  ${key.replace('\t', '  ')}`).join('\n')}`);
};
const isFirst = before.failing.size === 0;
const worse = isFirst ? [] : failing.filter((key) => !before.failing.has(key));
const unexplained = failing.filter((key) => (before.failing.get(key) ?? NO_REASON) === NO_REASON);
show('pass now', [...before.failing.keys()].filter((key) => passed.has(key)));
show('do not pass any more', worse);
show('have no reason', unexplained);

if (isWriting) {
  const write = (name, titles, rows) => writeFileSync(join(here, `${suite}-${name}.tsv`), [titles, ...rows].map((row) => row.join('\t')).join('\n') + '\n');
  write('results', ['area', 'passed', 'tests'], table);
  write('failing', ['file', 'test', 'reason'], failing.map((key) => [key, before.failing.get(key) ?? NO_REASON]));
} else if (worse.length > 0 || unexplained.length > 0) process.exitCode = 1;

/** A name may stand in several files: its results come in the order of the list. */
function passedInTap() {
  const open = Map.groupBy(listed, ([, , name]) => name);
  const found = new Set();
  for (const line of readFileSync(outFile, 'utf8').split('\n')) {
    const [, not, text, skipped] = /^(not )?ok \d+ (.*?)( # skip.*)?$/.exec(line) ?? [];
    if (text === undefined) continue;
    const name = text.replace(/ \(\d+ subtests?\)$/, '').replace(/ \(expected fail\)$| # TODO.*$/, '');
    const row = open.get(name)?.shift();
    if (row && !not && !skipped) found.add(keyOf(row[1], name));
  }
  return found;
}

/** A package is a folder. */
function passedInJson() {
  const found = new Set();
  for (const line of readFileSync(outFile, 'utf8').split('\n')) {
    if (!line.startsWith('{')) continue;
    const { Action: action, Test: name, Package: folder } = JSON.parse(line);
    if (action !== 'pass' || name === undefined || name.includes('/')) continue;
    const row = listed.find(([, file, test]) => test === name && folder.endsWith(`/${dirname(file)}`));
    if (row) found.add(keyOf(row[1], name));
  }
  return found;
}
