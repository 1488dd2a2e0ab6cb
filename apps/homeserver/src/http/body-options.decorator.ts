import { RouteConfig } from '@nestjs/platform-fastify';

/** What a route does with its body, where the defaults of install-http.ts do not fit. */
export interface BodyOptions {
  /** Leaves the body to the handler as `request.body: IncomingMessage`; the handler bounds it. */
  readonly stream?: boolean;
  /** A request between servers that nobody signs: its body is read all the same. */
  readonly unsigned?: boolean;
  /** Largest body in bytes. */
  readonly limit?: number;
}

export const BodyOptions = (options: BodyOptions): MethodDecorator & ClassDecorator => RouteConfig({ body: options });
