import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEnvironment } from '../../apps/homeserver/src/commands/environment.js';
import { loadConfig } from '../../apps/homeserver/src/config/load-config.js';
import { Log } from '../../apps/homeserver/src/observability/log.js';
import { startServer } from '../../apps/homeserver/src/server.js';
import { DatabaseEpoch } from '../../apps/homeserver/src/storage/database-epoch.js';

describe('the folder of a server with a database of its own', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-restore-'));
    chmodSync(folder, 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const copy = (from: string, to: string): void => {
    rmSync(join(folder, to), { recursive: true, force: true });
    expect(spawnSync('cp', ['-a', join(folder, from), join(folder, to)]).status).toBe(0);
  };

  /** Starts the server and stops it. @returns its epoch, and how it noticed a restore */
  const run = async (): Promise<{ epoch: string; cause: string }> => {
    const settings = loadConfig({ PARTYLINE_DATA_DIR: join(folder, 'data'), PARTYLINE_HTTP_PORT: '0', PARTYLINE_PASSWORD_COST: 'cheap' }, folder);
    const environment = await openEnvironment(settings, { progress: () => undefined });
    try {
      const server = await startServer(environment.config, { log: new Log('silent'), lock: environment.lock });
      const { epoch, cause } = server.app.get<DatabaseEpoch>(DatabaseEpoch, { strict: false }).current;
      await server.stop();
      return { epoch, cause };
    } finally {
      await environment.close();
    }
  };

  it('that is copied back begins a new epoch, one that stays where it is does not', async () => {
    const first = await run();
    expect(first.cause).toBe('made');
    copy('data', 'backup');
    expect(await run()).toEqual(first);
    copy('backup', 'data');
    const restored = await run();
    expect(restored.cause).toBe('database');
    expect(restored.epoch).not.toBe(first.epoch);
    expect(await run()).toEqual(restored);
  });
});
