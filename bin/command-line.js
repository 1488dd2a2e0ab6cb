// The command line: which commands there are and what each takes. Without dependencies, so that a fresh clone can answer at once.
import { parseArgs } from 'node:util';

const flag = { type: 'boolean' };

/** Words of a command, what follows them, and what it does. */
const commands = [
  { words: ['serve'], does: 'run the server (also: npm start)' },
  { words: ['demo'], options: { json: flag, seed: { type: 'string' } }, does: 'three servers on this machine, to try what happens when one dies' },
  { words: ['admin', 'create-user'], takes: ['NAME'], options: { admin: flag, 'password-stdin': flag }, does: 'create an account; --admin makes it an administrator' },
  { words: ['admin', 'reset-password'], takes: ['NAME'], options: { 'password-stdin': flag, 'end-sessions': flag }, does: 'a new password for who lost his; --end-sessions where somebody else knew it' },
  { words: ['admin', 'log-level'], takes: ['LEVEL'], does: 'how much the running server logs: debug, info, warn or error' },
  { words: ['admin', 'restored'], does: 'after a backup was restored in a way that the server cannot notice' },
  { words: ['admin', 'end-sessions'], does: 'everybody has to log in anew' },
];

const usage = ({ words, takes = [] }) => ['partyline', ...words, ...takes].join(' ');
const listed = commands.map((command) => `  ${usage(command).padEnd(36)}  ${command.does}`).join('\n');

const help = `Partyline, a Matrix homeserver whose rooms outlive servers.

${listed}
  ${'partyline --help, --version'.padEnd(36)}  this text; the version

In a clone, "partyline" is "node bin/partyline.js".

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
  PARTYLINE_TURN_URIS, _TURN_SECRET  TURN server for calls
  PARTYLINE_LIVEKIT_URL          LiveKit for calls of many
  PARTYLINE_CONTACT              who answers for the server, shown to everybody
  PARTYLINE_RATE_LIMITS          on or off (on)
  PARTYLINE_LOG_LEVEL            debug, info, warn, error or silent (info)
  PARTYLINE_NOTARIES             servers that are asked for the keys of servers that do not answer (none)
  PARTYLINE_MEDIA_STORE          disk, or s3://bucket/prefix?endpoint=https://…&region=… (disk)
  PARTYLINE_MAX_UPLOAD           largest file (100M)
  PARTYLINE_MEDIA_QUOTA          what the files of one account may take (10G)
  PARTYLINE_MEDIA_CACHE          what files of other servers may take (20G)
  PARTYLINE_OPEN_MEDIA           on lets old apps read files without a token (on)
  PARTYLINE_URL_PREVIEWS         on lets the server look at what people link to (off)
  PARTYLINE_RETENTION            how long messages are kept in rooms that do not say so, such as 1y (forever)
  PARTYLINE_RETENTION_LIMITS     between which times a room may choose that, such as 1d-2y (none)
  PARTYLINE_SEARCH_LANGUAGE      language of the search in messages, such as english (simple)
  PARTYLINE_PUSH_BADGE           the number on an app's icon counts rooms with something unread, or messages (rooms)
  PARTYLINE_PRESENCE             on shows people who is online (on)
  PARTYLINE_FEDERATION_CA        PEM file of further authorities trusted for federation
  PARTYLINE_ALLOW_PRIVATE_ADDRESSES  on lets outgoing requests reach private addresses (off)
  PARTYLINE_PASSWORD_COST        normal; cheap is for tests (normal)
`;

/**
 * What a command line asks for.
 *
 * @param args what follows the program's name
 * @param version of the program
 * @returns `text` to print; or `problem`, a sentence for whoever typed it; or neither, when the command can be run
 */
export function readCommandLine(args, version) {
  if (args.length === 0 || args[0] === 'help' || args.includes('--help') || args.includes('-h')) return { text: help };
  if (args.includes('--version') || args[0] === 'version') return { text: `partyline ${version}\n` };
  const command = commands.find(({ words }) => words.every((word, index) => args[index] === word));
  if (!command) return { problem: `${unknown(args)} The commands are:\n\n${listed}` };
  const { words, takes = [], options = {} } = command;
  let positionals;
  try {
    ({ positionals } = parseArgs({ args: args.slice(words.length), options, allowPositionals: true }));
  } catch (error) {
    return { problem: `${usage(command)}: ${sentence(error, options)}` };
  }
  if (positionals.length < takes.length) return { problem: `${usage(command)}: ${takes[positionals.length]} is missing.` };
  if (positionals.length > takes.length) return { problem: `${usage(command)}: what is "${positionals[takes.length]}"?` };
  return {};
}

function unknown(args) {
  const isGroup = commands.some(({ words }) => words.length > 1 && words[0] === args[0]);
  if (!isGroup) return `there is no command "${args[0]}".`;
  return args.length === 1 ? `"${args[0]}" is half a command.` : `there is no command "${args.slice(0, 2).join(' ')}".`;
}

function sentence(error, options) {
  const name = /'(-[^' ]*)/.exec(error.message)?.[1];
  if (error.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || name === undefined) return error.message;
  const known = Object.keys(options).map((option) => `--${option}`);
  const has = known.length > 0 ? `it has ${known.join(' and ')}.` : 'it has none; settings are environment variables or lines of partyline.yaml (partyline --help).';
  return `there is no option ${name}: ${has}`;
}
