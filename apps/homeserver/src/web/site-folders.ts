import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
/** The project's folder, seen from the sources and from the build alike. */
const root = here.slice(0, here.lastIndexOf('/apps/homeserver/')).replace(/\/dist$/, '');
/** Where the compiler puts the scripts of apps/web and what they import; all the rest is served as it is in the sources. */
const scripts = [join(root, 'dist', 'apps', 'web', 'src'), join(root, 'dist', 'libs', 'json', 'src')];

/** Content of a file of apps/web, e.g. `readSiteFile('pages', 'setup.html')`; undefined when there is none. */
export function readSiteFile(kind: 'pages' | 'assets' | 'texts' | 'scripts', name: string): Buffer | undefined {
  if (kind !== 'scripts') return read(join(root, 'apps', 'web', kind, name));
  const script = scripts.map((folder) => read(join(folder, name))).find((content) => content !== undefined);
  // A browser does not know the names of package.json.
  return script && Buffer.from(script.toString('utf8').replaceAll("'#json'", "'./parse-json.js'"));
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
