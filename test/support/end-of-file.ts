// Loaded into the process of every test file (package.json). A timer, socket or child that is left behind keeps that process, and
// one of the few places the suite has, for as long as it lasts: that is a failure, and says what it is.
import { registerCompletionHandler } from 'ava';

/** What is right ends within milliseconds of the last test, also on a busy machine. */
const LIMIT_MS = 30_000;

registerCompletionHandler(() => {
  const tell = () => {
    process.stderr.write(`left behind: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  };
  setTimeout(tell, LIMIT_MS).unref();
});
