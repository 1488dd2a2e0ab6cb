import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEnvironment } from '../../apps/homeserver/src/commands/environment.js';
import { withFreeAddresses } from '../../apps/homeserver/src/commands/free-addresses.js';
import { loadConfig, settingNames } from '../../apps/homeserver/src/config/load-config.js';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { startServer } from '../../apps/homeserver/src/server.js';
import { freePort } from '../network/free-port.js';

/** Wrong values of each setting, and what the sentence says. A function makes the value, with the files that it names. */
const wrong: Readonly<Record<string, readonly (readonly [value: string | ((folder: string) => string), says: string | RegExp])[]>> = {
  PARTYLINE_SERVER_NAME: [
    ['Example.org', 'lower case: example.org'],
    ['not a name', 'expected a host name'],
    ['--', 'is no host name'],
    ['-a.example.org', 'is no host name'],
    ['example..org', 'is no host name'],
    ['example.org.', 'is no host name'],
    ['example.org:99999', 'expected a host name'],
    ['example.org:0', 'no port number'],
    ['example.org:0443', 'no port number'],
    ['https://example.org', 'expected a host name'],
    ['[::1', 'expected a host name'],
    [`${'a'.repeat(64)}.org`, 'is no host name'],
    [`${'a.'.repeat(120)}org`, 'expected a host name'],
  ],
  PARTYLINE_DATA_DIR: [
    ['   ', 'is blank'],
    ['/proc/partyline', 'cannot be made'],
    ['/proc/partyline/data', 'cannot be made'],
    ['/sys', 'cannot be written'],
    [(folder) => file(folder, 'a-file', ''), 'is a file'],
    [(folder) => join(file(folder, 'b-file', ''), 'data'), /cannot be made|is a file/],
  ],
  PARTYLINE_BIND: [
    ['garbage', '"garbage" is no IP address'],
    ['127.0.0.1,example.org', '"example.org" is no IP address'],
    ['127.0.0.1:8008', 'is no IP address'],
    [',', 'names no address'],
    [' ', 'names no address'],
    ['203.0.113.77', 'this machine has no address 203.0.113.77'],
  ],
  PARTYLINE_HTTP_PORT: [
    ['80080', 'expected a port'],
    ['http', 'expected a port'],
    ['-1', 'expected a port'],
    ['8008 8009', 'expected a port'],
    ['off', 'nobody could connect'],
  ],
  PARTYLINE_HTTPS_PORT: [
    ['99999', 'expected a port'],
    ['8448', 'needs a certificate'],
  ],
  PARTYLINE_TLS_CERT: [
    ['/does/not/exist.pem', 'PARTYLINE_TLS_KEY: is needed'],
    [(folder) => file(folder, 'no.pem', 'nothing'), 'PARTYLINE_TLS_KEY: is needed'],
  ],
  PARTYLINE_TLS_KEY: [['/does/not/exist.pem', 'PARTYLINE_TLS_CERT: is needed']],
  DATABASE_URL: [
    ['mysql://localhost/x', 'expected postgresql://'],
    ['postgresql://user:pass word@local host/x', 'expected postgresql://'],
    ['localhost:5432', 'expected postgresql://'],
    ['postgresql://nobody@127.0.0.1:1/none', 'does not answer'],
    ['postgresql://nobody@no-such-host.invalid/none', 'does not answer'],
  ],
  PARTYLINE_PUBLIC_URL: [
    ['example.org', 'expected an address'],
    ['ftp://example.org', 'expected an address'],
    ['https://example.org/matrix', 'without anything after the host: https://example.org'],
    ['https://example.org/?a=b', 'without anything after the host'],
    ['https://example.org/#', 'without anything after the host'],
    ['https://me:secret@example.org', 'without anything after the host'],
  ],
  PARTYLINE_REGISTRATION: [['maybe', '"open", "token" or "closed"']],
  PARTYLINE_REGISTRATION_SECRET: [['  ', 'is blank']],
  PARTYLINE_DEFAULT_ROOM_VERSION: [['99', 'is no room version'], ['twelve', 'is no room version']],
  PARTYLINE_TURN_URIS: [['turn.example.org', 'is no address of a TURN server'], ['turn:turn.example.org', 'only of use together']],
  PARTYLINE_TURN_SECRET: [['  ', 'is blank'], ['secret', 'PARTYLINE_TURN_URIS: and PARTYLINE_TURN_SECRET are only of use together']],
  PARTYLINE_LIVEKIT_URL: [['rtc.example.org', 'expected an address']],
  PARTYLINE_CONTACT: [['somebody', 'expected a user id, an e-mail address']],
  PARTYLINE_RATE_LIMITS: [['sometimes', '"on" or "off"']],
  PARTYLINE_NOTARIES: [
    ['matrix.org, not a name', '"not a name" is no server name'],
    [Array.from({ length: 11 }, (_, index) => `${index}.example.org`).join(), 'more than 10 servers'],
  ],
  PARTYLINE_MEDIA_STORE: [['tape', '"disk", or s3://bucket'], ['s3://media?secret=x', '"disk", or s3://bucket']],
  PARTYLINE_MAX_UPLOAD: [['large', 'expected a size'], ['10 apples', 'expected a size'], ['-1', 'expected a size']],
  PARTYLINE_MEDIA_QUOTA: [['none', 'expected a size'], ['999999999999T', 'is too large']],
  PARTYLINE_MEDIA_CACHE: [['little', 'expected a size']],
  PARTYLINE_OPEN_MEDIA: [['perhaps', '"on" or "off"']],
  PARTYLINE_URL_PREVIEWS: [['some', '"on" or "off"']],
  PARTYLINE_RETENTION: [['long', 'expected a time such as 12h'], ['-1d', 'expected a time such as 12h']],
  PARTYLINE_RETENTION_LIMITS: [['1d', 'expected two times'], ['2y-1d', 'the first time is longer']],
  PARTYLINE_SEARCH_LANGUAGE: [['klingon', 'expected simple, arabic']],
  PARTYLINE_PUSH_BADGE: [['people', 'expected "rooms" or "messages"']],
  PARTYLINE_PRESENCE: [['away', '"on" or "off"']],
  PARTYLINE_LOG_LEVEL: [['loud', 'expected debug, info, warn, error, silent']],
  PARTYLINE_FEDERATION_CA: [
    ['/does/not/exist.pem', 'cannot read'],
    [(folder) => file(folder, 'ca.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'), 'is no certificate'],
    [(folder) => file(folder, 'ca-key.pem', '-----BEGIN PRIVATE KEY-----\n'), 'holds no certificate'],
    ['/tmp', 'cannot read /tmp (EISDIR)'],
  ],
  PARTYLINE_ALLOW_PRIVATE_ADDRESSES: [['2', '"on" or "off"']],
  PARTYLINE_PASSWORD_COST: [['free', '"normal" or "cheap"']],
};

