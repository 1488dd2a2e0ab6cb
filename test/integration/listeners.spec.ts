import { Network } from '../network/network.js';

describe('a server on all addresses', () => {
  it.each([[['0.0.0.0', '::']], [['::', '0.0.0.0']], [['0.0.0.0']]])('%j answers on IPv4', async (bind) => {
    const net = await Network.start({ config: { bind } });
    try {
      const { httpPort } = net.server('a').config;
      expect((await fetch(`http://127.0.0.1:${httpPort}/health`)).status).toBe(200);
    } finally {
      await net.stop();
    }
  });
});
