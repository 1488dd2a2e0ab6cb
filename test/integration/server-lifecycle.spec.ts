import { request } from 'node:https';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { testCluster } from '../network/test-cluster.js';
import { within } from '../network/within.js';

describe('a server', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
  });
  afterAll(() => net.stop());

  it('answers on its HTTP address', async () => {
    expect((await net.client('a').raw('GET', '/health')).body).toEqual({ status: 'ok' });
  });

  it('answers over TLS with a certificate of the test authority', async () => {
    const { ca } = await testCluster();
    const status = await new Promise<number>((resolve, reject) => {
      const url = `https://${net.server('b').name}/health`;
      request(url, { ca, agent: false }, (response) => resolve(response.resume().statusCode!)).on('error', reject).end();
    });
    expect(status).toBe(200);
  });

  it('answers waiting syncs when it stops, and stops within its time', async () => {
    const alice = await net.client('a').register('alice');
    const { next_batch: since } = await alice.request('GET', '/v3/sync');
    const waiting = alice.request('GET', '/v3/sync', undefined, { query: { since, timeout: 60_000 } });
    // The request has arrived when another one that was sent later is answered.
    await alice.request('GET', '/v3/account/whoami');
    await within(5_000, () => net.server('a').stop());
    expect((await waiting).next_batch).toBe(since);
    await net.server('a').start();
  });

  it('stops, starts again on the same port, and survives a crash', async () => {
    const a = net.server('a');
    const { url } = a;
    await a.stop();
    await expect(net.client('a').raw('GET', '/health')).rejects.toThrow(/ECONNREFUSED/);
    await a.start();
    expect(a.url).toBe(url);
    await a.crash();
    await expect(net.client('a').raw('GET', '/health')).rejects.toThrow(/ECONNREFUSED/);
    await a.start();
    expect((await eventually(() => net.client('a').raw('GET', '/health'))).status).toBe(200);
  });
});
