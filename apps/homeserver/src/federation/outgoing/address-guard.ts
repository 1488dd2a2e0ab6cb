import { isIP, type LookupFunction } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { NameResolver, type ResolvedAddress } from './name-resolver.js';
import { isPublicAddress } from './public-address.js';

/** The destination is, or resolves to, an address that this server must not be talked into calling. */
export class AddressRefusedError extends Error {
  constructor(host: string) {
    super(`${host} is not a public address`);
    this.name = 'AddressRefusedError';
  }
}

/**
 * Keeps outgoing requests whose target somebody else chose (server names, redirects, push gateways) away from this machine
 * and its private network. Two doors, because sockets do not look up literal addresses: `checkHost` before connecting, `lookup`
 * while connecting, so that the address that was checked is the one that is used (no DNS rebinding between the two).
 */
@Injectable()
export class AddressGuard {
  constructor(
    private readonly config: Config,
    private readonly resolver: NameResolver,
  ) {}

  /** @throws AddressRefusedError when `host` (as in a URL, brackets allowed) is a literal address outside the public ranges. */
  checkHost(host: string): void {
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    if (isIP(bare) !== 0 && !this.#isAllowed(bare)) throw new AddressRefusedError(host);
  }

  /** A `lookup` for sockets that resolves `host` instead of the name that the socket asks for, and only to allowed addresses. */
  lookup(host: string): LookupFunction {
    return (_hostname, options, callback) => {
      this.#allowedAddresses(host).then(
        (addresses) => {
          if (options.all) callback(null, addresses as { address: string; family: number }[]);
          else callback(null, addresses[0]!.address, addresses[0]!.family);
        },
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      );
    };
  }

  async #allowedAddresses(host: string): Promise<ResolvedAddress[]> {
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    const family = isIP(bare);
    const all = family ? [{ address: bare, family: family as 4 | 6 }] : await this.resolver.addresses(host);
    const allowed = all.filter(({ address }) => this.#isAllowed(address));
    if (allowed.length === 0) throw new AddressRefusedError(host);
    return allowed;
  }

  #isAllowed(address: string): boolean {
    return this.config.allowPrivateAddresses || isPublicAddress(address);
  }
}
