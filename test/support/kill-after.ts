// Loaded before a process under test: the process is killed, as by the kernel, right after the first rename that fits KILL_AFTER,
// by its names or by what is in a file of JSON.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const after = new RegExp(process.env.KILL_AFTER ?? '$^');
const { renameSync } = fs;
const { rename } = fs.promises;

fs.renameSync = (from, to) => {
  renameSync(from, to);
  killWhere(from, to);
};
fs.promises.rename = async (from, to) => {
  await rename(from, to);
  killWhere(from, to);
};
syncBuiltinESMExports();

function killWhere(from: fs.PathLike, to: fs.PathLike): void {
  const content = String(to).endsWith('.json') ? fs.readFileSync(to, 'utf8') : '';
  if (after.test(`${from} > ${to} ${content}`)) process.kill(process.pid, 'SIGKILL');
}
