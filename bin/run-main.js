// What partyline.js starts: the server as the bundle, commands for once as the modules that the compiler wrote.
import { endWithParent } from './bootstrap.js';

// A launcher that forwards signals is told of by its channel; npm, which cannot forward its own end, is watched.
if (process.env.npm_lifecycle_event !== undefined && !process.channel) endWithParent();

const isServer = process.argv[2] === 'serve';
const { main } = await import(isServer ? '../dist/apps/homeserver/bundle/main.js' : '../dist/apps/homeserver/src/main.js');

process.exit(await main(process.argv.slice(2)));
