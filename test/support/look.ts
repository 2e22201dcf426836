// Looks at a page: no fault by axe-core in either scheme, and a picture of each; readable at 200 % and on a phone, and to be used
// without a mouse.
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
  await inSmallWindows(t, browser, name, page);
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

const PHONE = { width: 390, height: 844 };

/** Twice as large in the same window, and on a phone: nothing is cut off at the side, nobody has to scroll to and fro. */
async function inSmallWindows(t: ExecutionContext, browser: TestBrowser, name: string, page: Page): Promise<void> {
  const before = page.viewportSize();
  if (before === null) return; // a window of its own size
  const half = { width: Math.round(before.width / 2), height: Math.round(before.height / 2) };
  for (const [where, size] of Object.entries({ '200-percent': half, phone: PHONE })) {
    await page.setViewportSize(size);
    const wider = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const isCut = (element: Element) => element.getBoundingClientRect().right > clientWidth + 1;
      const guilty = scrollWidth > clientWidth ? [...document.body.querySelectorAll('*')].filter(isCut) : [];
      return guilty.slice(0, 5).map(element => element.outerHTML.slice(0, 120));
    });
    if (wider.length > 0) await browser.screenshot(`${name}-${where}`, page);
    t.deepEqual(wider, [], `${name}, ${where}`);
  }
  await page.setViewportSize(before);
}

/**
 * Tab goes to every control, shows at each where it is, and is caught by none. What is one of a set (the tabs, a list's options, a
 * radio button) is reached with its set.
 */
async function withoutMouse(t: ExecutionContext, name: string, page: Page): Promise<void> {
  const before = await page.evaluateHandle(() => document.activeElement);
  const walk = await page.evaluateHandle(() => {
    const within = document.querySelector('dialog:modal') ?? document.body;
    const all = within.querySelectorAll<HTMLElement>(
      'a[href], button, input, select, textarea, summary, [tabindex="0"]',
    );
    const isThere = (one: HTMLElement) =>
      one.checkVisibility({ visibilityProperty: true }) &&
      !one.matches(':disabled, [type=hidden]') &&
      !(one.tabIndex < 0 && one.matches('[role=tab], [role=option], dialog, h1, h2, main')) &&
      !one.closest('[inert]');
    const setOf = (one: HTMLElement) =>
      one instanceof HTMLInputElement && one.type === 'radio' ? `${one.form?.id} ${one.form?.action} ${one.name}` : one;
    const unreached = new Map([...all].filter(isThere).map(one => [setOf(one), one]));
    const unseen: string[] = [];
    const listen = ({ target }: FocusEvent) => {
      if (!(target instanceof HTMLElement)) return;
      if (!unreached.delete(setOf(target))) return;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(target);
      const isSeen = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
      if (!isSeen) unseen.push(target.outerHTML.slice(0, 120));
    };
    document.addEventListener('focusin', listen, true);
    return { unreached, unseen, stop: () => document.removeEventListener('focusin', listen, true) };
  });
  const left = () => walk.evaluate(({ unreached }) => unreached.size);
  for (let more = await left(), steps = 2 * more + 10; more > 0 && steps > 0; steps -= more, more = await left())
    for (let step = 0; step < Math.min(more, steps); step++) await page.keyboard.press('Tab');
  const found = await walk.evaluate(({ unreached, unseen, stop }) => {
    stop();
    return { unreached: [...unreached.values()].map(one => one.outerHTML.slice(0, 120)), unseen };
  });
  t.deepEqual(found, { unreached: [], unseen: [] }, `${name}: by keyboard alone`);
  await page.evaluate(at => at instanceof HTMLElement && at.focus(), before);
}
