import { randomBytes } from 'node:crypto';
import type { Config } from '../../apps/homeserver/src/config/config.js';
import { NameResolver, type ResolvedAddress } from '../../apps/homeserver/src/federation/outgoing/name-resolver.js';
import type { SrvRecord } from '#federation';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { Link } from '../faults/link.js';
import { freePort } from '../network/free-port.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';

const LINK_HOST = 'link.test';
const PREFIX = '_matrix-fed._tcp.';

/** The names of the others lead a server to its links, over restarts too. */
class LinkResolver extends NameResolver {
  constructor(private readonly portOf: (serverName: string) => number | undefined) {
    super();
  }

  override srv(name: string): Promise<readonly SrvRecord[]> {
    const port = name.startsWith(PREFIX) ? this.portOf(name.slice(PREFIX.length)) : undefined;
    return Promise.resolve(port === undefined ? [] : [{ name: LINK_HOST, port, priority: 1, weight: 1 }]);
  }

  override addresses(host: string): Promise<readonly ResolvedAddress[]> {
    if (host === LINK_HOST) return Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    return Promise.reject(Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND' }));
  }
}

/** Servers `a.test`, `b.test`… in this process, whose ways to each other can be cut, each direction by itself. */
export class LinkedNetwork {
  private constructor(
    readonly net: Network,
    /** By `from>to`, labels. */
    private readonly links: ReadonlyMap<string, Link>,
  ) {}

  /** @param settings of servers, by label */
  static async start(labels: readonly string[], settings: Readonly<Record<string, Partial<Config>>> = {}): Promise<LinkedNetwork> {
    const authority = createCertificateAuthority(Date.now(), randomBytes);
    const tls = authority.issue(labels.map(nameOf));
    const configs: Record<string, Partial<Config>> = {};
    const links = new Map<string, Link>();
    for (const to of labels) {
      const httpsPort = await freePort();
      configs[to] = { serverName: nameOf(to), httpsPort, ...settings[to] };
      for (const from of labels) if (from !== to) links.set(`${from}>${to}`, await Link.open(httpsPort));
    }
    const resolver = (from: string) => new LinkResolver((name) => labels.flatMap((to) => (nameOf(to) === name ? (links.get(`${from}>${to}`)?.port ?? []) : []))[0]);
    return new LinkedNetwork(await Network.start({ servers: labels, config: { tls, federationCa: authority.cert }, configs, resolver }), links);
  }

  get servers(): readonly TestServer[] {
    return this.net.servers;
  }

  /** The way that requests of `from` take to `to`. */
  link(from: TestServer, to: TestServer): Link {
    return this.links.get(`${from.label}>${to.label}`)!;
  }

  /** Neither hears anything of the other, or both do again. */
  cut(one: TestServer, other: TestServer, state: 'refused' | 'open' = 'refused'): void {
    this.link(one, other).set(state);
    this.link(other, one).set(state);
  }

  async stop(): Promise<void> {
    await this.net.stop();
    await Promise.all([...this.links.values()].map((link) => link.close()));
  }
}

function nameOf(label: string): string {
  return `${label}.test`;
}
