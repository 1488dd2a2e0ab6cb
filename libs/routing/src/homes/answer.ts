import { parseJson } from '#json';

/** Headers that described the bytes on the wire, which are not the bytes that the app gets. */
const wireHeaders = ['content-encoding', 'content-length', 'transfer-encoding', 'connection', 'keep-alive'];
const statusWithoutBody = new Set([204, 205, 304]);

/** What a home answered: any status. The body has been read, unless it was asked for as a stream. */
export class Answer {
  constructor(
    readonly status: number,
    private readonly headers: Headers,
    private readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
  ) {}

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The body as a JSON object; an empty one if it is none. Only for answers that were read. */
  object(): Record<string, unknown> {
    if (!(this.body instanceof Uint8Array)) return {};
    try {
      const value: unknown = parseJson(new TextDecoder().decode(this.body));
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {};
    } catch {
      return {};
    }
  }

  /** `errcode` of a Matrix error, or an empty text. */
  get errcode(): string {
    const { errcode } = this.status >= 400 ? this.object() : {};
    return typeof errcode === 'string' ? errcode : '';
  }

  /** The same answer with another JSON body. */
  withJson(body: unknown): Answer {
    return new Answer(this.status, this.headers, new TextEncoder().encode(JSON.stringify(body)));
  }

  /** For the app. */
  toResponse(): Response {
    const headers = new Headers(this.headers);
    for (const name of wireHeaders) headers.delete(name);
    return new Response(statusWithoutBody.has(this.status) ? null : this.body, { status: this.status, headers });
  }
}
