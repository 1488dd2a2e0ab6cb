/** What this server calls itself to others. The version is the one in package.json; a test compares them. */
export const serverVersion = { name: 'Partyline', version: '0.1.0' } as const;
