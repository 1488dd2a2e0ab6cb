import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a server's processes use. PostgreSQL is left out: every server has one, and some run it elsewhere. */
export interface ProcessUse {
  /** Resident memory in bytes. */
  rss: number;
  /** User and system time so far, in milliseconds. */
  cpuMs: number;
}

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/**
 * The process that listens on a TCP port of this machine (its lowest id, when workers share the socket).
 * Reads /proc, so it needs Linux, and root for other people's processes.
 * @returns null when it cannot be told
 */
export function listeningProcess(port: number): number | null {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const fields = line.trim().split(/\s+/);
      // Fields: slot, local address:port, remote, state (0A listens), queues, timer, retransmits, uid, timeout, inode.
      if (fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A' && fields[9]) sockets.add(`socket:[${fields[9]}]`);
    }
  }
  return sockets.size === 0 ? null : processIds().find((pid) => openFiles(pid).some((file) => sockets.has(file))) ?? null;
}

/** Memory and CPU of a process and all below it, without PostgreSQL; null when the process is gone or not Linux. */
export function processUse(root: number): ProcessUse | null {
  const children = new Map<number, number[]>();
  const stats = new Map<number, { name: string; cpuMs: number }>();
  for (const pid of processIds()) {
    // "pid (name) state ppid …": the name may hold spaces and brackets, so split after its last bracket.
    const line = readLines(`/proc/${pid}/stat`)[0] ?? '';
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const parent = Number(fields[1]);
    if (!Number.isFinite(ticks)) continue;
    stats.set(pid, { name: line.slice(line.indexOf('(') + 1, line.lastIndexOf(')')), cpuMs: (ticks * 1000) / ticksPerSecond });
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  if (!stats.has(root)) return null;
  const use: ProcessUse = { rss: 0, cpuMs: 0 };
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const stat = stats.get(pid);
    if (stat === undefined || stat.name.startsWith('postgres')) continue;
    use.rss += residentBytes(pid);
    use.cpuMs += stat.cpuMs;
    open.push(...(children.get(pid) ?? []));
  }
  return use;
}

function residentBytes(pid: number): number {
  const line = readLines(`/proc/${pid}/status`).find((entry) => entry.startsWith('VmRSS:'));
  return line === undefined ? 0 : Number(/\d+/.exec(line)?.[0] ?? 0) * 1024;
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b);
  } catch {
    return [];
  }
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}
