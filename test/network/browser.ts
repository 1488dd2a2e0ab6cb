import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Json } from './test-client.js';
import { testCluster } from './test-cluster.js';

/** A browser with a subscription, and the push service that brings it its messages. */
export class TestBrowser {
  /** Messages, decrypted, with the headers that they came with. */
  readonly messages: { readonly text: Json; readonly headers: Json }[] = [];
  /** What requests are answered with. */
  status = 201;
  readonly #key = createECDH('prime256v1');
  readonly #auth = randomBytes(16);

  private constructor(private readonly server: Server) {
    this.#key.generateKeys();
  }

  static async open(): Promise<TestBrowser> {
    const server = createServer((await testCluster()).tls);
    const browser = new TestBrowser(server);
    server.on('request', (request, response) => {
      void buffer(request).then((body) => {
        if (browser.status === 201) browser.messages.push({ text: JSON.parse(browser.#read(body)), headers: request.headers });
        response.writeHead(browser.status).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    return browser;
  }

  /** A pusher of this browser (MSC4174). */
  pusher(data: Json = {}): Json {
    return {
      app_id: 'org.example.page', pushkey: this.#key.getPublicKey('base64url'), kind: 'org.matrix.msc4174.webpush', app_display_name: 'Page', device_display_name: 'Browser',
      lang: 'en', data: { url: `https://localhost:${(this.server.address() as AddressInfo).port}/push/1`, auth: this.#auth.toString('base64url'), ...data },
    };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  /** By RFC 8291, from the other side. */
  #read(body: Buffer): string {
    const [salt, length] = [body.subarray(0, 16), body[20]!];
    const sender = body.subarray(21, 21 + length);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.#key.getPublicKey(), sender]);
    const ikm = derive(this.#key.computeSecret(sender), this.#auth, info, 32);
    const cipher = createDecipheriv('aes-128-gcm', derive(ikm, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16), derive(ikm, salt, Buffer.from('Content-Encoding: nonce\0'), 12));
    cipher.setAuthTag(body.subarray(-16));
    const plain = Buffer.concat([cipher.update(body.subarray(21 + length, -16)), cipher.final()]);
    return plain.subarray(0, plain.lastIndexOf(2)).toString();
  }
}

function derive(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', ikm, salt, info, length));
}
