import { KeyStore } from '../../apps/homeserver/src/federation/keys/key.store.js';
import { RegistrationTokens } from '../../apps/homeserver/src/auth/registration-tokens.js';
import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { DatabaseProxy } from '../network/database-proxy.js';
import { Network } from '../network/network.js';

describe('what repositories write', () => {
  let net: Network;
  let proxy: DatabaseProxy;
  beforeAll(async () => {
    net = await Network.start({
      databaseLimits: { ...usualLimits, answerMs: 2_500 },
      databaseUrl: async (_label, url) => {
        const way = await DatabaseProxy.open(url);
        ({ proxy } = way);
        return way.url;
      },
    });
  });
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  it.each(['answer lost', 'commit lost', 'silent'] as const)('is stored once when its COMMIT has its %s', async (fate) => {
    const tokens = net.server('a').get(RegistrationTokens);
    const cut = proxy.cut('INSERT INTO "registration_tokens"', fate);
    const { token } = await tokens.create({ usesAllowed: 1 });
    await cut;
    expect(await tokens.get(token)).toMatchObject({ token, usesAllowed: 1, used: 0 });
    expect(await tokens.delete(token)).toBe(true);
    expect(await tokens.delete(token)).toBe(false);
    await tokens.create({ token: `twice-${fate.replace(' ', '-')}` });
    await expect(tokens.create({ token: `twice-${fate.replace(' ', '-')}` })).rejects.toThrow('exists already');
  });

  it('can be read when the connections have fallen silent', async () => {
    const tokens = net.server('a').get(RegistrationTokens);
    await tokens.create({ token: 'read' });
    proxy.silence();
    expect(await tokens.get('read')).toMatchObject({ token: 'read' });
  });

  it('is stored together', async () => {
    const keys = net.server('a').get(KeyStore);
    const key = { keyId: 'ed25519:1', publicKey: 'x', validUntilTs: 1, expiredTs: null };
    const cut = proxy.cut('INSERT INTO "server_keys"', 'commit lost');
    await keys.save('other.example', [key], { json: '{}', fetchedTs: 1, validUntilTs: 1 });
    await cut;
    expect(await keys.keys('other.example')).toEqual([expect.objectContaining(key)]);
    await expect(keys.save('other.example', [{ ...key, validUntilTs: 2 }], { json: '\0', fetchedTs: 2, validUntilTs: 2 })).rejects.toThrow();
    expect(await keys.keys('other.example')).toEqual([expect.objectContaining(key)]);
  });
});
