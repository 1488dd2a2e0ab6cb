import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeConfig, loadConfig } from './load-config.js';

describe('loadConfig', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has a default for everything', () => {
    const settings = loadConfig({}, folder);
    expect(settings).toMatchObject({
      serverName: 'localhost',
      dataDir: join(folder, 'data'),
      httpPort: 8008,
      httpsPort: null,
      publicUrl: 'http://localhost:8008',
      registration: 'closed',
      defaultRoomVersion: '12',
      defaultRoomVersionIsSet: false,
      rateLimits: true,
      logLevel: 'info',
      allowPrivateAddresses: false,
      databaseUrl: null,
    });
    expect(Object.isFrozen(completeConfig(settings, 'postgresql://x/y'))).toBe(true);
  });

  it('takes an empty variable as not set', () => {
    expect(loadConfig({ PARTYLINE_HTTP_PORT: '', DATABASE_URL: '' }, folder).httpPort).toBe(8008);
  });

  it('reads partyline.yaml, with names in either form, below the environment', () => {
    writeFileSync(
      join(folder, 'partyline.yaml'),
      'server_name: example.org\nPARTYLINE_HTTP_PORT: 8010\nrate_limits: false\nbind: [127.0.0.1]\ndata_dir: elsewhere\n',
    );
    const settings = loadConfig({ PARTYLINE_HTTP_PORT: '8011' }, folder);
    expect(settings).toMatchObject({
      serverName: 'example.org',
      httpPort: 8011,
      rateLimits: false,
      bind: ['127.0.0.1'],
      dataDir: join(folder, 'elsewhere'),
    });
  });

  it('cuts the slash from the public address', () => {
    expect(loadConfig({ PARTYLINE_PUBLIC_URL: 'https://example.org/' }, folder).publicUrl).toBe('https://example.org');
  });

  it.each([
    ['@ops:example.org', { contacts: [{ role: 'm.role.admin', matrix_id: '@ops:example.org' }] }],
    ['ops@example.org', { contacts: [{ role: 'm.role.admin', email_address: 'ops@example.org' }] }],
    ['https://example.org/help', { support_page: 'https://example.org/help' }],
  ])('takes %s for the contact', (PARTYLINE_CONTACT, contact) => {
    expect(loadConfig({ PARTYLINE_CONTACT }, folder).contact).toEqual(contact);
  });

  it.each([
    [{ PARTYLINE_CONTACT: 'somebody' }, 'PARTYLINE_CONTACT'],
    [{ PARTYLINE_TURN_URIS: 'turn.example.org', PARTYLINE_TURN_SECRET: 'x' }, 'PARTYLINE_TURN_URIS'],
    [{ PARTYLINE_TURN_URIS: 'turn:turn.example.org' }, 'PARTYLINE_TURN_URIS'],
    [{ PARTYLINE_TURN_SECRET: 'x' }, 'PARTYLINE_TURN_URIS'],
    [{ PARTYLINE_LIVEKIT_URL: 'rtc.example.org' }, 'PARTYLINE_LIVEKIT_URL'],
  ])('refuses %j', (env, named) => {
    expect(() => loadConfig(env, folder)).toThrow(new RegExp(`^${named}`));
  });

  it('refuses what it does not know in the file', () => {
    writeFileSync(join(folder, 'partyline.yaml'), 'sever_name: example.org\n');
    expect(() => loadConfig({}, folder)).toThrow(/^sever_name in .*partyline\.yaml: is no setting/);
  });
});
