import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env['FAULTS_TRACE'];

/** Adds a line to what the clients did, with the time; does nothing unless `FAULTS_TRACE` names a folder. */
export function trace(line: string): void {
  if (folder !== undefined) appendFileSync(join(folder, 'clients.log'), `${new Date().toISOString().slice(11, 23)} ${line}\n`);
}

/** Lets every request of this process be traced. Syncs that answer are left out: there is no end of them. */
export function traceFetch(): void {
  if (folder === undefined) return;
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const what = `${init?.method ?? 'GET'} ${String(input instanceof Request ? input.url : input)} ${typeof init?.body === 'string' ? init.body.slice(0, 150) : ''}`;
    try {
      const response = await fetch(input, init);
      if (!what.includes('/sync?')) trace(`${what} -> ${response.status} ${(await response.clone().text()).slice(0, 200)}`);
      return response;
    } catch (error) {
      trace(`${what} -> ${String(error)}`);
      throw error;
    }
  };
}
