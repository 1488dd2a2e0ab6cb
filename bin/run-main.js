// What partyline.js starts: the server as the bundle, commands for once as the modules that the compiler wrote.
const isServer = process.argv[2] === 'serve';
const { main } = await import(isServer ? '../dist/apps/homeserver/bundle/main.js' : '../dist/apps/homeserver/src/main.js');

process.exit(await main(process.argv.slice(2)));
