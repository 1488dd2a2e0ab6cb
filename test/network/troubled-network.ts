import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { DatabaseProxy } from './database-proxy.js';
import { Network } from './network.js';

/** Two servers; the database of `a` is behind the proxy, and is given up soon when it is away. Stop the network, then close the proxy. */
export async function troubledNetwork(): Promise<{ readonly net: Network; readonly proxy: DatabaseProxy }> {
  let proxy: DatabaseProxy | undefined;
  const net = await Network.start({
    servers: ['a', 'b'],
    databaseLimits: { ...usualLimits, answerMs: 2_500, patienceMs: 300 },
    databaseUrl: async (label, url) => {
      if (label !== 'a') return url;
      const way = await DatabaseProxy.open(url);
      ({ proxy } = way);
      return way.url;
    },
  });
  return { net, proxy: proxy! };
}
