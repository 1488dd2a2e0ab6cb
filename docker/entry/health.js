// HEALTHCHECK: exit status 0 when the server inside this container can serve.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

const TIMEOUT_MS = 4_000;
const { PARTYLINE_HTTP_PORT: http, PARTYLINE_HTTPS_PORT: https } = process.env;
// The certificate names the public address, not this one.
const options = { host: '127.0.0.1', path: '/health', timeout: TIMEOUT_MS, rejectUnauthorized: false };
const request = http === 'off' ? getHttps({ ...options, port: https || 8448 }) : getHttp({ ...options, port: http || 8008 });
request.on('response', ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1));
request.on('timeout', () => process.exit(1));
request.on('error', () => process.exit(1));
