import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../network/network.js';

/** Of each thing that README and the welcome page say is missing: a request that has to be there when it is not missing any more. */
const requests: Readonly<Record<string, readonly [method: string, path: string]>> = {
  'E-mail addresses and phone numbers': ['GET', '/_matrix/client/v3/account/3pid'],
  'Single sign-on': ['GET', '/_matrix/client/v3/login/sso/redirect'],
  'Application services': ['POST', '/_matrix/client/v1/appservice/bridge/ping'],
};

const root = join(import.meta.dirname, '..', '..');
const section = /^## What is missing\n(.*?)^## /ms.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
const listed = [...section.matchAll(/^- \*\*(.+?)\*\*/gm)].map(([, name]) => name!);

describe('what README says is missing', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start();
  });
  afterAll(() => net.stop());

  it('is all that is known to be', () => {
    expect([...listed].sort()).toEqual(Object.keys(requests).sort());
  });

  it.each(Object.entries(requests))('is: %s', async (_name, [method, path]) => {
    const client = await net.client().register(`u${Object.keys(requests).indexOf(_name)}`);
    await client.expectError(404, 'M_UNRECOGNIZED', method, path, method === 'GET' ? undefined : {});
  });
});
