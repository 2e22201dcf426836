// Looks at a page: no fault by axe-core in either scheme, and a picture of each; readable at 200 %, and to be used without a
// mouse.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { TestBrowser } from './chromium.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** All others look at what is the same in both schemes. */
const COLOUR_RULES = ['color-contrast', 'link-in-text-block'];

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** @param name of the pictures, where they are asked for: test-output/screenshots/NAME-light.png and -dark.png */
export async function look(t: ExecutionContext, browser: TestBrowser, name: string, page: Page = browser.page) {
  await inBothSchemes(t, browser, name, page);
  await at200Percent(t, browser, name, page);
  await withoutMouse(t, name, page);
}

/** No fault by axe-core in either scheme, and a picture of each. */
export async function inBothSchemes(
  t: ExecutionContext,
  browser: TestBrowser,
  name: string,
  page: Page = browser.page,
): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await browser.screenshot(`${name}-${colorScheme}`, page);
    t.deepEqual(await faultsOf(page, colorScheme === 'light' ? [] : COLOUR_RULES), [], `${name} in ${colorScheme}`);
  }
}

/** What axe-core finds wrong with a page as it is now. @param rules none for all */
export async function faultsOf(page: Page, rules: readonly string[] = []): Promise<string[]> {
  // Handed over by the debugging port: the page's own policy lets no foreign script in.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(`${AXE}; undefined`);
  // Nothing is loaded for it: our pages play nothing, and that alone would need it.
  const options = { resultTypes: ['violations'], preload: false, ...(rules.length > 0 && { runOnly: rules }) };
  const run = `axe.run(${JSON.stringify(options)}).then(result => result.violations)`;
  const violations: Violation[] = await page.evaluate(run);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`);
}

/** Twice as large in the same window: nothing is cut off at the side, nobody has to scroll to and fro. */
async function at200Percent(t: ExecutionContext, browser: TestBrowser, name: string, page: Page): Promise<void> {
  const before = page.viewportSize();
  if (before === null) return; // a window of its own size
  await page.setViewportSize({ width: Math.round(before.width / 2), height: Math.round(before.height / 2) });
  const wider = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const isCut = (element: Element) => element.getBoundingClientRect().right > clientWidth + 1;
    const guilty = scrollWidth > clientWidth ? [...document.body.querySelectorAll('*')].filter(isCut) : [];
    return guilty.slice(0, 5).map(element => element.outerHTML.slice(0, 120));
  });
  if (wider.length > 0) await browser.screenshot(`${name}-200-percent`, page);
  t.deepEqual(wider, [], `${name} at 200 %`);
  await page.setViewportSize(before);
}

/** Every control can be reached with Tab, and shows when it has been. */
async function withoutMouse(t: ExecutionContext, name: string, page: Page): Promise<void> {
  const controls = await page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement>('a[href], button, input, select, textarea, summary');
    const isThere = (one: HTMLElement) =>
      one.checkVisibility({ visibilityProperty: true }) &&
      !one.matches(':disabled, [type=hidden]') &&
      !one.closest('[inert]');
    return [...all]
      .filter(
        one => isThere(one) && one.tabIndex < 0 && !one.matches('[role=tab], [role=option], dialog, h1, h2, main'),
      )
      .map(one => one.outerHTML.slice(0, 120));
  });
  t.deepEqual(controls, [], `${name}: controls no Tab reaches`);
  const before = await page.evaluateHandle(() => document.activeElement);
  await page.keyboard.press('Tab');
  const focus = await page.evaluate(() => {
    const at = document.activeElement;
    if (at === null || at === document.body) return 'nothing';
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(at);
    return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none'
      ? 'seen'
      : at.outerHTML.slice(0, 120);
  });
  if (focus !== 'nothing') t.is(focus, 'seen', `${name}: the focus shows`);
  await page.evaluate(at => at instanceof HTMLElement && at.focus(), before);
}
