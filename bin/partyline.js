#!/usr/bin/env node
import { join } from 'node:path';
import { endWithParent, ensureBuild, ensureDependencies, ensureNode, root, runUnder } from './bootstrap.js';

const help = `Partyline, a Matrix homeserver whose rooms outlive servers.

  partyline serve                       run the server (also: npm start)
  partyline demo                        three servers on this machine, to try what happens when one dies
  partyline admin create-user NAME      create an account; --admin makes it an administrator
  partyline admin restored              after a backup was restored in a way that the server cannot notice
  partyline admin end-sessions          everybody has to log in anew
  partyline --help

Settings are environment variables or lines of partyline.yaml, in the working folder or the data folder:

  PARTYLINE_SERVER_NAME          domain of this server's names (localhost)
  PARTYLINE_DATA_DIR             folder of keys, database and media (./data)
  PARTYLINE_BIND                 addresses to listen on, comma-separated (127.0.0.1,::1)
  PARTYLINE_HTTP_PORT            port, or off (8008)
  PARTYLINE_HTTPS_PORT           port with TLS_CERT and TLS_KEY, or off (8448)
  PARTYLINE_TLS_CERT, _TLS_KEY   PEM files
  DATABASE_URL                   postgresql://… (a private PostgreSQL in the data folder)
  PARTYLINE_PUBLIC_URL           address that clients use
  PARTYLINE_REGISTRATION         open, token or closed (closed; the first start prints a link for the first account)
  PARTYLINE_REGISTRATION_SECRET  secret of /_synapse/admin/v1/register
  PARTYLINE_DEFAULT_ROOM_VERSION room version of new rooms (12, or portable where everybody can)
  PARTYLINE_RATE_LIMITS          on or off (on)
  PARTYLINE_FEDERATION_CA        PEM file of further authorities trusted for federation
  PARTYLINE_ALLOW_PRIVATE_ADDRESSES  on lets outgoing requests reach private addresses (off)
  PARTYLINE_APPSERVICES          registration files, comma- or colon-separated
`;

// What the server needs at rest follows from these more than from its code: the young generation of V8 grows to 64 MB and
// stays, and glibc keeps what each thread has freed.
const memoryFlags = ['--max-semi-space-size=4'];
const memoryEnvironment = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_MMAP_THRESHOLD_: '65536' };

const args = process.argv.slice(2);
const [command, ...rest] = args;
if (command === undefined || command === 'help' || args.includes('--help') || args.includes('-h')) {
  process.stdout.write(help);
} else if (['serve', 'demo'].includes(command) || (command === 'admin' && ['create-user', 'restored', 'end-sessions'].includes(rest[0]))) {
  ensureDependencies();
  const node = ensureNode();
  ensureBuild(node);
  const program = [...memoryFlags, join(root, 'bin', 'run-main.js'), ...args];
  // Becoming the program leaves no launcher behind, which would take 50 MB. Node has it since 23.11, not on Windows.
  if (process.execve && process.platform !== 'win32') {
    process.execve(node, [node, ...program], { ...process.env, ...memoryEnvironment });
  }
  if (process.env.npm_lifecycle_event !== undefined) endWithParent();
  process.exit(await runUnder(node, program, memoryEnvironment));
} else {
  process.stderr.write(`partyline: unknown command "${args.join(' ')}"\n\n${help}`);
  process.exit(2);
}
