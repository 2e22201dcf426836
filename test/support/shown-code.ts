// The code both people compare, as a page shows it.
import type { Locator } from 'playwright-core';

/** Its six digits without the gap, once it is shown: a page says who is there before it knows the code. */
export async function shownCode(field: Locator): Promise<string> {
  const text = await field.filter({ hasText: /\d/ }).textContent();
  return (text ?? '').replace(/\D/g, '');
}
