// Whoever goes through thousands of things lets others in between: links of live sessions go through the same process, and are
// taken for dead after 600 ms.
const AT_ONCE = 100;

/** @param n counts what is gone through */
export async function breathe(n: number): Promise<void> {
  if (n % AT_ONCE === AT_ONCE - 1) await new Promise(resolve => setImmediate(resolve));
}
