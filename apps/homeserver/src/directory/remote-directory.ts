import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { FederationClient } from '../federation/federation-client.js';
import { type DirectoryPage, type DirectoryWish, readPage } from './directory-page.js';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 2 * 1024 * 1024;

/** The directories of other servers (server-server API, §Published Room Directory). */
@Injectable()
export class RemoteDirectory {
  constructor(private readonly client: FederationClient) {}

  /** @throws MatrixError 502 M_UNKNOWN when the server does not answer, or with something else */
  async page(server: string, { limit, since, term, types }: DirectoryWish): Promise<DirectoryPage> {
    const base = { destination: server, path: '/_matrix/federation/v1/publicRooms', timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES, ignoreBackoff: true };
    const isFiltered = term !== undefined || types !== undefined;
    const filter = { ...(term === undefined ? {} : { generic_search_term: term }), ...(types === undefined ? {} : { room_types: types }) };
    const body = await this.client
      .request(isFiltered ? { ...base, method: 'POST', body: { limit, ...(since ? { since } : {}), filter } } : { ...base, method: 'GET', query: { limit, since } })
      .catch(() => undefined);
    const page = readPage(body);
    if (!page) throw MatrixError.unknown(502, `${server} does not show its rooms now`);
    return page;
  }
}
