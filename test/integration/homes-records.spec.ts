import { canonicalJson, endorsementInput, readHomeRecord, verifyHomeRecord, verifySignature } from '#federation';
import { HomeIdentities } from '../../apps/homeserver/src/accounts/identity/home-identities.js';
import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { ServerKeys } from '../../apps/homeserver/src/federation/keys/server-keys.js';
import { Network } from '../network/network.js';

describe('home identities', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
  });
  afterAll(() => net.stop());

  it('are made in custody on first use, once, and prove themselves', async () => {
    const a = net.server('a');
    const { userId } = await net.client('a').register('alice');
    const [one, two] = await Promise.all([a.get(HomeIdentities).record(userId), a.get(HomeIdentities).record(userId)]);
    expect(canonicalJson(one)).toBe(canonicalJson(two));
    verifyHomeRecord(readHomeRecord(one));
    const keys = a.get(ServerKeys);
    expect(verifySignature(keys.publicKey, endorsementInput(one.genesis), one.endorsement![keys.keyId]!)).toBe(true);
    const { key } = await a.get(HomeIdentities).signer(userId);
    expect(one.homes).toMatchObject([{ server_name: a.name, key_id: key.keyId, key: key.publicKey }]);
    expect(await a.get(AccountServers).of(userId)).toEqual([a.name]);
    await expect(a.get(HomeIdentities).record(`@nobody:${a.name}`)).rejects.toMatchObject({ status: 404 });
    await a.restart();
    expect(canonicalJson(await net.server('a').get(HomeIdentities).record(userId))).toBe(canonicalJson(one));
  });
});
