import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJson } from '#json';
import type { Config } from '../config/config.js';

/** In the data folder, readable by the server's user only. */
const FILE = 'operator.json';
const SOCKET = 'operator.socket';
/** `sun_path` holds 107 bytes and a NUL. */
const MAX_SOCKET_BYTES = 107;

/** Where the commands of an operator find the server that runs on a data folder, whatever addresses it listens on. */
export interface OperatorEntrance {
  /** Path of a Unix socket, on which the server takes the same requests as elsewhere. */
  readonly socket: string;
  /** The secret that their MACs are made with. */
  readonly secret: string;
}

/** A server's side: the socket for its operator, and the file in the data folder that tells of it. */
export class OperatorDoor {
  readonly #file: string;

  private constructor(
    readonly socket: string,
    private readonly config: Config,
  ) {
    this.#file = join(config.dataDir, FILE);
  }

  static of(config: Config): OperatorDoor {
    return new OperatorDoor(socketPath(config.dataDir), config);
  }

  /** Tells of the socket, which is open. */
  open(): void {
    const entrance: OperatorEntrance = { socket: this.socket, secret: this.config.registrationSecret ?? '' };
    writeFileSync(`${this.#file}.new`, `${JSON.stringify(entrance)}\n`, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }

  close(): void {
    rmSync(this.#file, { force: true });
    rmSync(this.socket, { force: true });
  }
}

/** What a server on the data folder has told, running or killed; undefined when there is nothing. */
export function readEntrance(dataDir: string): OperatorEntrance | undefined {
  try {
    const { socket, secret } = parseJson(readFileSync(join(dataDir, FILE), 'utf8')) as Record<string, unknown>;
    return typeof socket === 'string' && typeof secret === 'string' ? { socket, secret } : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') throw new Error(`${join(dataDir, FILE)} cannot be read: run this as the user that the server runs as, or as root.`, { cause: error });
    return undefined;
  }
}

/** In the data folder, or in a folder of this user in the temporary one where that path is too long. */
function socketPath(dataDir: string): string {
  const beside = join(dataDir, SOCKET);
  if (Buffer.byteLength(beside) <= MAX_SOCKET_BYTES) return beside;
  const folder = join(tmpdir(), `partyline-${createHash('sha256').update(`operator of ${dataDir}`).digest('hex').slice(0, 16)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, SOCKET);
}