function file(folder: string, name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

describe('a wrong setting', () => {
  let folder: string;
  const authority = createCertificateAuthority(Date.now(), randomBytes);

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'partyline-settings-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What a start says that fails, up to the point where the server would listen. */
  async function problemOf(env: Record<string, string>): Promise<string> {
    try {
      const settings = await withFreeAddresses(loadConfig({ PARTYLINE_HTTP_PORT: '0', ...env }, folder));
      const environment = await openEnvironment(settings, {
        progress: (what) => {
          throw new Error(`too far: ${what}`);
        },
      });
      try {
        await (await startServer(environment.config)).stop();
      } finally {
        await environment.close();
      }
      return 'it started';
    } catch (error) {
      // Nothing but a sentence is for the operator.
      expect(error).toBeInstanceOf(Error);
      expect([Error.name, 'SettingsError']).toContain((error as Error).name);
      expect(existsSync(join(folder, 'data', 'postgres'))).toBe(false);
      return (error as Error).message;
    }
  }

  it('is tried of every setting', () => {
    expect(Object.keys(wrong).sort()).toEqual([...settingNames].sort());
  });

  it.each(Object.entries(wrong).flatMap(([name, values]) => values.map(([value, says]) => [name, value, says] as const)))(
    'stops the start with a sentence that names it: %s=%s',
    async (name, value, says) => {
      const problem = await problemOf({ [name]: typeof value === 'string' ? value : value(folder) });
      // One that needs another setting names that.
      const names = String(says).startsWith('PARTYLINE_') ? '' : `${name}: `;
      expect(problem).toMatch(new RegExp(`^${names}.*${says instanceof RegExp ? `(${says.source})` : escape(says)}`, 's'));
    },
  );

  it.each(['PARTYLINE_SERVERNAME', 'PARTYLINE_HTTPS', 'PARTYLINE_APPSERVICES', 'PARTYLINE_X'])('is a name that none has: %s', async (name) => {
    expect(await problemOf({ [name]: 'x' })).toMatch(new RegExp(`^${name}: is no setting of Partyline; (is PARTYLINE_\\w+ meant\\?|"partyline --help" lists them)$`));
  });

  it.each([
    ['sever_name: example.org', /^sever_name in .*partyline\.yaml: is no setting/],
    ['bind: []', /^PARTYLINE_BIND: names no address/],
    ['bind: {a: 1}', /^bind in .*: expected a text/],
    ['server_name: a.org\nPARTYLINE_SERVER_NAME: b.org', /^PARTYLINE_SERVER_NAME in .*: is set twice/],
    ['[', /partyline\.yaml: is no YAML/],
    ['- a', /partyline\.yaml: expected "name: value" lines/],
  ])('is told of the settings file: %s', async (content, says) => {
    file(folder, 'partyline.yaml', content);
    expect(await problemOf({})).toMatch(says);
  });

  it('is a certificate without its key, with another one, and a key that is none', async () => {
    const [one, two] = [authority.issue(['one.test']), authority.issue(['two.test'])];
    const [cert, key, other] = [file(folder, 'cert.pem', one.cert), file(folder, 'key.pem', one.key), file(folder, 'other.pem', two.key)];
    const tls = (certFile: string, keyFile: string) => problemOf({ PARTYLINE_TLS_CERT: certFile, PARTYLINE_TLS_KEY: keyFile, PARTYLINE_HTTPS_PORT: 'off', PARTYLINE_HTTP_PORT: 'off' });
    expect(await problemOf({ PARTYLINE_TLS_CERT: cert })).toMatch(/^PARTYLINE_TLS_KEY: is needed/);
    expect(await problemOf({ PARTYLINE_TLS_KEY: key })).toMatch(/^PARTYLINE_TLS_CERT: is needed/);
    expect(await tls('/does/not/exist.pem', key)).toMatch(/^PARTYLINE_TLS_CERT: cannot read/);
    expect(await tls(cert, folder)).toMatch(/^PARTYLINE_TLS_KEY: cannot read/);
    expect(await tls(cert, other)).toMatch(/^PARTYLINE_TLS_KEY: .*is not the key of/);
    expect(await tls(cert, cert)).toMatch(/^PARTYLINE_TLS_KEY: .*holds no private key/);
    expect(await tls(key, key)).toMatch(/^PARTYLINE_TLS_CERT: .*holds no certificate/);
    expect(await tls(cert, key)).toMatch(/^PARTYLINE_HTTP_PORT: .*nobody could connect/);
    const port = String(await freePort());
    expect(await problemOf({ PARTYLINE_TLS_CERT: cert, PARTYLINE_TLS_KEY: key, PARTYLINE_HTTP_PORT: port, PARTYLINE_HTTPS_PORT: port })).toMatch(/^PARTYLINE_HTTPS_PORT: is the same/);
  });

  it.each(['HTTP', 'HTTPS'])('is a port that is taken, before anything is made: %s', async (kind) => {
    const { cert, key } = authority.issue(['one.test']);
    const tls = { PARTYLINE_TLS_CERT: file(folder, 'cert.pem', cert), PARTYLINE_TLS_KEY: file(folder, 'key.pem', key), PARTYLINE_HTTPS_PORT: '0' };
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    expect(await problemOf({ ...tls, [`PARTYLINE_${kind}_PORT`]: String(port) })).toMatch(new RegExp(`^PARTYLINE_${kind}_PORT: port ${port} is in use`));
    await new Promise((resolve) => holder.close(resolve));
  });

  it.each([
    ['signing.key', '', /signing\.key holds no signing key/],
    ['signing.key', 'ed25519 a AAAA\n', /signing\.key holds no signing key/],
    ['registration-secret', '\n', /registration-secret is empty/],
  ])('is a file of the data folder that was cut: %s', async (name, content, says) => {
    mkdirSync(join(folder, 'data'));
    file(join(folder, 'data'), name, content);
    expect(await problemOf({})).toMatch(says);
  });
});

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
