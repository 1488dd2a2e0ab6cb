import { figure } from './figure.ts';
import type { Problem, ResultRow } from './run-scenarios.ts';

/** Everything that a run found. */
export interface BenchReport {
  /** Names of the servers; the first is the one in question. */
  servers: string[];
  quick: boolean;
  rounds: number;
  machine: string;
  rows: ResultRow[];
  problems: Problem[];
}

/** The report as indented JSON. */
export function jsonReport(report: BenchReport): string {
  return JSON.stringify(report, null, 2);
}

/** The report as a table in aligned columns, or with `markdown` as one that Markdown renders. */
export function tableReport(report: BenchReport, markdown: boolean): string {
  const compared = report.servers.length > 1;
  const head = [
    'scenario', 'figure', 'unit', ...report.servers, ...(compared ? ['ratio', ''] : []), 'generator CPU',
    ...report.servers.map((name) => `${name} CPU`),
  ];
  const body = report.rows.map((row) => [
    row.scenario, row.metric, row.unit, ...row.medians.map(figure),
    ...(compared ? [row.ratio === null ? '-' : figure(row.ratio), verdict(row)] : []),
    percent(row.generatorCpu), ...row.serverCpu.map(percent),
  ]);
  const table = markdown ? markdownTable(head, body) : plainTable(head, body);
  const notes = report.problems.map((problem) =>
    `${problem.skipped ? 'skipped' : 'FAILED'}: ${problem.scenario} on ${problem.server}: ${problem.reason}`);
  const about = `${report.machine}; ${report.quick ? 'quick sizes; ' : ''}medians of ${report.rounds} rounds`;
  return [table, '', ...(markdown ? [about, ...notes.map((note) => `\n${note}`)] : [about, ...notes])].join('\n');
}

/** Whether the ratio speaks for the first server; within 2 % is called even. */
function verdict(row: ResultRow): string {
  if (row.ratio === null || row.better === 'neither') return '';
  if (Math.abs(row.ratio - 1) <= 0.02) return 'even';
  return row.ratio > 1 === (row.better === 'higher') ? 'better' : 'worse';
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`;
}

function markdownTable(head: string[], body: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column < 3 ? '---' : '---:'))), ...body.map(line)].join('\n');
}

function plainTable(head: string[], body: string[][]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => row.map((cell, column) =>
    (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
}
