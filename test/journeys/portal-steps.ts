// What people do on the portal's pages, step by step, for the journeys.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { TestBrowser } from '../support/chromium.ts';
import { look as lookAt } from '../support/look.ts';

/** Looks at a page of the portal's (support/look.ts). */
export function look(t: ExecutionContext, browser: TestBrowser, name: string): Promise<void> {
  return lookAt(t, browser, `portal-${name}`);
}

export async function codeOf(secret: string): Promise<string> {
  return (await promisify(execFile)('oathtool', ['--totp', '-b', secret])).stdout.trim();
}

export async function signIn(page: Page, url: string, loginId: string, password: string): Promise<void> {
  await page.goto(`${url}/sign-in`);
  await page.getByLabel('Login id').fill(loginId);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}
