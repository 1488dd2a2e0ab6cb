import { randomBytes } from 'node:crypto';
import type { Config } from '../../apps/homeserver/src/config/config.js';
import { NameResolver } from '../../apps/homeserver/src/federation/outgoing/name-resolver.js';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { Link } from '../faults/link.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';

const LINK_HOST = 'link.test';
const PREFIX = '_matrix-fed._tcp.';

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
    const configs = Object.fromEntries(labels.map((label) => [label, { serverName: nameOf(label), ...settings[label] }]));
    const net = await Network.start({ servers: labels, config: { tls, federationCa: authority.cert }, configs });
    const links = new Map<string, Link>();
    for (const from of labels) {
      for (const to of labels) if (from !== to) links.set(`${from}>${to}`, await Link.open(net.server(to).config.httpsPort!));
    }
    const network = new LinkedNetwork(net, links);
    for (const label of labels) network.#resolve(label);
    return network;
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

  /** The names of the others lead a server to its links. */
  #resolve(label: string): void {
    const resolver: NameResolver = this.net.server(label).get(NameResolver);
    resolver.srv = (name) => {
      const to = this.net.servers.find((server) => name === `${PREFIX}${server.name}`);
      const link = to && this.links.get(`${label}>${to.label}`);
      return Promise.resolve(link ? [{ name: LINK_HOST, port: link.port, priority: 1, weight: 1 }] : []);
    };
    resolver.addresses = (host) => host === LINK_HOST
      ? Promise.resolve([{ address: '127.0.0.1', family: 4 }])
      : Promise.reject(Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND' }));
  }
}

function nameOf(label: string): string {
  return `${label}.test`;
}
