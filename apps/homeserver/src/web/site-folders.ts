import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
/** The project's folder, seen from the sources and from the build alike. */
const root = here.slice(0, here.lastIndexOf('/apps/homeserver/')).replace(/\/dist$/, '');
/** Where the compiler puts the scripts of apps/web; all the rest is served as it is in the sources. */
const scripts = join(root, 'dist', 'apps', 'web', 'src');

/** Content of a file of apps/web, e.g. `readSiteFile('pages', 'setup.html')`; undefined when there is none. */
export function readSiteFile(kind: 'pages' | 'assets' | 'texts' | 'scripts', name: string): Buffer | undefined {
  try {
    return readFileSync(kind === 'scripts' ? join(scripts, name) : join(root, 'apps', 'web', kind, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
