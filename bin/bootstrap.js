// Brings what a fresh clone lacks: dependencies, a current Node, the build. Runs on Node 20 without any dependency.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Oldest Node that the program runs on, and the major version that is fetched where the machine's is older. */
const OLDEST_NODE = [24, 9];
const FETCHED_NODE = '24';
const SOURCES = ['libs', 'apps/homeserver', 'apps/web', 'apps/companion', 'apps/web/src', 'apps/web/tsconfig.json', 'bin/bundle.js', 'bin/left-out.js', 'package.json', 'tsconfig.json', 'tsconfig.base.json'];
const STAMP = join(root, 'dist', '.built');
/** A folder that bin/lay-out.js made, such as the container image, has all that it needs and nothing to build it from. */
const isLaidOut = !existsSync(join(root, 'package-lock.json'));

/** On stderr: stdout belongs to the command's result. */
function progress(what) {
  process.stderr.write(`${what} …\n`);
}

/** Runs a command to its end; its output is shown only when it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.status === 0) return;
  const output = [result.error?.message, result.stdout, result.stderr].filter(Boolean).join('\n').trim();
  process.stderr.write(`${output}\npartyline: "${[command, ...args].join(' ')}" failed\n`);
  process.exit(1);
}

/** npm of the Node that runs this, else the one on PATH. */
function npm(args) {
  const own = process.env.npm_execpath;
  if (own && /npm-cli\.[cm]?js$/.test(own)) run(process.execPath, [own, ...args]);
  else run('npm', args);
}

/** Of the program, as in package.json. */
export function version() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

/** Installs the dependencies unless exactly those of package-lock.json are there. */
export function ensureDependencies() {
  if (isLaidOut || hasDependencies()) return;
  progress('fetching dependencies (once, about a minute)');
  npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}

function hasDependencies() {
  const wanted = readLock('package-lock.json');
  const installed = readLock('node_modules/.package-lock.json');
  if (!wanted || !installed) return false;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || entry.link || installed[path]?.version === entry.version,
  );
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return null;
  }
}

/** Path of a Node that is new enough: this one, or one that is fetched into .cache. */
export function ensureNode() {
  if (isRecent(process.versions.node)) return process.execPath;
  const folder = join(root, '.cache', `node${FETCHED_NODE}`);
  const platformPackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const candidates = [
    join(folder, 'node_modules', 'node', 'bin', 'node'),
    join(folder, 'node_modules', platformPackage, 'bin', 'node'),
  ];
  const find = () => candidates.find((file) => existsSync(file) && isRecent(versionOf(file)));
  const present = find();
  if (present) return present;
  progress(`fetching Node ${FETCHED_NODE} (once; this machine has ${process.versions.node})`);
  // Without a package.json of its own npm would take the project's.
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const install = (name) => npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, `${name}@${FETCHED_NODE}`]);
  install('node');
  // Its install script fetches the package of the platform; scripts may be switched off.
  if (!find()) install(platformPackage);
  const fetched = find();
  if (!fetched) {
    process.stderr.write(`partyline: needs Node ${OLDEST_NODE.join('.')} or later, and could not fetch one; install it from https://nodejs.org\n`);
    process.exit(1);
  }
  return fetched;
}

function isRecent(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

function versionOf(file) {
  const result = spawnSync(file, ['--version'], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim().slice(1) : '0.0';
}

/** Compiles when a source has changed since the last build. */
export function ensureBuild(node) {
  if (isLaidOut) return;
  const newest = Math.max(...SOURCES.map((path) => newestChange(join(root, path))));
  if (existsSync(STAMP) && Number(readFileSync(STAMP, 'utf8')) === newest) return;
  progress('building');
  run(node, [join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc'), '-b']);
  run(node, [join(root, 'bin', 'bundle.js')]);
  mkdirSync(dirname(STAMP), { recursive: true });
  // The time from before: a source that changed while the compiler ran is newer.
  writeFileSync(STAMP, String(newest));
}

/** Time of the newest file or folder (a folder changes when a file in it is added or deleted) below a path. */
function newestChange(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  let newest = stat.mtimeMs;
  for (const name of readdirSync(path)) if (name !== 'node_modules') newest = Math.max(newest, newestChange(join(path, name)));
  return newest;
}

/**
 * Runs a script under that Node with this process's terminal; forwards signals and resolves with its exit status. The
 * script sees a `disconnect` when this process dies.
 */
export function runUnder(node, args, env = {}) {
  const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...env } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`partyline: ${error.message}\n`);
      resolve(1);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signalNumbers[signal] ?? 0)));
  });
}

/** Ends this process, as Ctrl-C does, when the npm that started it is killed; npm cannot forward that. */
export function endWithParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };
