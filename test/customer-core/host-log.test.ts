import test from 'ava';
import fc from 'fast-check';
import { customerReport, type HostLine, hostLine } from '../../appliance/customer-core/host-log.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';

const sid = sessionIdFrom(new Uint8Array(16));
const at = Date.UTC(2026, 5, 1, 8);

test('G-07 one line for each thing done, whatever a peer called itself', t => {
  t.is(
    hostLine(sid, { at, event: 'control-started', technician: 'Tina', action: 'launch-remote-control' }),
    '{"at":"2026-06-01T08:00:00.000Z","session":"AAAAAAAAAAAAAAAAAAAAAA","event":"control-started","technician":"Tina","action":"launch-remote-control"}\n',
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), technician => {
      const line = hostLine(sid, { at, event: 'technician-connected', technician });
      t.is(line.indexOf('\n'), line.length - 1);
      t.is(JSON.parse(line).event, 'technician-connected');
    }),
  );
});

test('K-04 the customer’s report says who, when, which rights and which files', t => {
  const control = 'launch-remote-control';
  const lines: HostLine[] = [
    { at, event: 'technician-connected', technician: 'Tina' },
    { at, event: 'refused', action: 'send-files' },
    { at, event: 'allowed', action: control },
    { at: at + 1000, event: 'control-started', action: control },
    { at: at + 61_000, event: 'control-ended', action: control },
    { at: at + 70_000, event: 'control-started', action: control },
    { at, event: 'file-received', file: 'fix.exe', bytes: 5, sha256: 'ab' },
    { at, event: 'reboot' },
    { at, event: 'technician-connected', technician: 'Tina' },
    { at, event: 'claimed-twice' },
  ];
  const report = customerReport({
    ...{ sid, organisation: 'Example Ltd', appletKey: 'key', logHead: 'head', lines },
    ...{ startedAt: at, endedAt: at + 100_000 },
  });
  t.deepEqual(report.technicians, ['Tina']);
  t.deepEqual(report.rights, [
    { action: 'send-files', allowed: 0, refused: 1, seconds: 0 },
    { action: control, allowed: 1, refused: 0, seconds: 90 },
  ]);
  t.deepEqual(report.files, [{ file: 'fix.exe', direction: 'to you', bytes: 5, sha256: 'ab' }]);
  t.is(report.reboots, 1);
  t.deepEqual(report.warnings, ['claimed-twice']);
});
