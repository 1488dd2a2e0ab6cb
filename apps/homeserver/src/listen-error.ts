import { SettingsError } from './config/settings-error.js';

/** The operating system's error of a socket that cannot be opened, as a sentence that names the setting. */
export function listenError(error: unknown, kind: 'http' | 'https'): Error {
  const setting = kind === 'http' ? 'PARTYLINE_HTTP_PORT' : 'PARTYLINE_HTTPS_PORT';
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  // No fault of the settings: what holds the port may go.
  if (code === 'EADDRINUSE') return new Error(`${setting}: port ${port} is in use. Stop what listens there (another Partyline?), or set another port.`, { cause: error });
  if (code === 'EACCES') return new SettingsError(setting, `this user may not open port ${port}; choose one above 1023`);
  if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL') return new SettingsError('PARTYLINE_BIND', `this machine has no address ${address}`);
  return error as Error;
}
