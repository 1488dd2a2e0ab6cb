import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { AddressGuard, AddressRefusedError } from '../../federation/outgoing/address-guard.js';

const GATEWAY_PATH = '/_matrix/push/v1/notify';
const MAX_ADDRESS = 2_048;

/** Which addresses pushes may go to, as far as the address itself tells. */
@Injectable()
export class PushAddresses {
  constructor(private readonly guard: AddressGuard) {}

  /** The address of a push gateway. @throws MatrixError 400 M_MISSING_PARAM, M_INVALID_PARAM */
  gateway(address: unknown): URL {
    const url = this.#read(address);
    if (url.pathname !== GATEWAY_PATH) throw MatrixError.invalidParam(`The address of a push gateway ends with ${GATEWAY_PATH}`);
    return url;
  }

  /** The address of a browser's push service (RFC 8030). @throws MatrixError 400 M_MISSING_PARAM, M_INVALID_PARAM */
  pushService(address: unknown): URL {
    return this.#read(address);
  }

  #read(address: unknown): URL {
    if (address === undefined) throw MatrixError.missingParam('Missing data.url');
    const url = typeof address === 'string' && address.length <= MAX_ADDRESS ? parsed(address) : null;
    if (!url || url.username !== '' || url.password !== '') throw MatrixError.invalidParam('data.url is no address');
    if (url.protocol !== 'https:') throw MatrixError.invalidParam('data.url is not https:');
    try {
      this.guard.checkHost(url.hostname);
    } catch (error) {
      if (error instanceof AddressRefusedError) throw MatrixError.invalidParam('data.url is not on the public network');
      throw error;
    }
    return url;
  }
}

function parsed(address: string): URL | null {
  return URL.canParse(address) ? new URL(address) : null;
}
