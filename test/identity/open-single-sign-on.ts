// A provider that is on, and a browser that signs in by it.

import type { Brought, Entered } from '../../appliance/identity/saml-door.ts';
import type { Idp, IdpSettings } from '../../appliance/identity/saml-idp.ts';
import { readSending, TestIdp, toField, type Wish } from '../support/saml-idp.ts';
import { openTestIdentity, type TestIdentity } from './open-identity.ts';

export interface TestSso extends TestIdentity {
  readonly provider: TestIdp;
  readonly idp: Idp;
  /** What a right answer to that request says. */
  wish(inResponseTo: string | null): Pick<Wish, 'audience' | 'recipient' | 'at' | 'inResponseTo'>;
  /** Asks, in a browser. */
  begin(browser?: string): Promise<{ id: string; relayState: string; xml: string }>;
  bring(xml: string, over?: Partial<Brought>): Promise<Entered>;
  /** The whole way. */
  enter(wish?: Partial<Wish>): Promise<Entered>;
  configure(settings: Partial<IdpSettings>): Promise<void>;
}

export const BROWSER = 'b'.repeat(43);

export async function openTestSso(settings: Partial<IdpSettings> = {}): Promise<TestSso> {
  const at = await openTestIdentity();
  const { singleSignOn, idps } = at.identity;
  const provider = new TestIdp();
  const added = await idps.add(at.asRoot, provider.metadata(), 'Example login');
  const configure = async (wanted: Partial<IdpSettings>) => {
    await idps.change(at.asRoot, added.id, (await idps.get(added.id)).revision, wanted);
  };
  await configure({ createMembers: true, loginIdAttribute: 'mail', nameAttribute: 'name', ...settings });
  const idp = await idps.switch(at.asRoot, added.id, true);
  let sources = 0;
  const source = () => {
    sources += 1;
    return `203.0.${Math.floor(sources / 250)}.${sources % 250}`;
  };
  const wish = (inResponseTo: string | null) => ({
    audience: singleSignOn.service.entityId,
    recipient: singleSignOn.service.acsUrl,
    at: at.clock.now(),
    inResponseTo,
  });
  const begin = async (browser = BROWSER) => {
    return readSending(await singleSignOn.begin(idp.id, browser, source(), { loginId: null, confirms: null }));
  };
  const bring = (xml: string, over: Partial<Brought> = {}) =>
    singleSignOn.accept({
      ...{ message: toField(xml), relayState: '', browser: BROWSER, source: source(), userAgent: 'test browser' },
      ...{ reference: 'reference-1', ...over },
    });
  const enter = async (over: Partial<Wish> = {}) => {
    const { id, relayState } = await begin();
    return bring(provider.response({ ...wish(id), ...over }), { relayState });
  };
  return { ...at, provider, idp, wish, begin, bring, enter, configure };
}
