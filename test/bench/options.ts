import { parseArgs } from 'node:util';

/** One server under load, as the command line names it. */
export interface ServerOptions {
  /** Base URL of the Client-Server API; null means: start Partyline here. */
  url: string | null;
  /** The server's `registration_shared_secret`. */
  secret: string;
  /** Process id for memory and CPU; null means: whoever listens on the URL's port. */
  pid: number | null;
  /** PostgreSQL URL of the server's own database, for the counters; null leaves them out. */
  databaseUrl: string | null;
  /** Shell command that restarts the server and returns; null leaves the start time out. */
  restart: string | null;
}

export interface BenchOptions {
  main: ServerOptions;
  peer: ServerOptions | null;
  /** Scenario names in the order of the run; empty means all. */
  only: string[];
  quick: boolean;
  /** How many times each server runs each scenario, in turns. */
  rounds: number;
  format: 'table' | 'markdown' | 'json';
  list: boolean;
  help: boolean;
}

export const usage = `npm run bench -- [options]

Without --url the benchmark starts Partyline itself, on a throwaway data folder.

  --url URL --secret S        measure this server instead (any homeserver with shared-secret registration)
  --pid N                     its process, for memory and CPU (default: whoever listens on the port, Linux only)
  --database-url URL          with --url: its database, for the transaction counters
                              without --url: a PostgreSQL in which a scratch database is made and dropped
  --restart CMD               command that restarts it, for the start time (only with --url)
  --peer URL --peer-secret S  a second server: every scenario runs A B A B and is printed as a ratio
  --peer-pid N  --peer-database-url URL  --peer-restart CMD
  --only a,b                  only these scenarios (--list names them)
  --rounds N                  rounds per server (default 3, with --quick 2)
  --quick                     shorter windows and smaller sets
  --json | --markdown         print the result in this form
`;

/**
 * Reads the command line.
 * @param argv arguments after the script's name
 * @throws Error with a sentence for the person who typed it
 */
export function parseOptions(argv: string[]): BenchOptions {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: argv,
    options: {
      url: text, secret: text, pid: text, 'database-url': text, restart: text,
      peer: text, 'peer-secret': text, 'peer-pid': text, 'peer-database-url': text, 'peer-restart': text,
      only: text, rounds: text, quick: flag, json: flag, markdown: flag, list: flag, help: flag,
    },
  });
  if (values.url !== undefined && values.secret === undefined) throw new Error('--url needs --secret');
  if (values.peer !== undefined && values['peer-secret'] === undefined) throw new Error('--peer needs --peer-secret');
  if (values.json && values.markdown) throw new Error('--json and --markdown exclude each other');
  return {
    main: {
      url: baseUrl(values.url),
      secret: values.secret ?? '',
      pid: positive('--pid', values.pid),
      databaseUrl: values['database-url'] ?? null,
      restart: values.restart ?? null,
    },
    peer: values.peer === undefined ? null : {
      url: baseUrl(values.peer),
      secret: values['peer-secret'] ?? '',
      pid: positive('--peer-pid', values['peer-pid']),
      databaseUrl: values['peer-database-url'] ?? null,
      restart: values['peer-restart'] ?? null,
    },
    only: (values.only ?? '').split(',').map((name) => name.trim()).filter((name) => name !== ''),
    quick: values.quick,
    rounds: Math.max(positive('--rounds', values.rounds) ?? (values.quick ? 2 : 3), values.peer === undefined ? 1 : 2),
    format: values.json ? 'json' : values.markdown ? 'markdown' : 'table',
    list: values.list,
    help: values.help,
  };
}

function baseUrl(value: string | undefined): string | null {
  return value === undefined ? null : new URL(value).origin;
}

function positive(name: string, value: string | undefined): number | null {
  if (value === undefined) return null;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${name} must be a positive whole number`);
  return number;
}
