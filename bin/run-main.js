// What partyline.js starts under the Node that it fetched.
import { main } from '../dist/apps/homeserver/src/main.js';

process.exit(await main(process.argv.slice(2)));
