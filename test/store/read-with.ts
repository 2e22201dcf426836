// argv: driver, path, key (hex). Prints the rows of table v. A process of its own: never two libraries in one.
const [name, path = '', key = ''] = process.argv.slice(2);
const driver =
  name === 'sqlcipher'
    ? (await import('../../appliance/store/sqlite/sqlcipher-driver.ts')).sqlcipherDriver
    : (await import('./multiple-ciphers-driver.ts')).multipleCiphersDriver;
const connection = await driver.open(path, Buffer.from(key, 'hex'), 'read');
process.stdout.write(JSON.stringify(await connection.all('SELECT * FROM v')));
await connection.close();
