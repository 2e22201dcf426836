// A program that fills a terminal with lines, twenty a second: most of each is like the others, and some is not.
const STEP_MS = 47;
let line = 0;
setInterval(() => {
  line += 1;
  const [number, status] = [line * 7919, (line * 31) % 997];
  const words = 'the quick brown fox jumps over the lazy dog';
  process.stdout.write(`${line} ${number} ${words} /usr/lib/file${line}.conf: status ${status} ok\n`);
}, STEP_MS);
