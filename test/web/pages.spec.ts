import { FirstRunAdmin } from '../../apps/homeserver/src/auth/first-run-admin.js';
import { SetupRequests } from '../../apps/web/src/setup-requests.js';
import { Network } from '../network/network.js';

describe('the pages of a server', () => {
  let net: Network;
  const get = (server: string, path: string, headers: Record<string, string> = {}) => fetch(`${net.server(server).url}${path}`, { headers });
  const textOf = async (server: string, path: string) => (await get(server, path)).text();

  beforeAll(async () => {
    net = await Network.start({
      servers: ['closed', 'token', 'open', 'public'],
      configs: {
        closed: { registration: 'closed' },
        token: { registration: 'token' },
        public: { publicUrl: 'https://chat.example.org/?a="><script>alert(1)</script>' },
      },
    });
  });
  afterAll(() => net.stop());

  describe.each(['/', '/setup', '/assets/style.css', '/assets/icon.svg', '/assets/setup.js', '/assets/welcome.js', '/assets/homeserver-address.svg'])('%s', (path) => {
    it('comes with a type and the headers that keep everything else out', async () => {
      const answer = await get('closed', path);
      expect(answer.status).toBe(200);
      const extension = /\.(\w+)$/.exec(path)?.[1] ?? 'html';
      const type = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' }[extension];
      expect(answer.headers.get('content-type')).toBe(type);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-cache',
      });
      const policy = answer.headers.get('content-security-policy')!.split('; ');
      expect(policy).toEqual(
        expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"]),
      );
      expect(policy.join()).not.toMatch(/unsafe|\*|https?:/);
      expect((await answer.text()).length).toBeGreaterThan(100);
    });

    it('is not sent again to those who have it', async () => {
      const tag = (await get('closed', path)).headers.get('etag')!;
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`]) {
        const again = await get('closed', path, { 'if-none-match': known });
        expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', tag]);
      }
      expect((await get('closed', path, { 'if-none-match': '"other"' })).status).toBe(200);
    });

    it('answers HEAD', async () => {
      const answer = await fetch(`${net.server('closed').url}${path}`, { method: 'HEAD' });
      expect([answer.status, await answer.text()]).toEqual([200, '']);
    });
  });

  it.each(['/', '/setup'])('%s loads what is there, and nothing from elsewhere', async (path) => {
    const page = await textOf('closed', path);
    const loaded = [...page.matchAll(/<(?:script|img|link|iframe|source)[^>]*(?:src|href)="([^"]*)"/g)].map(([, url]) => url!);
    expect(loaded.length).toBeGreaterThan(2);
    for (let i = 0; i < loaded.length; i++) {
      const url = loaded[i]!;
      expect(url).toMatch(/^\/assets\//);
      const answer = await get('closed', url);
      expect([url, answer.status]).toEqual([url, 200]);
      const content = await answer.text();
      for (const [, file] of content.matchAll(/^import .*'\.\/([^']+)';$/gm)) if (!loaded.includes(`/assets/${file}`)) loaded.push(`/assets/${file}`);
      expect(content).not.toMatch(/@import|url\(/);
    }
    // The policy would not let them run.
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
  });

  it.each(['/assets/nothing.js', '/assets/..%2fpages%2fsetup.html', '/assets/..%2f..%2f..%2fpackage.json', '/assets/style.css.map', '/assets/', '/nothing'])(
    'has nothing at %s',
    async (path) => {
      const answer = await get('closed', path);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ errcode: expect.stringMatching(/^M_(NOT_FOUND|UNRECOGNIZED)$/) });
    },
  );

  it('show a page to a browser at an address that is none, and JSON to programs', async () => {
    const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    for (const path of ['/nothing', '/index.html', '/setup/x', '/admin']) {
      const answer = await get('closed', path, browser);
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 404, 'text/html; charset=utf-8']);
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
      const page = await answer.text();
      expect(page).toContain('There is nothing at this address');
      expect(page).toContain('href="/"');
    }
    for (const path of ['/_matrix/client/v3/nothing', '/_synapse/admin', '/.well-known/matrix/server', '/assets/nothing.js']) {
      expect([path, (await get('closed', path, browser)).headers.get('content-type')]).toEqual([path, 'application/json']);
    }
  });

  it('say how to get a new link where the one for the first account is not whole', async () => {
    const page = await textOf('closed', '/setup');
    expect(page).toMatch(/it prints a new one/);
    expect(page).toContain('node bin/partyline.js admin create-user NAME --admin');
  });

  it('tell the name and the address, whatever these hold', async () => {
    expect(await textOf('closed', '/')).toContain(`>${net.server('closed').url}</code>`);
    const page = await textOf('public', '/');
    expect(page).toContain(`<h1>${net.server('public').name}</h1>`);
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('&#60;script&#62;alert(1)');
    expect(page).not.toContain('{{');
  });

  it('show the QR code where the address can be reached from elsewhere', async () => {
    expect(await textOf('public', '/')).toContain('src="/assets/homeserver-address.svg"');
    const local = await textOf('open', '/');
    expect(local).not.toContain('homeserver-address.svg');
    expect(local).toContain('PARTYLINE_PUBLIC_URL');
  });

  it('tell how to get an account, once there is one', async () => {
    expect(await textOf('open', '/')).toContain('This server has no account');
    await net.client('open').register('first');
    const page = await textOf('open', '/');
    expect(page).not.toContain('This server has no account');
    expect(page).toContain('Everybody may register here');
    expect(page).not.toContain('invitation code');
  });

  describe('set up', () => {
    const requestsTo = (server: string) => new SetupRequests(net.server(server).url, (url, init) => fetch(url, init));
    const tokenOf = async (server: string) => (await net.server(server).get(FirstRunAdmin).link())!.split('#')[1]!;
    const problemOf = (promise: Promise<unknown>) => promise.then(() => 'none', ({ problem }) => problem);
    const password = 'correct horse battery';

    it('makes the administrator with the token, once', async () => {
      const requests = requestsTo('closed');
      expect(await problemOf(requests.register({ token: 'guessed', name: 'mallory', password }, null))).toBe('linkSpent');
      expect(await textOf('closed', '/setup')).toContain('id="form"');

      const token = await tokenOf('closed');
      expect(await requests.isTokenValid('guessed')).toBe(false);
      expect(await requests.isTokenValid(token)).toBe(true);
      expect(await problemOf(requests.register({ token, name: 'not a name', password }, null))).toBe('nameInvalid');
      expect(await problemOf(requests.register({ token, name: 'alice', password: 'x'.repeat(600) }, null))).toBe('passwordRefused');
      expect(await requests.register({ token, name: 'alice', password }, null)).toEqual({ userId: `@alice:${net.server('closed').name}`, accessToken: null });

      const admin = await net.client('closed').login('alice', password);
      expect(await admin.request('GET', '/_synapse/admin/v1/registration_tokens')).toEqual({ registration_tokens: [] });

      expect(await requests.isTokenValid(token)).toBe(false);
      expect(await problemOf(requests.register({ token, name: 'bob', password }, null))).toBe('linkSpent');
      await net.client('closed').expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', { type: 'm.login.password', user: 'bob', password });
      const page = await textOf('closed', '/setup');
      expect(page).toContain('This server is set up already');
      expect(page).not.toContain('id="form"');
    });

    it('makes invitation codes for one person each where registration needs one', async () => {
      const requests = requestsTo('token');
      const token = await tokenOf('token');
      const { accessToken } = await requests.register({ token, name: 'alice', password }, 'Set-up page');
      const code = await requests.makeInvitationCode(accessToken!);
      expect(await problemOf(requests.register({ token: code, name: 'alice', password }, null))).toBe('nameTaken');
      expect((await requests.register({ token: code, name: 'bob', password }, null)).userId).toBe(`@bob:${net.server('token').name}`);
      expect(await problemOf(requests.register({ token: code, name: 'carol', password }, null))).toBe('linkSpent');

      const bob = await net.client('token').login('bob', password);
      await bob.expectError(403, 'M_FORBIDDEN', 'GET', '/_synapse/admin/v1/registration_tokens');
      await requests.logOut(accessToken!);
      expect(await problemOf(requests.makeInvitationCode(accessToken!))).toBe('failed');
    });
  });
});
