import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Config } from '../../config/config.js';
import { AddressGuard, AddressRefusedError } from './address-guard.js';
import { SystemResolver } from './name-resolver.js';
import { WebRequests } from './web-requests.js';

/** Takes one address of this machine for one of the web, and another one for what it is. */
class Guard extends AddressGuard {
  override checkHost(host: string): void {
    if (host !== '127.0.0.1') super.checkHost(host);
  }
}

it('checks each address of a redirect', async () => {
  const called: string[] = [];
  const server = createServer((request, response) => {
    called.push(request.headers.host!);
    response.writeHead(302, { location: `http://127.0.0.2:${(server.address() as AddressInfo).port}/inside` }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  const web = new WebRequests(new Guard(Object.assign(new Config(), { allowPrivateAddresses: false }), new SystemResolver()));
  try {
    const get = web.get(new URL(`http://127.0.0.1:${port}/`), { accept: '*/*', timeoutMs: 10_000 }, () => Promise.resolve('read'));
    await expect(get).rejects.toThrow(AddressRefusedError);
    expect(called).toEqual([`127.0.0.1:${port}`]);
  } finally {
    await web.onApplicationShutdown();
    server.close();
  }
});
