// Numbers in the words of the status page.

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000];

/** `812 KiB`, `1.4 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `3 minutes`, `1 day`: the largest unit there is one of. */
export function spanText(ms: number): string {
  const say = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;
  if (ms < MINUTE_MS) return say(Math.max(0, Math.round(ms / 1000)), 'second');
  if (ms < HOUR_MS) return say(Math.floor(ms / MINUTE_MS), 'minute');
  if (ms < DAY_MS) return say(Math.floor(ms / HOUR_MS), 'hour');
  return say(Math.floor(ms / DAY_MS), 'day');
}

/** `1 session`, `2 sessions`. */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
