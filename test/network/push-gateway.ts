import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { eventually } from './eventually.js';
import type { Json, TestClient } from './test-client.js';
import { testCluster } from './test-cluster.js';

/** A push gateway that remembers what it is told. */
export class TestGateway {
  /** Members `notification` of the requests that were answered with 200, in order. */
  readonly told: Json[] = [];
  /** Requests that were answered with something else. */
  refused = 0;
  /** What the next requests are answered with: a status, or the push keys that are rejected. */
  answer: number | readonly string[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TestGateway> {
    const { tls } = await testCluster();
    const server = createServer(tls);
    const gateway = new TestGateway(server);
    server.on('request', (request, response) => {
      void buffer(request).then((body) => {
        const { answer } = gateway;
        if (typeof answer === 'number') {
          gateway.refused++;
          response.writeHead(answer).end();
          return;
        }
        gateway.told.push(JSON.parse(body.toString()).notification);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ rejected: answer }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    return gateway;
  }

  get url(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}/_matrix/push/v1/notify`;
  }

  /** Sets a pusher of this gateway for the client's account. */
  async set(client: TestClient, pushkey: string, data: Json = {}, extra: Json = {}): Promise<void> {
    await client.request('POST', '/v3/pushers/set', this.pusher(pushkey, data, extra));
  }

  pusher(pushkey: string, data: Json = {}, extra: Json = {}): Json {
    return {
      app_id: 'org.example.app', pushkey, kind: 'http', app_display_name: 'App', device_display_name: 'Phone', lang: 'en',
      data: { url: this.url, ...data }, ...extra,
    };
  }

  /** What a push key was told of events. */
  eventsOf(pushkey: string): Json[] {
    return this.told.filter((one) => one.event_id && one.devices[0].pushkey === pushkey);
  }

  /** The push of an event, once it is there. */
  hears(pushkey: string, eventId: string, timeoutMs?: number): Promise<Json> {
    return eventually(async () => this.eventsOf(pushkey).find((one) => one.event_id === eventId), timeoutMs);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}
