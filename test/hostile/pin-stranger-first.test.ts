// TRUST: `stranger-first`. Someone who got hold of the PIN or the link is quicker than the customer.
import test from 'ava';
import { fromBase64Url } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import type { SessionChange } from '../../appliance/sessions/sessions.ts';
import { newHash, newId, openSessions, TestApplet, technician } from '../sessions/open-sessions.ts';

const STRANGER = '203.0.113.66';
const CUSTOMER = '198.51.100.7';

for (const second of ['pin', 'link', 'claim'] as const) {
  test(`D-05 stranger first: the customer's own ${second} after the claim is told to everyone, and only chat goes on`, async t => {
    const at = await openSessions();
    const changes: SessionChange[] = [];
    at.sessions.onChange(change => changes.push(change));
    const owner = technician();
    const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID });
    const { code } = await at.entries.makeLink(id, owner);
    const { pin } = await at.entries.makePin(id, owner);
    const { guid } = await at.entries.drawGuid(code, STRANGER);
    const stranger = new TestApplet();
    await at.entries.claim(sha256(gatewayToken(guid)), stranger.spki, STRANGER);
    const attempt = {
      pin: () => at.entries.enterByPin(pin, CUSTOMER),
      link: () => at.entries.drawGuid(code, CUSTOMER),
      claim: () => at.entries.claim(sha256(gatewayToken(guid)), new TestApplet().spki, CUSTOMER),
    }[second];
    await t.throwsAsync(attempt(), { code: 'entry.refused' });
    t.true((await at.sessions.get(id)).isClaimedTwice);
    t.is(changes.at(-1)?.event, 'session.claimed-twice');
    t.is((await at.sessions.get(id)).appletKey, stranger.spki, 'the second never takes the first one’s place');

    await at.sessions.pickUp(id, owner);
    const link = { linkId: newId(), handshakeHash: newHash() };
    await at.sessions.startLink(id, link);
    const receipt = () =>
      stranger.receipt({
        sid: id,
        sub: owner.id,
        linkId: fromBase64Url(link.linkId),
        handshake: fromBase64Url(link.handshakeHash),
        answeredAt: at.clock.now(),
      });
    await t.throwsAsync(at.rights.grant(id, owner, receipt()), { code: 'rights.compare-codes' });
    t.true((await at.chat.add(id, { lineId: newId(), author: 'technician', text: 'Hello', actor: owner })).isNew);
    await at.sessions.codesCompared(id, owner, link.linkId);
    t.truthy(await at.rights.grant(id, owner, receipt()));
    // A new handshake has to be compared anew.
    await at.sessions.startLink(id, { ...link, linkId: newId() });
    t.false((await at.sessions.get(id)).areCodesCompared);
    await at.close();
  });
}

test('D-05 two applets claim with one token at once: one is in, and it is told', async t => {
  const at = await openSessions();
  const owner = technician();
  const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID });
  const { code } = await at.entries.makeLink(id, owner);
  const { guid } = await at.entries.drawGuid(code, CUSTOMER);
  const claims = await Promise.allSettled(
    [1, 2, 3].map(() => at.entries.claim(sha256(gatewayToken(guid)), new TestApplet().spki, STRANGER)),
  );
  t.is(claims.filter(claim => claim.status === 'fulfilled').length, 1);
  t.true((await at.sessions.get(id)).isClaimedTwice);
  await at.close();
});
