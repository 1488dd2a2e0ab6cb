import { lookup, resolveSrv } from 'node:dns/promises';
import { Injectable } from '@nestjs/common';
import type { SrvRecord } from '#federation';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** DNS as discovery needs it; tests put their own zone here. */
export abstract class NameResolver {
  /** All addresses of a host. Rejects when there are none. */
  abstract addresses(host: string): Promise<readonly ResolvedAddress[]>;
  /** SRV records of a name; empty when there are none or the lookup fails. */
  abstract srv(name: string): Promise<readonly SrvRecord[]>;
}

/** The machine's resolver (with /etc/hosts) for addresses, DNS for SRV. */
@Injectable()
export class SystemResolver extends NameResolver {
  override async addresses(host: string): Promise<readonly ResolvedAddress[]> {
    return (await lookup(host, { all: true, order: 'verbatim' })) as ResolvedAddress[];
  }

  override async srv(name: string): Promise<readonly SrvRecord[]> {
    // A failing lookup counts as "no record" (server discovery steps 3.3 to 5): the next step may still work.
    return resolveSrv(name).catch(() => []);
  }
}
